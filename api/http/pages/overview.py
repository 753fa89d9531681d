"""The overview page: counts, missing links and embeddings, running jobs, disk space, and links to other tools."""

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
    """The numbers of videos and patches that links and embeddings do not cover yet."""

    unlinked: int  # videos with tracks that the current generation does not know
    model: str  # the current model; "" if none was chosen
    unembedded: int  # patches without an embedding of it


@router.get("/")
def start() -> Response:
    """Redirect the address `/` to the overview page."""
    return RedirectResponse("/browse")


@router.get("/browse")
def overview(request: Request, shared: ServiceDep) -> Response:
    """Show the contents of the graph and the next steps."""
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
    """Return the folder whose disk space is shown: the data folder if it is local, otherwise the home."""
    data = Path(shared.context.settings.data)
    return data if data.is_dir() else shared.context.settings.home.absolute()


def _neo4j_browser(shared: Service) -> str:
    """Return the address of Neo4j Browser if this home runs its own Neo4j, otherwise ""."""
    settings = shared.context.settings
    server = Neo4jServer(settings.home.absolute(), settings.cache.expanduser(), host=settings.host)
    try:
        details = server.details() if server.running() else None
    except Unavailable:
        return ""
    return details.browser_url if details and details.bolt_uri == settings.neo4j_uri else ""
