"""The synchronous client."""

import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import httpx

from . import calls, resumption, types
from .attempts import failure_of, no_answer, pause, pause_before_retry
from .calls import Call, Item, Query, Result, Vectors
from .errors import ClientError, JobFailed, NotFound, error_of
from .events import Events
from .resumption import Progress

_WAIT_S = 0.5  # before a broken stream of events is opened again


class Client:
    """A connection to one server; safe to share between threads."""

    def __init__(self, url: str, key: str = "", timeout_s: float = 60.0, retries: int = 3) -> None:
        """Prepare calls to the server at `url`, with an API key if it requires one; nothing is sent yet.

        A repeatable call is sent up to `retries` more times if the server, or a part of it, does not answer.
        """
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, timeout=timeout_s, headers=headers)
        self._retries = retries

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

    def add_video(self, path: Path, progress: Progress | None = None) -> types.Job:
        """Upload a video file in resumable pieces; returns the job of its mining.

        If the server already has the video, nothing is sent; the returned job is done and has no id. `progress` is
        called with the bytes sent and the bytes of the file.
        """
        video = resumption.video_id(path)
        try:
            if self.video(video).status == "ready":
                return resumption.already_there(video, path)
        except NotFound:
            pass
        total = path.stat().st_size
        created = self._answer(calls.begin_upload(path))
        address = created.headers["location"]
        offset = 0
        while offset < total:
            offset = self._send_chunk(address, path, offset, total)
            if progress is not None:
                progress(offset, total)
        job = self.call(calls.job_of_upload(address))
        if not job:  # the bytes arrived, but the job could not be started: an empty chunk asks for it again
            self._send_chunk(address, path, total, total)
            job = self.call(calls.job_of_upload(address))
        return self.job(job)

    def add_video_on_server(self, path: str) -> types.Job:
        """Submit the mining of a file that the server can read by its path."""
        return self.call(calls.job("/videos", {"path": path}))

    def videos(self, conditions: Query | None = None) -> Iterator[types.Video]:
        """Yield every video; the conditions are those of `GET /videos`, such as `{"status": "ready"}`."""
        return self._every(types.Video, "/videos", conditions)

    def video(self, video_id: str) -> types.Video:
        """Read one video; raises `NotFound`."""
        return self.call(calls.one(types.Video, "GET", f"/videos/{video_id}"))

    def delete_video(self, video_id: str) -> None:
        """Remove a video and all that came from it."""
        self.call(calls.nothing("DELETE", f"/videos/{video_id}"))

    def job(self, job_id: str) -> types.Job:
        """Read a job's progress."""
        return self.call(calls.one(types.Job, "GET", f"/jobs/{job_id}"))

    def jobs(self, conditions: Query | None = None) -> Iterator[types.Job]:
        """Yield jobs, newest first; the conditions are those of `GET /jobs`, such as `{"state": "running"}`."""
        return self._every(types.Job, "/jobs", conditions)

    def cancel(self, job_id: str) -> types.Job:
        """Ask a job to stop."""
        return self.call(calls.one(types.Job, "DELETE", f"/jobs/{job_id}"))

    def follow(self, job_id: str) -> Iterator[types.Job]:
        """Yield a job at every change until it has ended or the connection is lost."""
        with self._http.stream("GET", f"/jobs/{job_id}/events", timeout=None) as response:
            if response.is_error:
                raise error_of(response.status_code, response.read(), str(response.url))
            events = Events()
            for line in response.iter_lines():
                yield from events.job(line)

    def wait(self, job: types.Job | str) -> types.Job:
        """Wait until a job has ended; raises `JobFailed` with its reason when it failed or was cancelled."""
        found = self.job(job) if isinstance(job, str) else job
        while not found.ended:
            try:
                for _ in self.follow(found.id):
                    pass
            except httpx.TransportError:
                time.sleep(_WAIT_S)
            found = self.job(found.id)  # a stream may have been cut before the end
        if found.state != "done":
            raise JobFailed(found.reason or f"Job {found.id} was cancelled.")
        return found

    # patches and vectors

    def patches(self, video_id: str | None = None, conditions: Query | None = None) -> Iterator[types.Patch]:
        """Yield patches, of one video or of all; conditions as of `GET /patches`, such as `{"role": "end"}`."""
        return self._every(types.Patch, "/patches", {"video": video_id, **(conditions or {})})

    def patch(self, patch_id: str) -> types.Patch:
        """Read one patch."""
        return self.call(calls.one(types.Patch, "GET", f"/patches/{patch_id}"))

    def image(self, patch_id: str) -> bytes:
        """Read a patch's 96×96 JPEG."""
        return self.call(calls.bytes_of(f"/patches/{patch_id}/image"))

    def mark_no_object(self, patch_ids: Sequence[str], no_object: bool = True, by: str = "") -> list[str]:
        """Mark the tracks of patches as no object, or remove the marks; returns the ids of their patches."""
        return self.call(calls.mark(patch_ids, no_object, by))

    def neighbours(
        self, patch_id: str, kind: Literal["intra", "inter", "both"] = "both", depth: int = 1
    ) -> types.Neighbours:
        """Read what is linked to a patch, and why."""
        query: Query = {"kind": kind, "depth": depth}
        return self.call(calls.one(types.Neighbours, "GET", f"/patches/{patch_id}/neighbours", query))

    def embedding(self, patch_id: str, model: str | None = None) -> types.Vector:
        """Read one patch's embedding."""
        return self.call(calls.one(types.Vector, "GET", f"/patches/{patch_id}/embedding", {"model": model}))

    def similar(self, patch_id: str, k: int = 10, model: str | None = None) -> types.Similar:
        """Find the patches most like a patch."""
        return self.call(calls.one(types.Similar, "GET", f"/patches/{patch_id}/similar", {"k": k, "model": model}))

    def similar_to_picture(self, picture: bytes, k: int = 10, model: str | None = None) -> types.Similar:
        """Find the patches most like a picture (JPEG, PNG or WebP)."""
        return self.call(calls.similar_to_picture(picture, k, model))

    def embed(self, pictures: Sequence[bytes], model: str | None = None) -> Vectors:
        """Encode N pictures to float32 (N, E) of length 1."""
        return self.call(calls.embed(pictures, model))

    def embeddings(self, patch_ids: Sequence[str], model: str | None = None) -> Vectors:
        """Read the embeddings of N patches as float32 (N, E), in their order; raises `NotFound` when one is missing."""
        return self.call(calls.matrix("/embeddings/lookup", json={"ids": list(patch_ids), "model": model}))

    # the graph and models

    def stats(self) -> types.Stats:
        """Read counts of the graph."""
        return self.call(calls.one(types.Stats, "GET", "/graph/stats"))

    def quadruples(self, conditions: Query | None = None) -> Iterator[types.Quadruple]:
        """Yield quadruples; the conditions are those of `GET /graph/quadruples`, such as `{"parent": 3}`."""
        return self._every(types.Quadruple, "/graph/quadruples", conditions)

    def path(self, from_id: str, to_id: str) -> types.Path:
        """Find how two patches are connected; raises `NotFound` when they are not."""
        return self.call(calls.one(types.Path, "GET", "/graph/path", {"from": from_id, "to": to_id}))

    def judge_link(self, a: str, b: str, state: Literal["rejected", "accepted", "open"], by: str = "") -> types.Link:
        """Reject or accept the link of two patches, or withdraw the judgement (open)."""
        return self.call(calls.judge(a, b, state, by))

    def judged_links(self, state: Literal["rejected", "accepted"] | None = None) -> Iterator[types.Link]:
        """Yield the links that people judged."""
        return self._every(types.Link, "/links", {"state": state})

    def clusters(self, conditions: Query | None = None) -> Iterator[types.Cluster]:
        """Yield the parent clusters of a generation, the current one unless `{"generation": …}` names another."""
        return self._every(types.Cluster, "/clusters", conditions)

    def cluster(self, cluster_id: int) -> types.ClusterDetail:
        """Read one parent cluster with its first children."""
        return self.call(calls.one(types.ClusterDetail, "GET", f"/clusters/{cluster_id}"))

    def link(self, parameters: Query | None = None) -> types.Job:
        """Start linking; the parameters are those of `POST /links`, such as `{"group": 2}`."""
        return self.call(calls.job("/links", dict(parameters or {})))

    def train(self, recipe: str, preset: str = "paper", seed: int = 0) -> types.Job:
        """Start a training; the job's result is the model's id."""
        return self.call(calls.job("/trainings", {"recipe": recipe, "preset": preset, "seed": seed}))

    def embed_missing(self, model: str = "") -> types.Job:
        """Start embedding the patches that have no embedding of a model, the current one if none is named."""
        return self.call(calls.job("/embeddings/jobs", {"model": model}))

    def models(self) -> Iterator[types.Model]:
        """Yield every trained network."""
        return self._every(types.Model, "/models")

    def model(self, model_id: str) -> types.Model:
        """Read one trained network."""
        return self.call(calls.one(types.Model, "GET", f"/models/{model_id}"))

    def current_model(self) -> types.Model:
        """Read the model in use; raises `NotFound` before one was chosen."""
        return self.call(calls.one(types.Model, "GET", "/models/current"))

    def use_model(self, model_id: str) -> types.Model:
        """Make a model the current one."""
        return self.call(calls.one(types.Model, "PUT", "/models/current", json={"model": model_id}))

    def ready(self) -> types.Ready:
        """Read whether each part that the server needs is available; a missing part raises no error."""
        return types.read(types.Ready, self._http.get("/readyz").json())

    def call(self, call: Call[Result]) -> Result:
        """Send a call, and repeat it if it is repeatable and the server is unavailable; raises `ClientError`."""
        return call.read(self._answer(call))

    def _every(self, kind: type[Item], path: str, conditions: Query | None = None) -> Iterator[Item]:
        page = self.call(calls.page(kind, path, conditions))
        yield from page.items
        while page.following is not None:
            page = self.call(calls.page(kind, page.following))
            yield from page.items

    def _send_chunk(self, address: str, path: Path, offset: int, total: int) -> int:
        """Send the next bytes, after a failure from the offset that the server reports; returns the next offset."""
        for attempt in count():
            try:
                chunk = resumption.read_chunk(path, offset, total)
                sent = self._answer(calls.append(address, offset, chunk))
                return int(sent.headers["upload-offset"])
            except ClientError as error:
                time.sleep(pause(error, attempt, self._retries))
                offset = int((self._answer(calls.nothing("HEAD", address))).headers["upload-offset"])
        raise AssertionError("unreachable")

    def _answer(self, call: Call[Any]) -> httpx.Response:
        for attempt in count():
            try:
                response = self._http.send(call.request(self._http))
                failure = failure_of(response)
            except httpx.TransportError as error:
                failure = no_answer(self._http.base_url, error)
            if failure is None:
                return response
            time.sleep(pause_before_retry(call, failure, attempt, self._retries))
        raise AssertionError("unreachable")
