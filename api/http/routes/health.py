"""Routes for probes: liveness, readiness and metrics."""

from fastapi import APIRouter, Response

from api.http.metrics import MEDIA_TYPE, Measures
from api.http.service import ServiceDep
from api.responses.health import CheckResponse, ReadyResponse
from graph.vectors.index import known_indexes

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Is this process alive?")
def healthz() -> CheckResponse:
    """Answer while the server runs; no dependency is checked."""
    return CheckResponse(ok=True, detail="alive")


@router.get("/readyz", summary="Is everything there?", responses={503: {"model": ReadyResponse}})
def readyz(shared: ServiceDep, response: Response) -> ReadyResponse:
    """Check Neo4j, Redis and the workers; 503 when one of them does not answer."""
    checks = {name: CheckResponse(ok=ok, detail=detail) for name, (ok, detail) in shared.checks().items()}
    ready = all(check.ok for check in checks.values())
    response.status_code = 200 if ready else 503
    return ReadyResponse(ready=ready, checks=checks)


@router.get(
    "/metrics",
    summary="Measures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}},
)
def metrics(shared: ServiceDep, measures: Measures) -> Response:
    """Requests by route and status, their time, the jobs waiting in each queue, the use of GPUs, and the indexes."""
    indexes = known_indexes(shared.context.settings)
    return Response(measures.text(shared.context.redis_url, indexes), media_type=MEDIA_TYPE)
