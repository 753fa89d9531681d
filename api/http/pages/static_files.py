"""The pages' scripts, styles and icon, which are read once when the server starts."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Header, Path
from fastapi.responses import Response

from graph.errors import NotFound

router = APIRouter(include_in_schema=False)

_KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    kind: str
    tag: str


def _read(path: FilePath) -> _File:
    content = path.read_bytes()
    return _File(content, _KINDS[path.suffix], f'"{blake2b(content, digest_size=12).hexdigest()}"')


_FILES = {path.name: _read(path) for path in (FilePath(__file__).parent / "static").iterdir() if path.suffix in _KINDS}


@router.get("/browse/static/{name}")
def static_file(
    name: Annotated[str, Path(max_length=100)], if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """Answer with a file; browsers must revalidate it each time, so that a new version is used at once."""
    file = _FILES.get(name)
    if file is None:
        raise NotFound(f"The pages have no file {name!r}.")
    headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
    if if_none_match == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.kind, headers=headers)
