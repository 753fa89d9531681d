"""The embed stage: a trained model's embedding of every patch, of length 1 (section 5).

The vectors are stored in embeddings/<model>/<video>.
"""

from graph import models
from graph.records import ONNX_RECIPE, Progress
from training.encoders import open_encoder
from workers import queue
from workers.requests import EmbedRequest, IndexRequest
from workers.stage_context import StageContext
from workers.stages.encoding import encode_missing


def embed(context: StageContext, request: EmbedRequest, progress: Progress) -> str:
    """Compute the missing embeddings of all patches and submit their indexing; returns the model's id.

    The first trained model that embeds becomes the current one.
    """
    model = models.choose_model(context.connection, request.model)
    encoder = open_encoder(context.models / model.id, context.settings.device)
    encode_missing(context, f"embeddings/{model.id}", encoder.embed, "embedding", progress)
    if model.recipe != ONNX_RECIPE:
        models.use_model(context.connection, model.id, replace=False)
    queue.submit(context.connection, context.redis_url, IndexRequest(model.id))
    return model.id
