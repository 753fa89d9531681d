"""The index stage: a model's vector index brought up to date with its embeddings."""

from graph.identifiers import require_name
from graph.lock import graph_lock
from graph.records import Progress
from graph.vectors.build import update_index
from graph.vectors.index import index_folder
from workers.requests import IndexRequest
from workers.stage_context import StageContext


def index(context: StageContext, request: IndexRequest, progress: Progress) -> str:
    """Add new videos to the index, or rebuild it; returns what it holds, in words."""
    model = require_name("model id", request.model)
    with graph_lock(context.connection, f"indexing of {model}"):
        manifest = update_index(context.shards, model, index_folder(context.settings, model), progress)
    if manifest is None:
        return "no index, because a search can compare these few vectors"
    return f"{manifest.rows} vectors, recall@10 {manifest.recall:.3f}"
