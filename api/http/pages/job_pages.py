"""Pages of jobs: the list with live bars, and one job with its request, reason, curves and log."""

from pathlib import PurePath

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.http.job_log import job_log
from api.http.pages.render import answer
from api.http.routes.jobs import JobId, list_jobs
from api.http.routes.paging import AfterText
from api.http.service import Service, ServiceDep
from api.keys import Scope
from api.responses.jobs import JobResponse
from api.short_paths import without_folders
from graph import jobs
from graph.records import ENDED, Job

router = APIRouter(include_in_schema=False)

PAGE_ITEMS = 60
LOG_LINES = 200

# address of the page that shows the result of each kind of job
RESULTS = {
    "ingest": "videos",
    "import": "videos",
    "link": "generations",
    "train": "models",
    "embed": "models",
    "map": "map",
}


@router.get("/browse/jobs")
def show_jobs(request: Request, shared: ServiceDep, after: AfterText = "") -> Response:
    """Show jobs, newest first."""
    found = list_jobs(request, shared, after=after, limit=PAGE_ITEMS)
    return answer("jobs.html", jobs=found.items, next=found.next, after=after, blank=_BLANK)


@router.get("/browse/jobs/{job_id}")
def show_job(request: Request, job_id: JobId, shared: ServiceDep) -> Response:
    """Show one job. Only keys of scope admin see the server's folders: whole paths, and the lines of the log."""
    job = jobs.get_job(shared.connection, job_id)
    admin = getattr(request.state, "scope", Scope.ADMIN) is Scope.ADMIN  # without a key, only this machine comes here
    asked = {
        name: value if admin else _cut(value)
        for name, value in jobs.job_arguments(shared.connection, job_id).items()
        if value not in ("", {})
    }
    return answer(
        "job.html",
        job=JobResponse.model_validate(job),
        asked=asked,
        result=f"/browse/{RESULTS[job.kind]}/{job.result}" if job.result and job.kind in RESULTS else "",
        curves=job.kind == "train" or (job.kind == "link" and _may_train(shared, job)),
        admin=admin,
        lines=job_log(shared.context.settings.home.absolute() / "logs", job_id, LOG_LINES) if admin else [],
    )


def _may_train(shared: Service, job: Job) -> bool:
    """Return whether a linking trained the network that it needed, or may still do so."""
    return job.state not in ENDED or bool(jobs.training_of(shared.connection, job.id))


def _cut(value: object) -> object:
    """Cut the absolute paths in a value of a request, which may be nested."""
    if isinstance(value, dict):
        return {name: _cut(part) for name, part in value.items()}
    if isinstance(value, str):
        return PurePath(value).name if PurePath(value).is_absolute() else without_folders(value)
    return value


_BLANK = JobResponse(
    id="",
    kind="ingest",
    state="queued",
    target="",
    stage="",
    done=0,
    total=0,
    unit="",
    reason="",
    result="",
    created_at="",
    updated_at="",
    finished_at="",
)
