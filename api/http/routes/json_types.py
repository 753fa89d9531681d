"""Types of fields in JSON bodies that accept what their JSON schema accepts, and nothing else.

Pydantic by itself also takes "5" and true for 5, and 0 for false.
"""

from typing import Annotated

from pydantic import BeforeValidator, StrictBool


def _number(value: object) -> object:
    if isinstance(value, (str, bool)):
        raise ValueError("Input should be a number")  # noqa: TRY004  pydantic turns only ValueError into a 422
    return value


Integer = Annotated[int, BeforeValidator(_number)]
Number = Annotated[float, BeforeValidator(_number)]
Boolean = StrictBool
