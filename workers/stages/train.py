"""From a recipe and the graph to a trained model: its folder models/<id>, and the node that lists it (section 5)."""

from pathlib import Path
from typing import Any

from graph import models
from graph.atomic_write import atomic_write
from graph.errors import InvalidInput, NotFound
from graph.generations import catalogue
from graph.generations.catalogue import Generation
from graph.records import Model, Progress
from training.initial_weights import initial_weights_name
from training.loop import train as train_recipe
from training.model_folder import CARD, FILES, card_model, load_network, model_id
from training.recipes import STARTS, Recipe, get_recipe, with_iterations
from training.source import WithPictureFolder
from workers.stage_context import StageContext
from workers.training_source import GraphSource

_MOST_MODELS = 100_000


def train(context: StageContext, arguments: dict[str, Any], progress: Progress) -> str:
    """Train `recipe` with `preset` and `seed`; returns the model's id. The same training again returns its model.

    Interrupted trainings go on from their checkpoint: the folder is named by all that decides the result. `output`
    trains in a folder of the user's choice, from which the finished model is copied. `images` adds the pictures of a
    folder to those that stage 0 learns from. A recipe that starts from a network of stage 0 (`start`: "context",
    "contrast", or "" for the preset's) gets one of the same preset; where there is none, it is trained first; `initial`
    names a folder (for `imagenet` a file) to start from instead, `generation` the links to train on instead of the
    current ones.
    """
    preset, start = str(arguments.get("preset") or "paper"), str(arguments.get("start") or "")
    recipe = get_recipe(str(arguments["recipe"]), preset, start)
    recipe = with_iterations(recipe, int(arguments.get("iterations") or 0))
    seed = int(arguments.get("seed") or 0)
    given_links = str(arguments.get("generation") or "")
    linked = None
    if recipe.has_ranking_loss:
        named = catalogue.get_generation(context.connection, given_links) if given_links else None
        linked = named or choose_generation(context, recipe)
    given = str(arguments.get("initial") or "")
    initial = Path(given) if given else initial_model(context, recipe, linked, progress)
    source = GraphSource(context, linked)
    images = str(arguments.get("images") or "")
    reading = WithPictureFolder(source, Path(images)) if images else source
    name = model_id(recipe, reading.generation, reading.fingerprint, initial_weights_name(recipe, initial), seed)
    home = context.models / name
    folder = Path(arguments["output"]) if arguments.get("output") else home
    resume = True if arguments.get("resume") else None
    model = train_recipe(
        recipe,
        reading,
        folder,
        seed=seed,
        device=context.settings.device,
        resume=resume,
        initial=initial,
        progress=progress,
    )
    if folder != home:
        copy_model(folder, context.models / model.id)
    if not _is_listed(context, model):
        models.write_model(context.connection, model)
    return model.id


def choose_generation(context: StageContext, recipe: Recipe) -> Generation:
    """Return the generation whose links this recipe wants: the current one where it fits, else the newest that does.

    Raises `NotFound` where no generation was made from that kind of features (section 4.2; HOG in section 6.2).
    """
    current = catalogue.require_generation(context.connection)
    known = [*catalogue.list_generations(context.connection), current]
    fitting = [one for one in known if (one.feature_model == "hog") == (recipe.links == "hog")]
    if not fitting:
        wanted, option = ("HOG features", " --features hog") if recipe.links == "hog" else ("a network's features", "")
        raise NotFound(f"Recipe {recipe.name} wants links made from {wanted}: `transitive link{option}` makes them.")
    return fitting[-1]


def initial_model(context: StageContext, recipe: Recipe, linked: Generation | None, progress: Progress) -> Path | None:
    """Return the folder of the network that a recipe starts from; trains it where there is none of its preset."""
    if recipe.initial not in STARTS:
        return None
    fitting = [
        model
        for model in models.list_models(context.connection, limit=_MOST_MODELS)
        if model.recipe == recipe.initial and model.preset == recipe.preset
    ]
    linked_by = [model for model in fitting if linked and model.id == linked.feature_model]
    if not fitting:
        return context.models / train(context, {"recipe": recipe.initial, "preset": recipe.preset}, progress)
    return context.models / (linked_by or sorted(fitting, key=lambda model: (model.created_at, model.id)))[-1].id


def adopt(context: StageContext, folder: Path) -> Model:
    """Take in a model that was trained elsewhere, from a pack: its folder is copied, the graph lists it.

    Raises `NotFound`, `StorageError` or `InvalidInput` where the folder holds no whole model.
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
    """Copy the files of a finished model over what an interrupted training left in `target`.

    Only `FILES` are copied, and links are not followed: the folder may come from somebody else. The card comes last,
    because a folder without one is no finished model and is copied again.
    """
    if (target / CARD).is_file():
        return
    for name in FILES:
        if (folder / name).is_symlink():
            raise InvalidInput(
                f"{folder / name} is a link. A model is imported from plain files: copy the file itself."
            )
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (folder / name).is_file():
            atomic_write(target / name, (folder / name).read_bytes())
