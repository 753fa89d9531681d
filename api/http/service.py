"""The resources that the routes share: the graph, the files, the uploads and the encoders."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from anyio import CapacityLimiter
from cachetools import TTLCache
from fastapi import Depends, Request

from api.http.encoders import Encode, Encoders
from api.http.marked import MarkedPatches
from api.http.micro_batches import MicroBatches
from api.http.patch_files import PatchFiles
from api.http.remembered import FRESH_S
from api.http.resumable import ResumableUploads
from api.http.similar_patches import SimilarPatches
from api.http.source_files import SourceFiles
from api.http.unit_responses import UnitResponses
from api.http.uploads import Inbox
from graph import idempotency, jobs, models, videos
from graph.connection import Connection
from graph.errors import InvalidInput, NotFound, TransitiveError
from graph.records import ENDED, ONNX_RECIPE, Job, Model
from graph.settings import Settings
from graph.shards import Shards
from workers import queue, recovery
from workers.requests import IngestRequest, JobRequest, job_id
from workers.stage_context import StageContext
from workers.stages.encoding import missing_videos

PATIENCE_S = 1.0  # time that a request waits for Neo4j before it is answered with 503


@dataclass
class Service:
    """The routes' shared resources; thread-safe."""

    context: StageContext
    files: PatchFiles
    similar: SimilarPatches
    inbox: Inbox
    sources: SourceFiles
    marked: MarkedPatches
    units: UnitResponses
    encoders: Encoders
    # more searches at once than cores would only wait for each other, and for Python's lock between the calls of faiss
    searches: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(os.cpu_count() or 1))
    _looking: threading.Lock = field(default_factory=threading.Lock)
    _named: TTLCache[str, Model] = field(default_factory=lambda: TTLCache(256, FRESH_S))

    @classmethod
    def open(cls, settings: Settings) -> "Service":
        """Open the resources; raises `InvalidInput` if the settings name no Neo4j or no Redis."""
        if not settings.neo4j_uri or not settings.redis_url.get_secret_value():
            raise InvalidInput(
                "NEO4J_URI and REDIS_URL are not set. `transitive up` starts all of it, this API included."
            )
        password = settings.neo4j_password.get_secret_value()
        connection = Connection(settings.neo4j_uri, settings.neo4j_user, password, patience_s=PATIENCE_S)
        shards = Shards(settings.data)
        uploads = settings.home.absolute() / "uploads"
        inbox = Inbox(uploads, settings.upload_bytes, settings.min_free_disk_mb * 2**20)
        files = PatchFiles(shards)
        marked = MarkedPatches(connection)
        similar = SimilarPatches(files, settings, marked)
        sources = SourceFiles(connection, uploads)
        context = StageContext(settings, connection, shards)

        def load(model: str) -> Encode:
            from training.encoders import open_encoder  # torch takes seconds and 400 MB: only servers that encode pay

            return open_encoder(context.models / model, settings.device).embed

        units = UnitResponses(connection, shards, marked)
        return cls(context, files, similar, inbox, sources, marked, units, Encoders(load))

    @property
    def connection(self) -> Connection:
        """The graph."""
        return self.context.connection

    @property
    def uploads(self) -> ResumableUploads:
        """The resumable uploads."""
        return ResumableUploads(self.inbox)

    def close(self) -> None:
        """Close the encoders and the connections."""
        self.encoders.close()
        self.context.connection.close()

    def submit(self, request: JobRequest, key: str = "") -> Job:
        """Submit a job to the workers; a repeated request with the same idempotency key returns the same job.

        Raises `Unavailable`, and `InvalidInput` for a key that was used for another request.
        """
        known = self.started_job(key, job_id(request))
        if known:
            return known
        job = queue.submit(self.connection, self.context.redis_url, request)
        self.remember(key, job_id(request), job)
        return job

    def started_job(self, key: str, request: str) -> Job | None:
        """Return the job that an idempotency key started; None for a new key and for none ("")."""
        known = idempotency.job_of_key(self.connection, key, request) if key else ""
        return jobs.get_jobs(self.connection, [known]).get(known) if known else None

    def remember(self, key: str, request: str, job: Job) -> None:
        """Remember the job that an idempotency key started; without one ("") this does nothing."""
        if key:
            idempotency.remember_key(self.connection, key, request, job.id)

    def check_backends(self) -> None:
        """Raise `Unavailable` when Neo4j or Redis does not answer (before a large body is read)."""
        self.connection.verify()
        recovery.waiting_count(self.context.redis_url)

    def sweep(self) -> None:
        """Requeue the jobs of dead workers, and remove uploads that became no video; raises `Unavailable`.

        The jobs' states decide which uploads are removed, so uploads of crashed and cancelled jobs are removed too.
        """
        recovery.requeue_lost(self.connection, self.context.redis_url)
        self.uploads.remove_expired()
        self.uploads.start_missing_jobs(self.submit)
        idempotency.forget_old_keys(self.connection)
        for path in self.inbox.abandoned():
            path.unlink(missing_ok=True)
        kept = {path: job_id(IngestRequest("", video=path.name)) for path in self.inbox.settled()}
        if not kept:
            return
        known = jobs.get_jobs(self.connection, kept.values())
        ready = set(videos.ready_video_ids(self.connection))  # their files stay, for the player
        for path, ingest_id in kept.items():
            if path.name not in ready and (ingest_id not in known or known[ingest_id].state in ENDED):
                self.inbox.delete_settled(path.name)

    def checks(self) -> dict[str, tuple[bool, str]]:
        """Check every required part; returns for each whether it is available, and its state in words."""

        def neo4j() -> str:
            self.connection.verify()
            return "answers"

        def workers() -> str:
            recovery.waiting_count(self.context.redis_url)  # raises our own error if Redis does not answer
            answering, served = queue.served_queues(self.context.redis_url)
            busy = recovery.queues_at_work(self.connection)  # a solo worker does not answer while it works
            idle = [name for name in queue.QUEUES if name not in served | busy]
            if idle:
                raise NotFound(f"No worker serves {', '.join(idle)}. `transitive up` starts the local workers.")
            return f"{answering} workers answer" if answering else "busy"

        return {
            "neo4j": _outcome(neo4j),
            "redis": _outcome(lambda: f"waiting: {recovery.waiting_count(self.context.redis_url)}"),
            "workers": _outcome(workers),
        }

    def embedded_model(self, model_id: str | None) -> str:
        """Return the id of the named model, else of the current one, else of the newest with embeddings.

        An ONNX model is used only if it is named or current. Raises `NotFound`.
        """
        if model_id is not None:
            return self._named_model(model_id).id
        current = models.current_model(self.connection)
        if current:
            return current.id
        for model in models.newest_models(self.connection):
            if model.recipe != ONNX_RECIPE and self.files.embedded(model.id):
                return model.id
        raise NotFound(
            "There are no embeddings yet. Train a model and compute them: transitive train, transitive embed."
        )

    def model_in_memory(self, model_id: str | None) -> str:
        """Return the id of a named model that was asked for a moment ago, "" otherwise. For the event loop."""
        with self._looking:
            return model_id if model_id and model_id in self._named else ""

    def _named_model(self, model_id: str) -> Model:
        """Return a model, from memory if it was asked for a moment ago: the query takes longer than a search."""
        with self._looking:
            known = self._named.get(model_id)
        if known is None:
            known = models.get_model(self.connection, model_id)
            with self._looking:
                self._named[model_id] = known
        return known

    def embedded_models(self) -> list[str]:
        """Return the ids of the models with embeddings: the current one first, then the newest first."""
        known = [model.id for model in models.newest_models(self.connection, embedding=True)]
        current = models.current_model(self.connection)
        if current and current.id in known:
            known.insert(0, known.pop(known.index(current.id)))
        return [model for model in known if self.files.embedded(model)]

    def without_embedding(self) -> tuple[str, int]:
        """Return the current model's id ("" for none) and the number of patches without an embedding of it."""
        current = models.current_model(self.connection)
        if current is None:
            return "", videos.count_patches(self.connection, videos.ready_video_ids(self.connection))
        missing = missing_videos(self.context, f"embeddings/{current.id}")
        return current.id, videos.count_patches(self.connection, missing) if missing else 0

    def encoder(self, model_id: str | None) -> tuple[Model, MicroBatches]:
        """Return a model with an embedding, and its encoder; raises `NotFound`."""
        model = (
            models.get_model(self.connection, model_id)
            if model_id
            else models.get_model(self.connection, self.embedded_model(None))
        )
        models.require_embedding(model)
        return model, self.encoders.get(model.id)


def _outcome(look: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, look()
    except TransitiveError as error:
        return False, str(error)


async def service(request: Request) -> Service:
    """Hand a route what it works with; async, because FastAPI runs plain functions in threads."""
    found: Service = request.app.state.service
    return found


ServiceDep = Annotated[Service, Depends(service)]
