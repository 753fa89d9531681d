"""`transitive evaluate`: how good a model is, from the graph or from a training pack."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.stack import Stack
from api.terminal import Bars, Json, answer
from graph import generations
from graph.errors import InvalidInput
from graph.settings import settings
from training.pack import PackSource
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
    """Add the family."""
    parent.add_typer(app, name="evaluate")


@app.command()
def health(
    model: Annotated[str, typer.Option(help="Model's id or folder. Default: the newest with an embedding.")] = "",
    pack: Pack = None,
    as_json: Json = False,
) -> None:
    """Measure a model on the videos kept out of training, without labels."""
    from training.evaluation.measure import evaluate_held_out  # torch takes seconds: only those who measure pay

    with _source(pack) as (source, place), Bars() as bars:
        encoder = _encoder(model, place)
        found = evaluate_held_out(encoder, source, bars)
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


def _answer(encoder: "Encoder", found: dict[str, dict[str, float]], as_json: bool) -> None:
    lines = [f"model {encoder.model.id}"]
    for vectors, numbers in found.items():
        lines += [f"{vectors:<10} {name:<22} {value:.4f}" for name, value in numbers.items()]
    answer({"model": encoder.model.id, **found}, as_json, "\n".join(lines))
