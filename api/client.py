"""Python client of the HTTP API. It needs httpx and numpy, and no server code.

    with Client("http://127.0.0.1:8000") as client:
        job = client.wait(client.add_video(Path("bikes.mp4")).id)
        for patch in client.patches(job.result):
            print(patch.id, client.similar(patch.id, k=5).items)

A failure is raised as an error of `graph.errors` with the text of the server's problem.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, TypeVar

import httpx
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from api.responses import (
    ClusterDetailResponse,
    ClusterResponse,
    JobResponse,
    ModelResponse,
    NeighboursResponse,
    PatchResponse,
    PathResponse,
    QuadrupleResponse,
    ReadyResponse,
    SimilarResponse,
    StatsResponse,
    VectorResponse,
    VideoResponse,
)
from graph import errors

Model = TypeVar("Model", bound=BaseModel)
Query = Mapping[str, str | int | float | bool | None]
Vectors = NDArray[np.float32]
Files = list[tuple[str, tuple[str, BinaryIO | bytes]]]

ENDED = ("done", "failed", "cancelled")
_KINDS: dict[int, type[errors.TransitiveError]] = {
    404: errors.NotFound,
    409: errors.Conflict,
    503: errors.Unavailable,
    507: errors.StorageError,
}


class Client:
    """A connection to one server; safe to share between threads."""

    def __init__(self, url: str, timeout_s: float = 60.0) -> None:
        """Speak to the server at `url`; nothing is sent yet."""
        self._http = httpx.Client(base_url=url, timeout=timeout_s)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    # videos and jobs

    def add_video(self, path: Path) -> JobResponse:
        """Upload a video file, streamed from disk; the job tells how its mining ends."""
        with path.open("rb") as file:
            return self._one(JobResponse, "POST", "/videos", files=[("file", (path.name, file))])

    def add_video_on_server(self, path: str) -> JobResponse:
        """Ask for a file that the server can read."""
        return self._one(JobResponse, "POST", "/videos", json={"path": path})

    def videos(self) -> Iterator[VideoResponse]:
        """Yield every video, page by page."""
        return self._every(VideoResponse, "/videos")

    def video(self, video_id: str) -> VideoResponse:
        """Read one video; raises `NotFound`."""
        return self._one(VideoResponse, "GET", f"/videos/{video_id}")

    def delete_video(self, video_id: str) -> None:
        """Remove a video and all that came from it."""
        self._send("DELETE", f"/videos/{video_id}")

    def job(self, job_id: str) -> JobResponse:
        """Read how far a job is."""
        return self._one(JobResponse, "GET", f"/jobs/{job_id}")

    def jobs(self) -> Iterator[JobResponse]:
        """Yield every job, newest first."""
        return self._every(JobResponse, "/jobs")

    def cancel(self, job_id: str) -> JobResponse:
        """Ask a job to stop."""
        return self._one(JobResponse, "DELETE", f"/jobs/{job_id}")

    def follow(self, job_id: str) -> Iterator[JobResponse]:
        """Yield a job at every change until it has ended."""
        with self._http.stream("GET", f"/jobs/{job_id}/events", timeout=None) as response:
            if response.is_error:
                response.read()
                _raise(response)
            event = ""
            for line in response.iter_lines():
                name, _, value = line.partition(":")
                if name == "event":
                    event = value.strip()
                elif name == "data" and event == "job":
                    yield JobResponse.model_validate_json(value)

    def wait(self, job_id: str) -> JobResponse:
        """Wait until a job has ended; raises `TransitiveError` with its reason when it failed or was cancelled."""
        job = self.job(job_id)
        while job.state not in ENDED:
            for _ in self.follow(job_id):
                pass
            job = self.job(job_id)  # a stream may have been cut before the end
        if job.state == "cancelled":
            raise errors.Cancelled(f"Job {job_id} was cancelled.")
        if job.state == "failed":
            raise errors.TransitiveError(job.reason)
        return job

    # patches and vectors

    def patches(self, video_id: str) -> Iterator[PatchResponse]:
        """Yield every patch of a video."""
        return self._every(PatchResponse, f"/videos/{video_id}/patches")

    def patch(self, patch_id: str) -> PatchResponse:
        """Read one patch."""
        return self._one(PatchResponse, "GET", f"/patches/{patch_id}")

    def image(self, patch_id: str) -> bytes:
        """Read a patch's 96×96 JPEG."""
        return self._send("GET", f"/patches/{patch_id}/image").content

    def neighbours(
        self, patch_id: str, kind: Literal["intra", "inter", "both"] = "both", depth: int = 1
    ) -> NeighboursResponse:
        """Read what is linked to a patch, and why."""
        query: Query = {"kind": kind, "depth": depth}
        return self._one(NeighboursResponse, "GET", f"/patches/{patch_id}/neighbours", query=query)

    def embedding(self, patch_id: str, model: str | None = None) -> VectorResponse:
        """Read one patch's embedding."""
        return self._one(VectorResponse, "GET", f"/patches/{patch_id}/embedding", query={"model": model})

    def similar(self, patch_id: str, k: int = 10, model: str | None = None) -> SimilarResponse:
        """Find the patches most like a patch."""
        return self._one(SimilarResponse, "GET", f"/patches/{patch_id}/similar", query={"k": k, "model": model})

    def similar_to_picture(self, picture: bytes, k: int = 10, model: str | None = None) -> SimilarResponse:
        """Find the patches most like a picture (JPEG, PNG or WebP)."""
        return self._one(
            SimilarResponse, "POST", "/similar", query={"k": k, "model": model}, files=[("file", ("picture", picture))]
        )

    def embed(self, pictures: Sequence[bytes], model: str | None = None) -> Vectors:
        """Encode N pictures to float32 (N, E) of length 1."""
        files: Files = [("files", (f"{number}", picture)) for number, picture in enumerate(pictures)]
        return self._matrix("/embeddings", query={"model": model}, files=files)

    def embeddings(self, patch_ids: Sequence[str], model: str | None = None) -> Vectors:
        """Read the embeddings of N patches as float32 (N, E), in their order; raises `NotFound` when one is missing."""
        return self._matrix("/embeddings/lookup", json={"ids": list(patch_ids), "model": model})

    # the graph and models

    def stats(self) -> StatsResponse:
        """Read how much the graph holds."""
        return self._one(StatsResponse, "GET", "/graph/stats")

    def quadruples(self, conditions: Query | None = None) -> Iterator[QuadrupleResponse]:
        """Yield quadruples; the conditions are those of `GET /graph/quadruples`, such as `{"parent": 3}`."""
        return self._every(QuadrupleResponse, "/graph/quadruples", conditions)

    def path(self, from_id: str, to_id: str) -> PathResponse:
        """Find how two patches are connected; raises `NotFound` when they are not."""
        return self._one(PathResponse, "GET", "/graph/path", query={"from": from_id, "to": to_id})

    def clusters(self) -> Iterator[ClusterResponse]:
        """Yield every parent cluster of the current generation."""
        return self._every(ClusterResponse, "/clusters")

    def cluster(self, cluster_id: int) -> ClusterDetailResponse:
        """Read one parent cluster with its first members and children."""
        return self._one(ClusterDetailResponse, "GET", f"/clusters/{cluster_id}")

    def link(self, parameters: Query | None = None) -> JobResponse:
        """Start linking; the parameters are those of `POST /links`, such as `{"group": 2}`."""
        return self._one(JobResponse, "POST", "/links", json=dict(parameters or {}))

    def train(self, recipe: str, preset: str = "paper", seed: int = 0) -> JobResponse:
        """Start a training; the job's result is the model's id."""
        return self._one(JobResponse, "POST", "/trainings", json={"recipe": recipe, "preset": preset, "seed": seed})

    def models(self) -> Iterator[ModelResponse]:
        """Yield every trained network."""
        return self._every(ModelResponse, "/models")

    def model(self, model_id: str) -> ModelResponse:
        """Read one trained network."""
        return self._one(ModelResponse, "GET", f"/models/{model_id}")

    def ready(self) -> ReadyResponse:
        """Read whether everything the server needs is there; raises nothing when it is not."""
        return ReadyResponse.model_validate_json(self._http.get("/readyz").content)

    def _send(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        json: object = None,
        files: Files | None = None,
        accept: str = "*/*",
    ) -> httpx.Response:
        wanted = {name: value for name, value in (query or {}).items() if value is not None}
        headers = {"Accept": accept}
        try:
            response = self._http.request(method, path, params=wanted or None, json=json, files=files, headers=headers)
        except httpx.TransportError as error:
            raise errors.Unavailable(
                f"The API at {self._http.base_url} does not answer ({error}). Start it: transitive up."
            ) from error
        if response.is_error:
            _raise(response)
        return response

    def _one(
        self,
        model: type[Model],
        method: str,
        path: str,
        query: Query | None = None,
        json: object = None,
        files: Files | None = None,
    ) -> Model:
        return model.model_validate_json(self._send(method, path, query, json, files).content)

    def _every(self, model: type[Model], path: str, query: Query | None = None) -> Iterator[Model]:
        page = self._send("GET", path, query).json()
        while True:
            yield from (model.model_validate(item) for item in page["items"])
            if page["next"] is None:
                return
            page = self._send("GET", page["next"]).json()

    def _matrix(
        self, path: str, query: Query | None = None, json: object = None, files: Files | None = None
    ) -> Vectors:
        response = self._send("POST", path, query, json, files, accept="application/x-npy")
        matrix: Vectors = np.load(io.BytesIO(response.content), allow_pickle=False)
        return matrix


def _raise(response: httpx.Response) -> None:
    try:
        detail = str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"{response.request.url} answered with status {response.status_code}."
    default = errors.InvalidInput if response.is_client_error else errors.TransitiveError
    raise _KINDS.get(response.status_code, default)(detail)
