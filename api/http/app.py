"""The FastAPI application of the HTTP API. `api.http.serve` runs it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi

from api.http import problems
from api.http.checks import check_request
from api.http.door import login
from api.http.door.access import Access
from api.http.door.headers import SecurityHeaders
from api.http.door.hosts import KnownHosts, known_names
from api.http.door.usage import Usage
from api.http.limits import BodyLimit, HeadAsGet
from api.http.metrics import Measured, Measurements
from api.http.pages import routes as pages
from api.http.pages.render import page
from api.http.routes import (
    embeddings,
    feedback,
    generations,
    health,
    inspection,
    job_stream,
    jobs,
    maps,
    models,
    neighbours,
    patches,
    submissions,
    training_log,
    units,
    uploads,
    video_media,
    videos,
)
from api.http.routes import graph as graph_routes
from api.http.service import Service
from api.http.stored_answers import StoredAnswers
from api.keys import KeyStore, is_loopback
from graph.errors import TransitiveError
from graph.settings import Settings, load_settings

log = logging.getLogger(__name__)

VERSION = "0.1.0"
SWEEP_S = 30.0
DESCRIPTION = """\
From unlabelled videos to a graph of moving-object patches and a representation learned from it.

Long work answers 202 and the address of a job. Lists page by key: follow `next` until it is null. Every failure is a
problem (RFC 9457, `application/problem+json`) whose `detail` names the cause and the cure.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the app. It starts without Neo4j and Redis, and answers 503 until both are reachable.

    Raises `InvalidInput` if the settings are invalid or name no Neo4j or no Redis.
    """
    config = settings or load_settings()
    measurements = Measurements()
    shared = Service.open(config)
    keys = KeyStore(config.home)
    usage = Usage(config.requests_per_second, config.concurrent_requests)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(shared))
        yield
        sweeping.cancel()
        shared.close()

    app = FastAPI(
        title="Transitive Invariance",
        version=VERSION,
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        dependencies=[Depends(check_request)],
        docs_url=None,  # FastAPI's page loads scripts from other servers; api/http/pages/documentation.py loads none
        redoc_url=None,
    )
    app.state.service, app.state.measurements, app.state.keys = shared, measurements, keys
    problems.install(app, lambda problem: page("problem.html", problem=problem))
    app.add_middleware(StoredAnswers, shared=shared)  # the first one added is the innermost
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit)
    app.add_middleware(Access, keys=keys, usage=usage, always=config.require_key or not is_loopback(config.host))
    app.add_middleware(KnownHosts, names=known_names(config))
    app.add_middleware(problems.Faults)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Measured, measurements=measurements)
    for part in (  # a request is compared with the routes in this order, so the most frequent ones stand first
        patches,
        neighbours,
        embeddings,
        videos,
        video_media,
        job_stream,  # before jobs: otherwise `events` would be read as a job's id
        uploads,
        jobs,
        graph_routes,
        generations,
        inspection,
        maps,
        feedback,
        submissions,
        models,
        health,
        pages,
        training_log,
        login,
        units,
    ):
        app.include_router(part.router)
    # FastAPI's documented way to describe more than it finds itself
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


async def _sweep(shared: Service) -> None:
    """Remove unneeded uploads and requeue the jobs of dead workers, every `SWEEP_S` seconds."""
    while True:
        try:
            await to_thread.run_sync(shared.sweep)
        except (TransitiveError, OSError) as error:  # Neo4j is unavailable or a file was just removed
            log.info("uploads and lost jobs will be checked later: %s", error)
        await asyncio.sleep(SWEEP_S)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description, made once; every route refers to the schema of problems."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            license_info=app.license_info,
            routes=app.routes,
            separate_input_output_schemas=False,
        )
        described = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(described.pop("$defs", {}))
        schemas["Problem"] = described
        schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{}, {"key": []}]  # on loopback no key is needed
        app.openapi_schema = schema
    return app.openapi_schema
