"""`transitive train` and `transitive embed`: training of a recipe, and embeddings of all patches by a model."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.interrupt import cancelling
from api.cli.onnx_file import Deviation, Mean, Size, check_onnx, resolve_onnx
from api.cli.session import open_session
from api.cli.terminal import Bars, Json, answer, say, table
from api.cli.usage import WrongCall, checked_arguments
from api.cli.waiting import detached, run_job
from graph.errors import InvalidInput, NotFound
from graph.models import choose_model, current_model, get_model
from graph.settings import settings
from training.recipes import RECIPES, get_recipe, with_iterations
from workers.requests import EmbedRequest, TrainRequest

_WATCH_SECONDS = 1.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(train)
    app.command()(embed)


def train(
    recipe: Annotated[str, typer.Argument(help="transitive, contrast, context, tracking, inter, multitask, …")] = "",
    preset: Annotated[str, typer.Option(help="paper, h200, cpu-small or demo.")] = "paper",
    seed: Annotated[int, typer.Option(help="Seed of every random draw.")] = 0,
    output: Annotated[Path | None, typer.Option(help="Folder of the training. Default: the model's own.")] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Fail if there is no checkpoint, instead of starting a new training."),
    ] = False,
    pack: Annotated[Path | None, typer.Option(help="Train from this file, in this process, without servers.")] = None,
    iterations: Annotated[int, typer.Option(min=0, help="Steps of the schedule; 0: the preset's.")] = 0,
    images: Annotated[
        Path | None, typer.Option(help="Folder of pictures added to what context and contrast learn from.")
    ] = None,
    start: Annotated[
        str, typer.Option(help="Start from context or contrast. Default: paper from context, other presets contrast.")
    ] = "",
    initial: Annotated[
        Path | None,
        typer.Option(help="Start from this model's folder; for imagenet: torchvision's file of weights."),
    ] = None,
    watch: Annotated[Path | None, typer.Option(help="Only show the progress of the training in this folder.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return the job's id at once, do not wait.")] = False,
    as_json: Json = False,
) -> None:
    """Train a recipe of the paper. Ctrl-C leaves a checkpoint, from which the same command continues."""
    if watch is not None:
        _watch(watch)
        return
    if not recipe:
        raise typer.BadParameter(f"Name a recipe: {', '.join(RECIPES)}.")
    with checked_arguments():
        request = TrainRequest(
            recipe,
            preset,
            start,
            seed,
            iterations,
            images=_absolute(images),
            initial=_absolute(initial),
            output=_absolute(output),
            resume=resume,
        )
        if initial is not None:
            _check_initial(recipe, initial)
    if pack is not None:
        _train_from_pack(pack, request, as_json)
        return
    with open_session() as session, Bars() as bars:
        if detach:
            detached(session, request, as_json)
            return
        model = get_model(session.connection, run_job(session, request, bars).result)
    folder = output or session.context.models / model.id
    _report({**asdict(model), "folder": str(folder)}, as_json)


def embed(
    model: Annotated[
        str, typer.Option(help="Model's id, or onnx:FILE. Default: the current model, else the newest.")
    ] = "",
    missing: Annotated[
        bool, typer.Option("--missing", help="Use the current model only; fail if there is none.")
    ] = False,
    size: Size = 0,
    mean: Mean = "",
    deviation: Deviation = "",
    detach: Annotated[bool, typer.Option("--detach", help="Return the job's id at once, do not wait.")] = False,
    as_json: Json = False,
) -> None:
    """Compute the embedding of every patch that has none of this model yet."""
    if missing and model:
        raise typer.BadParameter("--missing embeds by the current model: omit --model, or call `transitive use`.")
    check_onnx(model, size, mean, deviation)
    with open_session() as session, Bars() as bars:
        if missing and current_model(session.connection) is None:
            raise NotFound("No model is in use yet. `transitive use MODEL` names one.")
        asked = EmbedRequest(choose_model(session.connection, resolve_onnx(session, model, size, mean, deviation)).id)
        if detach:
            detached(session, asked, as_json)
            return
        made = get_model(session.connection, run_job(session, asked, bars).result)
    facts = {"model": made.id, "dimensions": made.embedding_dim}
    answer(facts, as_json, f"Every patch has a {made.embedding_dim}-dimensional embedding of model {made.id}.")


def _check_initial(recipe: str, initial: Path) -> None:
    if get_recipe(recipe).initial == "xavier":
        raise InvalidInput(f"Recipe {recipe!r} starts from random weights. Leave --initial out.")
    if not initial.expanduser().exists():
        raise NotFound(f"There is no file or folder {initial} to start from.")


def _absolute(path: Path | None) -> str:
    return str(path.expanduser().absolute()) if path else ""


def _report(facts: Mapping[str, Any], as_json: bool) -> None:
    rows = {"model": facts["id"], "recipe": f"{facts['recipe']} ({facts['preset']})", "steps": f"{facts['step']:,}"}
    card = Path(facts["folder"]) / "model.json"
    if card.is_file():  # not where the worker has a disk of its own
        rows |= _how_it_went(json.loads(card.read_text()))
    answer(facts, as_json, table({**rows, "folder": facts["folder"]}))


def _how_it_went(card: Mapping[str, Any]) -> dict[str, str]:
    """Lay out speed, waiting and held-out health of a finished training."""
    rows = {}
    if card["seconds"]:
        rows["speed"] = f"{card['images_encoded'] / card['seconds']:,.0f} images/s for {card['seconds']:,.0f} s"
        rows["waited for data"] = f"{card.get('waiting', 0):.1%} of the time"
    for name, text in (("auc", "AUC"), ("recall@1", "recall@1"), ("effective_rank", "effective rank")):
        before, after = (card["measures"][when].get(name) for when in ("before", "after"))
        if before is not None and after is not None:
            rows[f"held-out {text}"] = f"{before:.3f} before, {after:.3f} after"
    rows |= {"alarms": ", ".join(card["alarms"])} if card["alarms"] else {}
    return rows


def _train_from_pack(pack: Path, request: TrainRequest, as_json: bool) -> None:
    from training.loop import train as train_recipe
    from training.pack import PackSource
    from training.source import TrainingSource, WithPictureFolder

    recipe = with_iterations(get_recipe(request.recipe, request.preset, request.start), request.iterations)
    if not request.output:
        raise WrongCall("A training from a pack needs --output DIR: its model is not stored in the graph.")
    with checked_arguments():
        source: TrainingSource = PackSource(pack)
    if request.images:
        source = WithPictureFolder(source, Path(request.images))
    with Bars() as bars, cancelling(bars) as progress:
        model = train_recipe(
            recipe,
            source,
            Path(request.output),
            seed=request.seed,
            device=settings().device,
            resume=request.resume or None,
            initial=Path(request.initial) if request.initial else None,
            progress=progress,
        )
    _report({**asdict(model), "folder": request.output}, as_json)


def _watch(folder: Path) -> None:
    """Follow a training's journal until its model is finished or Ctrl-C."""
    from training.journal import LOG, read_log

    if not (folder / LOG).is_file():
        raise WrongCall(f"{folder} holds no training ({LOG} is missing).")
    shown = 0
    while True:
        finished = (folder / "model.json").is_file()
        rows = read_log(folder)
        for row in rows[shown:]:
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in row.items() if isinstance(value, float))
            say(f"step {row['step']:>7}  {numbers}")
        if finished:
            return
        shown = len(rows)
        time.sleep(_WATCH_SECONDS)
