"""`transitive evaluate` and `transitive compare`: how good models are, from the graph or from a training pack."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.interrupt import cancelling
from api.stack import Stack
from api.terminal import Bars, Json, answer, say
from graph import generations
from graph.errors import InvalidInput, NotFound, TransitiveError
from graph.records import Progress
from graph.settings import settings
from training.pack import PackSource
from training.recipes import SUITES, get_recipe
from training.source import TrainingSource
from workers.training_source import GraphSource
from workers.workplace import Workplace

if TYPE_CHECKING:
    from training.encoder import Encoder

Pack = Annotated[Path | None, typer.Option(help="Read patches from this training pack instead of the graph.")]
app = typer.Typer(
    help="Measure a model: health (without labels) or retrieval (labelled pictures).", no_args_is_help=True
)


def register(parent: typer.Typer) -> None:
    """Add the family and the command."""
    parent.add_typer(app, name="evaluate")
    parent.command()(compare)


@app.command()
def health(
    model: Annotated[str, typer.Option(help="Model's id or folder. Default: the newest with an embedding.")] = "",
    pack: Pack = None,
    as_json: Json = False,
) -> None:
    """Measure a model on the videos kept out of training, without labels."""
    from training.evaluation.measure import evaluate_health  # torch takes seconds: only those who measure pay

    with _source(pack) as (source, place), Bars() as bars:
        encoder = _encoder(model, place)
        found = evaluate_health(encoder, source, bars)
    _answer(encoder, found, as_json)


@app.command()
def retrieval(
    data: Annotated[Path, typer.Option(help="Folder of labelled pictures: one folder per class.")],
    model: Annotated[str, typer.Option(help="Model's id or folder. Default: the newest with an embedding.")] = "",
    picture: Annotated[Path | None, typer.Option(help="Draw nearest neighbours (figure 7) to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Measure nearest neighbours over labelled pictures."""
    from training.encoder import Encoder
    from training.evaluation.measure import evaluate_retrieval

    if model and Path(model).is_dir():
        encoder = Encoder.load(Path(model), settings().device)
    else:
        with _source(None) as (_, place):
            encoder = _encoder(model, place)
    _answer(encoder, evaluate_retrieval(encoder, data, picture), as_json)


def compare(
    recipes: Annotated[
        list[str] | None, typer.Argument(help="Recipes to compare; the suite's where none are named.")
    ] = None,
    suite: Annotated[str, typer.Option(help=f"A named set of recipes: {', '.join(SUITES)}.")] = "small",
    preset: Annotated[str, typer.Option(help="Of all of them.")] = "cpu-small",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each recipe.")] = 1,
    images: Annotated[int, typer.Option(min=0, help="Encoded by each training; 0: as the preset's transitive.")] = 0,
    data: Annotated[Path | None, typer.Option(help="Folder of labelled pictures for the columns of retrieval.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder of models and tables. Default: below the home.")] = None,
    initial: Annotated[Path | None, typer.Option(help="Folder of the context model all start from.")] = None,
    pack: Pack = None,
    as_json: Json = False,
) -> None:
    """Train recipes from one start on the same number of images, and put their measures in one table."""
    from training.evaluation.compare import compare as compare_recipes

    if suite not in SUITES:
        raise InvalidInput(f"There is no suite {suite!r}. Suites: {', '.join(SUITES)}.")
    named = [get_recipe(name, preset).name for name in recipes or SUITES[suite]]
    folder = output or settings().home / "comparisons" / f"{preset}-{seeds}"
    with _source(pack) as (source, place), Bars() as bars, cancelling(bars) as progress:
        start = initial or _start(place, preset, progress)
        sources = {name: found for name in named if (found := _source_of(name, preset, source, place)) is not None}
        table = compare_recipes(
            list(sources),
            lambda name: sources.get(name, source),
            folder,
            preset=preset,
            seeds=seeds,
            initial=start,
            images=images,
            labelled=data,
            device=settings().device,
            progress=progress,
        )
    facts = {"folder": str(folder), "preset": preset, "seeds": seeds, "images": table.images, "table": table.table()}
    answer(facts, as_json, f"{table.markdown()}\n{folder}")


@contextmanager
def _source(pack: Path | None) -> Iterator[tuple[TrainingSource, Workplace | None]]:
    """Open the pack, or the current generation of the graph."""
    if pack is not None:
        yield PackSource(pack), None
        return
    with Bars() as bars:
        found = Stack(settings()).up(bars)
    place = Workplace.open(found)
    with place.connection:
        yield GraphSource(place, generations.require_generation(place.connection)), place


def _encoder(model: str, place: Workplace | None) -> "Encoder":
    from training.encoder import Encoder
    from workers.stages.embed import choose_model

    if model and Path(model).is_dir():
        return Encoder.load(Path(model), settings().device)
    if place is None:
        raise InvalidInput("With --pack, name the model's folder: --model DIR.")
    known = place.models / model if model and (place.models / model).is_dir() else None
    return Encoder.load(known or place.models / choose_model(place, model).id, settings().device)


def _start(place: Workplace | None, preset: str, progress: Progress) -> Path:
    """Find the context model all start from; on the graph it is trained where there is none of this preset."""
    from workers.stages.train import choose_generation, initial_model

    if place is None:
        raise InvalidInput("With --pack, name the folder of the context model all start from: --initial DIR.")
    recipe = get_recipe("transitive", preset)
    folder = initial_model(place, recipe, choose_generation(place, recipe), progress)
    if folder is None:
        raise NotFound("There is no context model to start from.")
    return folder


def _source_of(name: str, preset: str, source: TrainingSource, place: Workplace | None) -> TrainingSource | None:
    """Return what a recipe reads; None, and a line that says so, where its kind of links is not there."""
    from workers.stages.train import choose_generation

    recipe = get_recipe(name, preset)
    if place is None or not recipe.ranks:
        return source
    try:
        linked = choose_generation(place, recipe)
        if recipe.track_length != 30 and linked.track_length not in (0, recipe.track_length):
            raise NotFound(f"it wants tracks of {recipe.track_length} frames; these have {linked.track_length}")
    except TransitiveError as error:
        say(f"{name} is left out: {error}")
        return None
    return source if linked.id == source.generation else GraphSource(place, linked)


def _answer(encoder: "Encoder", found: dict[str, dict[str, float]], as_json: bool) -> None:
    lines = [f"model {encoder.model.id}"]
    for vectors, numbers in found.items():
        lines += [f"{vectors:<10} {name:<22} {value:.4f}" for name, value in numbers.items()]
    answer({"model": encoder.model.id, **found}, as_json, "\n".join(lines))
