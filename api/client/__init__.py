"""Python client of the HTTP API, synchronous and asynchronous. It needs httpx and numpy, and no server code.

    with Client("http://127.0.0.1:8000") as client:
        job = client.wait(client.add_video(Path("bikes.mp4")))
        for patch in client.patches(job.result):
            print(patch.id, client.similar(patch.id, k=5).items)

`clients/python` installs this folder alone, as package `transitive_client`; so its modules import each other by
relative names.
"""

from .asynchronous import AsyncClient
from .errors import ClientError, Conflict, InvalidInput, JobFailed, NotFound, Refused, StorageFull, Unavailable
from .synchronous import Client
from .types import (
    Check,
    Cluster,
    ClusterDetail,
    Edge,
    Job,
    Link,
    Model,
    Neighbour,
    Neighbours,
    Patch,
    Path,
    PathPatch,
    Quadruple,
    Ready,
    Similar,
    SimilarPatch,
    Stats,
    Vector,
    Video,
)

__all__ = [
    "AsyncClient",
    "Check",
    "Client",
    "ClientError",
    "Cluster",
    "ClusterDetail",
    "Conflict",
    "Edge",
    "InvalidInput",
    "Job",
    "JobFailed",
    "Link",
    "Model",
    "Neighbour",
    "Neighbours",
    "NotFound",
    "Patch",
    "Path",
    "PathPatch",
    "Quadruple",
    "Ready",
    "Refused",
    "Similar",
    "SimilarPatch",
    "Stats",
    "StorageFull",
    "Unavailable",
    "Vector",
    "Video",
]
