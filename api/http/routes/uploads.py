"""Routes of resumable uploads by tus 1.0 (https://tus.io/protocols/resumable-upload).

The server implements tus's core, creation, termination and expiration. A complete upload
becomes the same ingest job as POST /videos; the last PATCH and every later GET name it. Reading starts no job.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Path, Request, Response
from starlette.requests import ClientDisconnect

from api.http.problems import UnsupportedMedia, WrongVersion, problem_responses
from api.http.resumable import Upload
from api.http.routes.paging import MOST_INTEGER
from api.http.service import Service, ServiceDep
from api.http.uploads import plain_name
from api.responses.videos import UploadResponse
from graph.errors import InvalidInput

VERSION = "1.0.0"
CHUNK = "application/offset+octet-stream"


async def _check_version(
    response: Response, tus_resumable: Annotated[str, Header(json_schema_extra={"const": VERSION})] = VERSION
) -> None:
    response.headers["Tus-Resumable"] = VERSION
    if tus_resumable != VERSION:
        raise WrongVersion(f"This server supports tus {VERSION}, not {tus_resumable}.")


router = APIRouter(tags=["videos"], dependencies=[Depends(_check_version)])

UploadId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", examples=["3d1f0c6a2b9e48d7a5c4e3f2b1a09876"])]
Length = Annotated[
    int,
    Header(
        alias="Upload-Length",
        ge=0,
        le=MOST_INTEGER,
        description="Bytes of the whole file.",
        json_schema_extra={"minimum": 1},  # 0 is refused with the name of the file
    ),
]
Offset = Annotated[int, Header(alias="Upload-Offset", ge=0, le=MOST_INTEGER, description="Where these bytes begin.")]
Metadata = Annotated[
    str,
    Header(alias="Upload-Metadata", max_length=4096, description="tus: `filename` and the name in base64."),
]
_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"headers": {"Location": {"description": "The upload.", "schema": {"type": "string"}}}}
}
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {CHUNK: {"schema": {"type": "string", "format": "binary"}}}}
}


@router.options("/uploads", status_code=204, responses=problem_responses(412), summary="Supported parts of tus")
def describe(shared: ServiceDep, response: Response) -> None:
    """Return the version, the extensions and the size limit in headers."""
    response.headers["Tus-Version"] = VERSION
    response.headers["Tus-Extension"] = "creation,termination,expiration"
    response.headers["Tus-Max-Size"] = str(shared.inbox.limit)


@router.post(
    "/uploads",
    status_code=201,
    responses=problem_responses(403, 412, 413, 507, also=_CREATED),
    summary="Begin a resumable upload",
)
def create_upload(
    response: Response, shared: ServiceDep, upload_length: Length, upload_metadata: Metadata = ""
) -> UploadResponse:
    """Announce a video file; send its bytes by PATCH to the address in Location, in as many requests as needed."""
    shared.check_backends()
    upload = shared.uploads.create(_name(upload_metadata), upload_length)
    response.headers["Location"] = f"/uploads/{upload.id}"
    return _answer(response, shared, upload)


@router.get("/uploads/{upload_id}", responses=problem_responses(404, 412), summary="Offset of an upload")
def get_upload(upload_id: UploadId, response: Response, shared: ServiceDep) -> UploadResponse:
    """Read an upload's offset (also by HEAD: Upload-Offset, Upload-Length) and, once complete, its job."""
    return _answer(response, shared, shared.uploads.get(upload_id))


@router.patch(
    "/uploads/{upload_id}",
    status_code=204,
    responses=problem_responses(403, 404, 409, 412, 415, 507),
    openapi_extra=_BODY,
    summary="Send the next bytes",
)
async def append(
    upload_id: UploadId, request: Request, response: Response, shared: ServiceDep, upload_offset: Offset
) -> None:
    """Append bytes. If a request breaks off, the bytes received are kept. The last response has the job in Location.

    If the job of a complete upload could not be started, an empty request at its end tries again. The server also does.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != CHUNK:
        raise UnsupportedMedia(f"The bytes of an upload are sent as {CHUNK}.")
    with shared.uploads.writing(upload_id, upload_offset) as writer:
        try:
            async for chunk in request.stream():
                await to_thread.run_sync(writer.write, chunk)
        except ClientDisconnect:
            raise InvalidInput("The request was broken off. Ask for the upload's offset, and continue there.") from None
        upload = writer.upload
    if upload.complete:
        upload = await to_thread.run_sync(shared.uploads.start_job, upload, shared.submit)
    _answer(response, shared, upload)


@router.delete(
    "/uploads/{upload_id}", status_code=204, responses=problem_responses(403, 404, 412), summary="Delete an upload"
)
def delete_upload(upload_id: UploadId, shared: ServiceDep) -> None:
    """Delete the upload. The job of a complete upload continues; cancel it at the job's own address."""
    shared.uploads.delete(upload_id)


def _answer(response: Response, shared: Service, upload: Upload) -> UploadResponse:
    expires = datetime.fromtimestamp(shared.uploads.expires(upload), UTC)
    response.headers["Upload-Offset"] = str(upload.offset)
    response.headers["Upload-Length"] = str(upload.length)
    response.headers["Upload-Expires"] = format_datetime(expires, usegmt=True)
    response.headers["Cache-Control"] = "no-store"
    if upload.job:
        response.headers["Location"] = f"/jobs/{upload.job}"
    return UploadResponse(id=upload.id, name=upload.name, length=upload.length, offset=upload.offset, job=upload.job)


def _name(metadata: str) -> str:
    """Read the file name from Upload-Metadata: pairs of a key and a value in base64, commas between the pairs."""
    for pair in metadata.split(","):
        key, _, value = pair.strip().partition(" ")
        if key in ("filename", "name") and value:
            try:
                return plain_name(b64decode(value, validate=True).decode(errors="replace"))
            except (Base64Error, ValueError):
                raise InvalidInput(f"The {key} in Upload-Metadata is not base64.") from None
    return "video"
