"""`transitive evaluate`: measures of a model or of the links, from the graph or from a training pack."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.commands import evaluate_detection, evaluate_normals, evaluate_probe, evaluate_units
from api.cli.session import open_session
from api.cli.terminal import Bars, Json, answer, say
from api.cli.usage import WrongCall, checked_arguments
from graph.errors import InvalidInput
from graph.generations import catalogue
from graph.settings import settings
from training.pack import PackSource
from training.source import TrainingSource
from workers.stage_context import StageContext
from workers.training_source import GraphSource

if TYPE_CHECKING:
    from training.encoders import PatchEncoder

Pack = Annotated[Path | None, typer.Option(help="Read patches from this training pack instead of the graph.")]
_COUNTS = ("tracks", "ends", "links")  # whole numbers among the measures

app = typer.Typer(
    help="Measure a model (without labels, by labelled pictures, or as the paper's section 6 does) or the links.",
    no_args_is_help=True,
)


def register(parent: typer.Typer) -> None:
    """Add the family."""
    evaluate_detection.register(app)
    evaluate_normals.register(app)
    evaluate_probe.register(app)
    evaluate_units.register(app)
    parent.add_typer(app, name="evaluate")


@app.command()
def health(
    model: Annotated[str, typer.Option(help="Model's id or folder. Default: the newest with an embedding.")] = "",
    pack: Pack = None,
    as_json: Json = False,
) -> None:
    """Measure a model on the tracks of videos kept out of training, without labels. The paper has no such table."""
    from training.evaluation.measure import evaluate_held_out  # imports torch, which takes seconds

    with open_source(pack) as (source, context), Bars() as bars:
        encoder = _encoder(model, context)
        found = evaluate_held_out(encoder, source, bars)
    _answer(encoder, found, as_json)
    if not as_json:
        say("Ends of training videos are distractors here. A training's own log measures among held-out tracks only.")


@app.command()
def retrieval(
    data: Annotated[Path, typer.Option(help="Folder of labelled pictures: one folder per class.")],
    model: Annotated[str, typer.Option(help="Model's id or folder. Default: the newest with an embedding.")] = "",
    picture: Annotated[
        Path | None, typer.Option(help="Draw the nearest neighbours (figure 7) into this picture file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure how often the nearest neighbours of a labelled picture have its class (section 6.1, figure 7).

    The paper's pictures are the objects cut out of PASCAL VOC 2007's trainval:
    http://host.robots.ox.ac.uk/pascal/VOC/voc2007/. Any folder with one folder of pictures per class serves.
    """
    from training.encoders import open_encoder
    from training.evaluation.measure import evaluate_retrieval

    if not data.is_dir():
        raise WrongCall(f"{data} is not a folder. Give a folder with one folder of pictures for each class.")
    if model and Path(model).is_dir():
        encoder = open_encoder(Path(model), settings().device)
    else:
        with open_source(None) as (_, context):
            encoder = _encoder(model, context)
    with Bars() as bars:
        found = evaluate_retrieval(encoder, data, picture, bars)
    _answer(encoder, found, as_json)


@app.command()
def links(
    kinds: Annotated[Path | None, typer.Option(help="TSV of video names and the kind of object in each.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Draw 64 random links into this picture file.")] = None,
    pack: Pack = None,
    as_json: Json = False,
) -> None:
    """Measure the links of the current generation: share of linked tracks, purity and its chance level, hubs."""
    from training.evaluation.kinds import read_kinds
    from training.evaluation.links import draw_links, measure_links

    with checked_arguments():
        kind_of = read_kinds(kinds) if kinds else {}
    with open_source(pack) as (source, _):
        names = source.video_names() if isinstance(source, GraphSource) else []
        if kinds and not names:
            raise InvalidInput("A pack has no video names, so --kinds needs the graph: leave --pack out.")
        by_video = [kind_of.get(name, "") for name in names] if kinds else None
        found = measure_links(source.links(), source.table(), by_video)
        if sheet:
            draw_links(source, sheet)
        about = {"generation": source.generation, "features": source.feature_model}
    lines = [f"{name:<18} {value}" for name, value in about.items()]
    counts = ("tracks", "edges")
    lines += [f"{name:<18} {value:{',.0f' if name in counts else '.3f'}}" for name, value in found.items()]
    answer({**about, **found}, as_json, "\n".join(lines))


@contextmanager
def open_source(pack: Path | None) -> Iterator[tuple[TrainingSource, StageContext | None]]:
    """Open the pack, or the current generation of the graph."""
    if pack is not None:
        yield PackSource(pack), None
        return
    with open_session() as session:
        context = session.context
        yield GraphSource(context, catalogue.require_generation(context.connection)), context


def _encoder(model: str, context: StageContext | None) -> "PatchEncoder":
    from graph.models import choose_model
    from training.encoders import open_encoder

    if model and Path(model).is_dir():
        return open_encoder(Path(model), settings().device)
    if context is None:
        raise InvalidInput("With --pack, name the model's folder: --model DIR.")
    known = context.models / model if model and (context.models / model).is_dir() else None
    return open_encoder(known or context.models / choose_model(context.connection, model).id, settings().device)


def _answer(encoder: "PatchEncoder", found: dict[str, dict[str, float]], as_json: bool) -> None:
    lines = [f"model {encoder.model.id}"]
    for vectors, numbers in found.items():
        lines += [
            f"{vectors:<10} {name:<22} {value:{',.0f' if name in _COUNTS else '.4f'}}"
            for name, value in numbers.items()
        ]
    answer({"model": encoder.model.id, **found}, as_json, "\n".join(lines))
