"""The features stage: pool5 features of all patches for linking (section 4.2).

If there is no stage-0 network yet, the stage trains one first.
"""

from dataclasses import replace

from graph import models
from graph.errors import InvalidInput
from graph.generations import catalogue
from graph.linking.hog import hog
from graph.records import Progress
from training.devices import choose_device
from training.encoders import open_encoder
from training.recipe import STARTS, Recipe
from training.recipes import get_recipe
from workers.requests import LinkRequest, TrainRequest
from workers.stage_context import StageContext
from workers.stages.encoding import encode_missing
from workers.stages.train import train


def compute_features(context: StageContext, model_id: str, progress: Progress) -> int:
    """Write the missing shards features/<model>/<video>; returns the number of shards written."""
    encoder = open_encoder(context.models / model_id, context.settings.device)
    return encode_missing(context, f"features/{model_id}", encoder.pool5, "computing features", progress)


def prepare_link(context: StageContext, request: LinkRequest, progress: Progress) -> LinkRequest:
    """Compute the features for linking; returns the request with `features` set.

    A request to join the current generation uses the features of that generation. Raises `InvalidInput` for a model
    without pool5 features.
    """
    joined = catalogue.require_generation(context.connection).feature_model if request.join else ""
    model = joined or request.features or start_model(context, request.start, request.preset, progress)
    if model == "hog":
        encode_missing(context, "features/hog", hog, "computing features", progress)
    else:
        if not models.get_model(context.connection, model).pool5_dim:
            raise InvalidInput(f"Model {model} has no pool5 features. Choose another model for the features.")
        compute_features(context, model, progress)
    return replace(request, features=model)


def start_model(context: StageContext, start: str, preset: str, progress: Progress) -> str:
    """Return the newest model of recipe `start` ("": of either start), or train one if there is none.

    That training uses `preset` ("": one that fits the device). If `start` is "", it uses the preset's start.
    """
    known = models.newest_models(context.connection, recipes=[start] if start else list(STARTS))
    if known:
        return known[0].id
    recipe = missing_start(context.settings.device, start, preset)
    return train(context, TrainRequest(recipe.name, recipe.preset), progress)


def missing_start(device: str, start: str = "", preset: str = "") -> Recipe:
    """Return the recipe of stage 0 that is trained if none of its networks exists yet."""
    preset = preset or _fitting_preset(device)
    return get_recipe(get_recipe("transitive", preset, start).initial, preset)


def _fitting_preset(device: str) -> str:
    """Return the full-size network's preset for a GPU, and the narrow one's for a CPU, which would need weeks."""
    return "h200" if choose_device(device).type == "cuda" else "cpu-small"
