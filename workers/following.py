"""Jobs that follow from jobs that are done: a new video is embedded by the current model.

An embedding job embeds every video that has no vectors of its model. A video that becomes ready while one runs may
miss it, and its request is then the same job. So the worker looks again after the job has ended.
"""

from graph import models
from graph.records import JobKind
from workers.requests import EmbedRequest
from workers.stage_context import StageContext
from workers.stages.encoding import missing_videos


def following_request(context: StageContext, kind: JobKind, result: str) -> EmbedRequest | None:
    """Return what a job of this kind and result asks for once it is done, None for nothing; raises `Unavailable`."""
    if kind == "ingest":
        current = models.current_model(context.connection)
        model = current.id if current else ""
    else:
        model = result if kind == "embed" else ""
    if model and missing_videos(context, f"embeddings/{model}"):
        return EmbedRequest(model)
    return None
