"""The asynchronous client: the methods of `Client`, to be awaited or iterated by `async for`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
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


class AsyncClient:
    """A connection to one server, for one event loop."""

    def __init__(self, url: str, key: str = "", timeout_s: float = 60.0, retries: int = 3) -> None:
        """Prepare calls to the server at `url`, with an API key if it requires one; nothing is sent yet.

        A repeatable call is sent up to `retries` more times if the server, or a part of it, does not answer.
        """
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout_s, headers=headers)
        self._retries = retries

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    # videos and jobs

    async def add_video(self, path: Path, progress: Progress | None = None) -> types.Job:
        """Upload a video file in resumable pieces; returns the job of its mining.

        If the server already has the video, nothing is sent; the returned job is done and has no id. `progress` is
        called with the bytes sent and the bytes of the file.
        """
        video = await asyncio.to_thread(resumption.video_id, path)
        try:
            if (await self.video(video)).status == "ready":
                return resumption.already_there(video, path)
        except NotFound:
            pass
        total = path.stat().st_size
        created = await self._answer(calls.begin_upload(path))
        address = created.headers["location"]
        offset = 0
        while offset < total:
            offset = await self._send_chunk(address, path, offset, total)
            if progress is not None:
                progress(offset, total)
        job = await self.call(calls.job_of_upload(address))
        if not job:  # the bytes arrived, but the job could not be started: an empty chunk asks for it again
            await self._send_chunk(address, path, total, total)
            job = await self.call(calls.job_of_upload(address))
        return await self.job(job)

    async def add_video_on_server(self, path: str) -> types.Job:
        """Submit the mining of a file that the server can read by its path."""
        return await self.call(calls.job("/videos", {"path": path}))

    def videos(self, conditions: Query | None = None) -> AsyncIterator[types.Video]:
        """Yield every video; the conditions are those of `GET /videos`, such as `{"status": "ready"}`."""
        return self._every(types.Video, "/videos", conditions)

    async def video(self, video_id: str) -> types.Video:
        """Read one video; raises `NotFound`."""
        return await self.call(calls.one(types.Video, "GET", f"/videos/{video_id}"))

    async def delete_video(self, video_id: str) -> None:
        """Remove a video and all that came from it."""
        await self.call(calls.nothing("DELETE", f"/videos/{video_id}"))

    async def job(self, job_id: str) -> types.Job:
        """Read a job's progress."""
        return await self.call(calls.one(types.Job, "GET", f"/jobs/{job_id}"))

    def jobs(self, conditions: Query | None = None) -> AsyncIterator[types.Job]:
        """Yield jobs, newest first; the conditions are those of `GET /jobs`, such as `{"state": "running"}`."""
        return self._every(types.Job, "/jobs", conditions)

    async def cancel(self, job_id: str) -> types.Job:
        """Ask a job to stop."""
        return await self.call(calls.one(types.Job, "DELETE", f"/jobs/{job_id}"))

    async def follow(self, job_id: str) -> AsyncIterator[types.Job]:
        """Yield a job at every change until it has ended or the connection is lost."""
        async with self._http.stream("GET", f"/jobs/{job_id}/events", timeout=None) as response:
            if response.is_error:
                raise error_of(response.status_code, await response.aread(), str(response.url))
            events = Events()
            async for line in response.aiter_lines():
                for job in events.job(line):
                    yield job

    async def wait(self, job: types.Job | str) -> types.Job:
        """Wait until a job has ended; raises `JobFailed` with its reason when it failed or was cancelled."""
        found = await self.job(job) if isinstance(job, str) else job
        while not found.ended:
            try:
                async for _ in self.follow(found.id):
                    pass
            except httpx.TransportError:
                await asyncio.sleep(_WAIT_S)
            found = await self.job(found.id)  # a stream may have been cut before the end
        if found.state != "done":
            raise JobFailed(found.reason or f"Job {found.id} was cancelled.")
        return found

    # patches and vectors

    def patches(
        self, video_id: str | None = None, **conditions: str | int | float | bool
    ) -> AsyncIterator[types.Patch]:
        """Yield patches, of one video or of all; conditions as of `GET /patches`, such as `{"role": "end"}`."""
        return self._every(types.Patch, "/patches", {"video": video_id, **(conditions or {})})

    async def patch(self, patch_id: str) -> types.Patch:
        """Read one patch."""
        return await self.call(calls.one(types.Patch, "GET", f"/patches/{patch_id}"))

    async def image(self, patch_id: str) -> bytes:
        """Read a patch's 96×96 JPEG."""
        return await self.call(calls.bytes_of(f"/patches/{patch_id}/image"))

    async def mark_no_object(self, patch_ids: Sequence[str], no_object: bool = True, by: str = "") -> list[str]:
        """Mark the tracks of patches as no object, or remove the marks; returns the ids of their patches."""
        return await self.call(calls.mark(patch_ids, no_object, by))

    async def neighbours(
        self, patch_id: str, kind: Literal["intra", "inter", "both"] = "both", depth: int = 1
    ) -> types.Neighbours:
        """Read what is linked to a patch, and why."""
        query: Query = {"kind": kind, "depth": depth}
        return await self.call(calls.one(types.Neighbours, "GET", f"/patches/{patch_id}/neighbours", query))

    async def embedding(self, patch_id: str, model: str | None = None) -> types.Vector:
        """Read one patch's embedding."""
        return await self.call(calls.one(types.Vector, "GET", f"/patches/{patch_id}/embedding", {"model": model}))

    async def similar(self, patch_id: str, k: int = 10, model: str | None = None) -> types.Similar:
        """Find the patches most like a patch."""
        return await self.call(
            calls.one(types.Similar, "GET", f"/patches/{patch_id}/similar", {"k": k, "model": model})
        )

    async def similar_to_picture(self, picture: bytes, k: int = 10, model: str | None = None) -> types.Similar:
        """Find the patches most like a picture (JPEG, PNG or WebP)."""
        return await self.call(calls.similar_to_picture(picture, k, model))

    async def embed(self, pictures: Sequence[bytes], model: str | None = None) -> Vectors:
        """Encode N pictures to float32 (N, E) of length 1."""
        return await self.call(calls.embed(pictures, model))

    async def embeddings(self, patch_ids: Sequence[str], model: str | None = None) -> Vectors:
        """Read the embeddings of N patches as float32 (N, E), in their order; raises `NotFound` when one is missing."""
        return await self.call(calls.matrix("/embeddings/lookup", json={"ids": list(patch_ids), "model": model}))

    # the graph and models

    async def stats(self) -> types.Stats:
        """Read counts of the graph."""
        return await self.call(calls.one(types.Stats, "GET", "/graph/stats"))

    def quadruples(self, conditions: Query | None = None) -> AsyncIterator[types.Quadruple]:
        """Yield quadruples; the conditions are those of `GET /graph/quadruples`, such as `{"parent": 3}`."""
        return self._every(types.Quadruple, "/graph/quadruples", conditions)

    async def path(self, from_id: str, to_id: str) -> types.Path:
        """Find how two patches are connected; raises `NotFound` when they are not."""
        return await self.call(calls.one(types.Path, "GET", "/graph/path", {"from": from_id, "to": to_id}))

    async def judge_link(
        self, a: str, b: str, state: Literal["rejected", "accepted", "open"], by: str = ""
    ) -> types.Link:
        """Reject or accept the link of two patches, or withdraw the judgement (open)."""
        return await self.call(calls.judge(a, b, state, by))

    def judged_links(self, state: Literal["rejected", "accepted"] | None = None) -> AsyncIterator[types.Link]:
        """Yield the links that people judged."""
        return self._every(types.Link, "/links", {"state": state})

    def clusters(self, conditions: Query | None = None) -> AsyncIterator[types.Cluster]:
        """Yield the parent clusters of a generation, the current one unless `{"generation": …}` names another."""
        return self._every(types.Cluster, "/clusters", conditions)

    async def cluster(self, cluster_id: int) -> types.ClusterDetail:
        """Read one parent cluster with its first children."""
        return await self.call(calls.one(types.ClusterDetail, "GET", f"/clusters/{cluster_id}"))

    async def link(self, parameters: Query | None = None) -> types.Job:
        """Start linking; the parameters are those of `POST /links`, such as `{"group": 2}`."""
        return await self.call(calls.job("/links", dict(parameters or {})))

    async def train(self, recipe: str, preset: str = "paper", seed: int = 0) -> types.Job:
        """Start a training; the job's result is the model's id."""
        return await self.call(calls.job("/trainings", {"recipe": recipe, "preset": preset, "seed": seed}))

    async def embed_missing(self, model: str = "") -> types.Job:
        """Start embedding the patches that have no embedding of a model, the current one if none is named."""
        return await self.call(calls.job("/embeddings/jobs", {"model": model}))

    def models(self) -> AsyncIterator[types.Model]:
        """Yield every trained network."""
        return self._every(types.Model, "/models")

    async def model(self, model_id: str) -> types.Model:
        """Read one trained network."""
        return await self.call(calls.one(types.Model, "GET", f"/models/{model_id}"))

    async def current_model(self) -> types.Model:
        """Read the model in use; raises `NotFound` before one was chosen."""
        return await self.call(calls.one(types.Model, "GET", "/models/current"))

    async def use_model(self, model_id: str) -> types.Model:
        """Make a model the current one."""
        return await self.call(calls.one(types.Model, "PUT", "/models/current", json={"model": model_id}))

    async def ready(self) -> types.Ready:
        """Read whether each part that the server needs is available; a missing part raises no error."""
        return types.read(types.Ready, (await self._http.get("/readyz")).json())

    async def call(self, call: Call[Result]) -> Result:
        """Send a call, and repeat it if it is repeatable and the server is unavailable; raises `ClientError`."""
        return call.read(await self._answer(call))

    async def _every(self, kind: type[Item], path: str, conditions: Query | None = None) -> AsyncIterator[Item]:
        page = await self.call(calls.page(kind, path, conditions))
        for item in page.items:
            yield item
        while page.following is not None:
            page = await self.call(calls.page(kind, page.following))
            for item in page.items:
                yield item

    async def _send_chunk(self, address: str, path: Path, offset: int, total: int) -> int:
        """Send the next bytes, after a failure from the offset that the server reports; returns the next offset."""
        for attempt in count():
            try:
                chunk = await asyncio.to_thread(resumption.read_chunk, path, offset, total)
                sent = await self._answer(calls.append(address, offset, chunk))
                return int(sent.headers["upload-offset"])
            except ClientError as error:
                await asyncio.sleep(pause(error, attempt, self._retries))
                offset = int((await self._answer(calls.nothing("HEAD", address))).headers["upload-offset"])
        raise AssertionError("unreachable")

    async def _answer(self, call: Call[Any]) -> httpx.Response:
        for attempt in count():
            try:
                response = await self._http.send(call.request(self._http))
                failure = failure_of(response)
            except httpx.TransportError as error:
                failure = no_answer(self._http.base_url, error)
            if failure is None:
                return response
            await asyncio.sleep(pause_before_retry(call, failure, attempt, self._retries))
        raise AssertionError("unreachable")
