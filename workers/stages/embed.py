"""The embed stage: a trained model's embedding of every patch, of length 1 (section 5).

The vectors are stored in embeddings/<model>/<video>.
"""

from graph import models
from graph.errors import InvalidInput, NotFound
from graph.records import Model, Progress
from training.encoder import Encoder
from workers.requests import EmbedRequest
from workers.stage_context import StageContext
from workers.stages.encoding import encode_missing


def embed(context: StageContext, request: EmbedRequest, progress: Progress) -> str:
    """Compute the missing embeddings of all patches; returns the model's id."""
    model = choose_model(context, request.model)
    encoder = Encoder.load(context.models / model.id, context.settings.device)
    encode_missing(context, f"embeddings/{model.id}", encoder.embed, "embedding", progress)
    return model.id


def choose_model(context: StageContext, model_id: str = "") -> Model:
    """Return the named model, or the newest one with an embedding.

    Raises `NotFound` if there is no such model, and `InvalidInput` if the named model has no embedding.
    """
    if model_id:
        model = models.get_model(context.connection, model_id)
        if not model.embedding_dim:
            raise InvalidInput(
                f"Model {model.id} ({model.recipe}) has no embedding. Name a model that was trained on pairs."
            )
        return model
    known = models.newest_models(context.connection, embedding=True)
    if not known:
        raise NotFound("There is no model with an embedding yet. Train one first (recipe transitive).")
    return known[0]
