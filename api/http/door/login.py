"""The login form for an API key, and its cookie for the pages."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.http.door.session import COOKIE, SESSION_S, session_for
from api.http.pages.render import page
from api.keys import KeyStore

router = APIRouter(include_in_schema=False)

Next = Annotated[str, Query(max_length=2000)]


@router.get("/login")
def show_login(next: Next = "/browse") -> Response:
    """Show the form."""
    return HTMLResponse(_form(next, wrong=False))


@router.post("/login")
def log_in(
    request: Request,
    key: Annotated[str, Form(max_length=200)],
    next: Annotated[str, Form(max_length=2000)] = "/browse",
) -> Response:
    """Set the cookie and redirect if the key is valid; show the form again if it is not."""
    keys: KeyStore = request.app.state.keys
    found = keys.find(key.strip())
    if found is None:
        return HTMLResponse(_form(next, wrong=True), 401)
    answer = RedirectResponse(_own_path(next), 303)
    answer.set_cookie(
        COOKIE,
        session_for(found),
        max_age=SESSION_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout")
def log_out() -> Response:
    """Remove the cookie."""
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _form(next_path: str, wrong: bool) -> str:
    return page("login.html", crumbs=[("Log in", "/login")], next=_own_path(next_path), wrong=wrong)


def _own_path(path: str) -> str:
    """Return the path to redirect to; an address of another server is replaced by the overview."""
    own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if own else "/browse"
