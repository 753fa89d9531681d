"""The checks of every request that FastAPI runs before its route."""

from fastapi import Request

from api.http.accept import refuse_unacceptable
from api.http.limits import refuse_foreign_pages
from api.http.query_parameters import refuse_unknown_parameters


async def check_request(request: Request) -> None:
    """Raise an error for a page of another site, an unknown query parameter, or an Accept header that fits no answer.

    The checks are one dependency, because FastAPI takes about 20 µs to resolve a dependency and these checks take 5.
    It is async, because FastAPI runs a plain function in a thread, which takes 100 µs.
    """
    refuse_foreign_pages(request)
    refuse_unknown_parameters(request)
    refuse_unacceptable(request)
