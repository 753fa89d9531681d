"""Jobs that follow a finished job: the current model embeds a new video.

An embedding job embeds every video without vectors of its model. A video that becomes ready while such a job is running
may be missed, and its own request is the same job. The worker therefore checks again after the job has ended.
"""

from graph import models
from graph.records import JobKind
from workers.requests import EmbedRequest
from workers.stage_context import StageContext
from workers.stages.encoding import missing_videos


def following_request(context: StageContext, kind: JobKind, result: str) -> EmbedRequest | None:
    """Return the request that follows a finished job of this kind and result, or None; raises `Unavailable`."""
    if kind in ("ingest", "import"):
        current = models.current_model(context.connection)
        model = current.id if current else ""
    else:
        model = result if kind == "embed" else ""
    if model and missing_videos(context, f"embeddings/{model}"):
        return EmbedRequest(model)
    return None
