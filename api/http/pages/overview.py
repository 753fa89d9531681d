"""The overview page: counts, what is stale, what runs, the disk, and where else to look."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from api.http.pages.render import answer
from api.http.service import Service, ServiceDep
from graph import jobs, models
from graph.errors import Unavailable
from graph.generations.catalogue import unlinked_videos
from graph.queries.counts import graph_counts
from graph.server.neo4j import Neo4jServer

router = APIRouter(include_in_schema=False)

RECENT = 8


@dataclass(frozen=True, slots=True)
class Stale:
    """What is behind the videos that are there."""

    unlinked: int  # videos with tracks that the current generation does not know
    model: str  # the current model; "" where none was chosen
    unembedded: int  # patches without an embedding of it


@router.get("/")
def start() -> Response:
    """Lead people who type the bare address to the pages."""
    return RedirectResponse("/browse")


@router.get("/browse")
def overview(request: Request, shared: ServiceDep) -> Response:
    """Show what the graph holds and what to do next."""
    counts = asdict(graph_counts(shared.connection))
    found = models.newest_models(shared.connection)
    disk = shutil.disk_usage(_disk(shared))
    return answer(
        "overview.html",
        counts=counts,
        stale=_stale(shared),
        models=found[:RECENT],
        running=[entry.job for entry in jobs.unfinished_jobs(shared.connection) if entry.job.kind != "segment"][
            :RECENT
        ],
        disk=disk,
        spare=shared.context.settings.min_free_disk_mb * 2**20,
        neo4j_browser=_neo4j_browser(shared),
        base=str(request.base_url),
    )


def _stale(shared: Service) -> Stale:
    model, missing = shared.without_embedding()
    return Stale(unlinked_videos(shared.connection), model, missing)


def _disk(shared: Service) -> Path:
    """Return the folder whose disk fills up: that of the data, or of the home where the data are elsewhere."""
    data = Path(shared.context.settings.data)
    return data if data.is_dir() else shared.context.settings.home.absolute()


def _neo4j_browser(shared: Service) -> str:
    """Return the address of Neo4j Browser where this home runs its own Neo4j, else ""."""
    settings = shared.context.settings
    server = Neo4jServer(settings.home.absolute(), settings.cache.expanduser(), host=settings.host)
    try:
        details = server.details() if server.running() else None
    except Unavailable:
        return ""
    return details.browser_url if details and details.bolt_uri == settings.neo4j_uri else ""
