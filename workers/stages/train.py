"""The training stage: trains a recipe and writes the model to models/<id> and to its (:Model) node (section 5)."""

from pathlib import Path

from graph import models
from graph.atomic_write import atomic_write
from graph.errors import InvalidInput, NotFound
from graph.generations import catalogue
from graph.generations.catalogue import Generation
from graph.jobs import note_training
from graph.logs import current_job
from graph.records import Model, Progress
from training.initial_weights import initial_weights_name
from training.loop import train as train_recipe
from training.model_folder import CARD, FILES, card_model, load_network, model_id
from training.recipe import STARTS, Recipe
from training.recipes import get_recipe, with_iterations
from training.source import WithPictureFolder
from workers.requests import TrainRequest
from workers.stage_context import StageContext
from workers.training_source import GraphSource


def train(context: StageContext, request: TrainRequest, progress: Progress) -> str:
    """Train the requested recipe; returns the model's id. A repeated request returns the same model.

    The folder's name is a hash of everything that determines the result, so an interrupted training resumes from its
    checkpoint. With `request.output`, the training runs in that folder, and the finished model is copied from there. A
    recipe that starts from a stage-0 network uses the newest one of its preset; if there is none, it is trained first.
    """
    recipe = with_iterations(get_recipe(request.recipe, request.preset, request.start), request.iterations)
    linked = None
    if recipe.has_ranking_loss:
        named = catalogue.get_generation(context.connection, request.generation) if request.generation else None
        linked = named or choose_generation(context, recipe)
    initial = Path(request.initial) if request.initial else initial_model(context, recipe, linked, progress)
    source = GraphSource(context, linked)
    reading = WithPictureFolder(source, Path(request.images)) if request.images else source
    name = model_id(
        recipe, reading.generation, reading.fingerprint, initial_weights_name(recipe, initial), request.seed
    )
    if current_job():
        note_training(context.connection, current_job(), name)
    home = context.models / name
    folder = Path(request.output) if request.output else home
    model = train_recipe(
        recipe,
        reading,
        folder,
        seed=request.seed,
        device=context.settings.device,
        resume=request.resume or None,
        initial=initial,
        progress=progress,
    )
    if folder != home:
        copy_model(folder, context.models / model.id)
    if not _is_listed(context, model):
        models.write_model(context.connection, model)
    return model.id


def choose_generation(context: StageContext, recipe: Recipe) -> Generation:
    """Return the current generation if its features are of the recipe's kind, else the newest one whose features are.

    Features are of a network (section 4.2) or HOG (section 6.2). Raises `NotFound` if no generation has that kind.
    """
    current = catalogue.require_generation(context.connection)
    known = [*catalogue.list_generations(context.connection), current]
    fitting = [one for one in known if (one.feature_model == "hog") == (recipe.links == "hog")]
    if not fitting:
        wanted, option = ("HOG features", " --features hog") if recipe.links == "hog" else ("a network's features", "")
        raise NotFound(f"Recipe {recipe.name} needs links made from {wanted}. `transitive link{option}` makes them.")
    return fitting[-1]


def initial_model(context: StageContext, recipe: Recipe, linked: Generation | None, progress: Progress) -> Path | None:
    """Return the folder of the stage-0 network that a recipe starts from; trains one if its preset has none."""
    if recipe.initial not in STARTS:
        return None
    fitting = models.newest_models(context.connection, recipes=[recipe.initial], preset=recipe.preset)
    linked_by = [model for model in fitting if linked and model.id == linked.feature_model]
    if not fitting:
        return context.models / train(context, TrainRequest(recipe.initial, recipe.preset), progress)
    return context.models / (linked_by or fitting)[0].id


def adopt(context: StageContext, folder: Path) -> Model:
    """Import a model that was trained elsewhere: copy its folder and write its node.

    Raises `NotFound`, `StorageError` or `InvalidInput` if the folder contains no complete model.
    """
    _, _, card = load_network(folder)
    model = card_model(card)
    copy_model(folder, context.models / model.id)
    models.write_model(context.connection, model)
    return model


def _is_listed(context: StageContext, model: Model) -> bool:
    try:
        return models.get_model(context.connection, model.id) == model
    except NotFound:
        return False


def copy_model(folder: Path, target: Path) -> None:
    """Copy the files of a finished model into `target`, replacing those of an interrupted training.

    The folder may come from an untrusted source, so only `FILES` are copied and symbolic links are refused. The card is
    copied last: a folder without a card is not a finished model, so the next call copies it again.
    """
    if (target / CARD).is_file():
        return
    for name in FILES:
        if (folder / name).is_symlink():
            raise InvalidInput(
                f"{folder / name} is a symbolic link, which a model must not contain. Replace it with the file."
            )
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (folder / name).is_file():
            atomic_write(target / name, (folder / name).read_bytes())
