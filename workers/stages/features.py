"""The pool5 features of all patches by a model; where there is none to link by, a start is trained first (4.2)."""

from contextlib import suppress
from typing import Any

from graph import models
from graph.errors import InvalidInput, NotFound
from graph.generations import catalogue
from graph.linking.hog import hog
from graph.records import Progress
from training.devices import choose_device
from training.encoder import Encoder
from training.recipes import STARTS, get_recipe
from workers.stage_context import StageContext
from workers.stages.encoding import encode_missing
from workers.stages.train import train


def compute_features(context: StageContext, model_id: str, progress: Progress) -> int:
    """Write features/<model>/<video> for every video that has none; returns how many were written."""
    encoder = Encoder.load(context.models / model_id, context.settings.device)
    return encode_missing(context, f"features/{model_id}", encoder.pool5, "computing features", progress)


def prepare_link(context: StageContext, arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Make sure that there are features to link by; returns the arguments with their model named.

    `features`: a model's id, "hog", or "" for the newest network of recipe `start` (""; of either start). Where there
    is none, one is trained with `preset` first. To `join` the current generation, its own model is used.
    """
    joined = catalogue.require_generation(context.connection).feature_model if arguments.get("join") else ""
    model = (
        joined
        or str(arguments.get("features") or "")
        or start_model(context, str(arguments.get("start") or ""), str(arguments.get("preset") or ""), progress)
    )
    if model == "hog":
        encode_missing(context, "features/hog", hog, "computing features", progress)
    else:
        if not models.get_model(context.connection, model).pool5_dim:
            raise InvalidInput(f"Model {model} has no pool5 features. Choose another with --features.")
        compute_features(context, model, progress)
    return {**arguments, "features": model}


def start_model(context: StageContext, start: str, preset: str, progress: Progress) -> str:
    """Return the newest network of recipe `start` (""; of either); where there is none, train one.

    The training has `preset` ("": one that fits the device) and, where `start` is "", that preset's start.
    """
    found = []
    for name in [start] if start else STARTS:
        with suppress(NotFound):
            found.append(models.latest_model(context.connection, name))
    if found:
        return max(found, key=lambda model: (model.created_at, model.id)).id
    preset = preset or _fitting_preset(context)
    recipe = get_recipe("transitive", preset, start).initial
    return train(context, {"recipe": recipe, "preset": preset, "seed": 0}, progress)


def _fitting_preset(context: StageContext) -> str:
    """Choose the full-size network where there is a GPU; on a CPU it would take weeks, so the narrow one."""
    return "h200" if choose_device(context.settings.device).type == "cuda" else "cpu-small"
