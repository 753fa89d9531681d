"""The API's routes as `Call` objects, which both clients send."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar
from uuid import uuid4

import httpx
import numpy as np
from numpy.typing import NDArray

from . import resumption, types
from .types import read

Result = TypeVar("Result")
Item = TypeVar("Item")
Query = Mapping[str, str | int | float | bool | None]
Vectors = NDArray[np.float32]
Pictures = list[tuple[str, tuple[str, bytes]]]

NPY = "application/x-npy"


@dataclass(frozen=True)
class Call(Generic[Result]):
    """A request, and the function that parses its answer."""

    method: str
    path: str
    parse: Callable[[bytes, Any], Result]  # the body, and the body as JSON (None if it is not JSON)
    query: Query = field(default_factory=dict)
    json: object = None
    files: Pictures | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None  # the body, if it is neither JSON nor a form

    @property
    def repeatable(self) -> bool:
        """Whether the call may be sent again when no answer came."""
        starts_nothing_twice = self.method != "POST" or "Idempotency-Key" in self.headers
        return self.content is None and starts_nothing_twice

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Return the request that either kind of client sends; a query's None is left out."""
        query = {name: value for name, value in self.query.items() if value is not None}
        return http.build_request(
            self.method,
            self.path,
            params=query or None,
            json=self.json,
            files=self.files,
            content=self.content,
            headers=dict(self.headers),
        )

    def read(self, response: httpx.Response) -> Result:
        """Read the answer."""
        is_json = response.headers.get("content-type", "").startswith("application/json")
        return self.parse(response.content, response.json() if is_json else None)


@dataclass(frozen=True)
class Slice(Generic[Item]):
    """A page of a list, and the address of the next."""

    items: list[Item]
    following: str | None


def one(kind: type[Result], method: str, path: str, query: Query | None = None, json: object = None) -> Call[Result]:
    """Call a route that answers one object."""
    return Call(method, path, lambda _, value: read(kind, value), query or {}, json)


def job(path: str, json: object) -> Call[types.Job]:
    """Start a job; with its idempotency key, a repeated call does not start a second job."""
    headers = {"Idempotency-Key": uuid4().hex}
    return Call("POST", path, lambda _, value: read(types.Job, value), json=json, headers=headers)


def nothing(method: str, path: str) -> Call[None]:
    """Call a route that answers nothing."""
    return Call(method, path, lambda body, value: None)


def begin_upload(path: Path) -> Call[None]:
    """Announce a resumable upload; its address is in the header Location."""
    return Call("POST", "/uploads", lambda body, value: None, headers=resumption.creation_headers(path))


def append(address: str, offset: int, content: bytes) -> Call[None]:
    """Send the bytes of an upload from `offset` on; the header Upload-Offset of the answer has the new offset."""
    headers = resumption.chunk_headers(offset)
    return Call("PATCH", address, lambda body, value: None, headers=headers, content=content)


def job_of_upload(address: str) -> Call[str]:
    """Read the id of a complete upload's job."""
    return Call("GET", address, lambda _, value: str(value["job"]))


def bytes_of(path: str) -> Call[bytes]:
    """Read a route's body."""
    return Call("GET", path, lambda body, _: body)


def page(kind: type[Item], path: str, query: Query | None = None) -> Call[Slice[Item]]:
    """Read one page of a list."""

    def parse(_: bytes, value: Any) -> Slice[Item]:
        return Slice([read(kind, item) for item in value["items"]], value["next"])

    return Call("GET", path, parse, query or {})


def matrix(path: str, query: Query | None = None, json: object = None, files: Pictures | None = None) -> Call[Vectors]:
    """Read a matrix of vectors."""

    def parse(body: bytes, _: Any) -> Vectors:
        found: Vectors = np.load(io.BytesIO(body), allow_pickle=False)
        return found

    return Call("POST", path, parse, query or {}, json, files, {"Accept": NPY})


def similar_to_picture(picture: bytes, k: int, model: str | None) -> Call[types.Similar]:
    """Search by a picture."""
    query: Query = {"k": k, "model": model}
    files: Pictures = [("file", ("picture", picture))]
    return Call("POST", "/similar", lambda _, value: read(types.Similar, value), query, None, files)


def embed(pictures: Sequence[bytes], model: str | None) -> Call[Vectors]:
    """Encode pictures."""
    files: Pictures = [("files", (str(number), picture)) for number, picture in enumerate(pictures)]
    return matrix("/embeddings", {"model": model}, files=files)


def judge(a: str, b: str, state: Literal["rejected", "accepted", "open"], by: str) -> Call[types.Link]:
    """Reject, accept or reopen a link."""
    return one(types.Link, "PATCH", f"/links/{a}/{b}", json={"state": state, "by": by})


def mark(patch_ids: Sequence[str], no_object: bool, by: str) -> Call[list[str]]:
    """Mark patches as no object, or remove the marks."""
    said = {"ids": list(patch_ids), "no_object": no_object, "by": by}
    return Call("PATCH", "/patches", lambda _, value: list(value["ids"]), json=said)
