"""From patches to embeddings of a trained model: embeddings/<model>/<video>, of length 1 (section 5)."""

from typing import Any

from graph import models
from graph.errors import InvalidInput, NotFound
from graph.records import Model, Progress
from training.encoder import Encoder
from workers.stage_context import StageContext
from workers.stages.encoding import encode_missing

_MOST_MODELS = 100_000


def embed(context: StageContext, arguments: dict[str, Any], progress: Progress) -> str:
    """Embed every patch that is not embedded yet with `arguments["model"]`, or the newest model; returns its id."""
    model = choose_model(context, str(arguments.get("model") or ""))
    encoder = Encoder.load(context.models / model.id, context.settings.device)
    encode_missing(context, f"embeddings/{model.id}", encoder.embed, "embedding", progress)
    return model.id


def choose_model(context: StageContext, model_id: str = "") -> Model:
    """Return the named model, or the newest that has an embedding; raises `NotFound`, or `InvalidInput` without one."""
    if model_id:
        model = models.get_model(context.connection, model_id)
        if not model.embedding_dim:
            raise InvalidInput(
                f"Model {model.id} ({model.recipe}) has no embedding. Name one that was trained on pairs."
            )
        return model
    known = [model for model in models.list_models(context.connection, limit=_MOST_MODELS) if model.embedding_dim]
    if not known:
        raise NotFound("There is no model with an embedding yet. `transitive train transitive` makes one.")
    return max(known, key=lambda model: (model.created_at, model.id))
