"""The inputs of a comparison of recipes: one initial model for all, and a training source for each recipe.

They come from packs or from the graph. Inputs that the graph lacks are made: the initial model, its links, links by
HOG features, and tracks of 15 frames. The 15-frame tracks are mined in a second home below this one and exported as a
pack.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.cli.ingestion import ingest_files, say_failures
from api.cli.session import open_session
from api.cli.stack import Stack
from api.cli.terminal import Bars, say
from graph import models
from graph.errors import InvalidInput, TransitiveError
from graph.generations import catalogue
from graph.generations.catalogue import Generation
from graph.linking.parameters import LinkParameters, stored_parameters
from graph.records import Progress
from graph.settings import Settings
from training.model_folder import read_card
from training.pack import PackSource
from training.recipe import Recipe
from training.recipes import get_recipe
from training.source import TrainingSource
from training.source_checks import check_links
from workers.requests import LinkRequest, TrainRequest
from workers.stage_context import StageContext
from workers.stages.features import prepare_link
from workers.stages.link import link
from workers.stages.pack import export_pack
from workers.stages.train import adopt, initial_model, train
from workers.training_source import GraphSource

_TRACKS_15 = "tracks-15"  # the home of 15-frame tracks below this one, and their pack


@dataclass(frozen=True)
class ComparisonInputs:
    """The initial model of all trainings, and the source of each recipe. A recipe without a source is left out."""

    initial: Path
    sources: Mapping[str, TrainingSource]
    main: TrainingSource  # held-out measures of all models are taken on it

    def facts(self) -> dict[str, Any]:
        """Name the initial model and the generations, for the head of a table."""
        made = {name: f"{source.generation} (links by {source.feature_model})" for name, source in self.sources.items()}
        return {"start": read_card(self.initial)["id"], "generations": ", ".join(dict.fromkeys(made.values()))}

    def kinds(self, kind_of: Mapping[str, str]) -> list[str]:
        """Return the kind of the object in each video by the video's number, from kinds by the video's name."""
        if not isinstance(self.main, GraphSource):
            raise InvalidInput("A pack has no video names, so --kinds needs the graph: leave --pack out.")
        return [kind_of.get(name, "") for name in self.main.video_names()]


def from_packs(packs: Sequence[Path], names: Sequence[str], preset: str, initial: Path | None) -> ComparisonInputs:
    """Choose for each recipe the first pack whose links and tracks are of its kind."""
    if initial is None:
        raise InvalidInput("With --pack, name the folder of the model that all start from: --initial DIR.")
    known = [PackSource(pack) for pack in packs]
    sources: dict[str, TrainingSource] = {}
    for name in names:
        fitting = [source for source in known if not _unfit(get_recipe(name, preset), source)]
        if fitting:
            sources[name] = fitting[0]
        else:
            say(f"{name} is left out: {_unfit(get_recipe(name, preset), known[0])}")
    return ComparisonInputs(initial, sources, sources.get("transitive", known[0]))


def _unfit(recipe: Recipe, source: TrainingSource) -> str:
    try:
        check_links(recipe, source)
    except InvalidInput as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class Gathering:
    """Finds or makes the inputs in the graph of one home."""

    context: StageContext
    preset: str
    start: str  # recipe of the initial model
    images: Path | None  # folder of pictures added to its training
    start_iterations: int
    progress: Progress

    def gather(self, names: Sequence[str], initial: Path | None) -> ComparisonInputs:
        """Find or make the initial model and the links; `transitive-15` has a function of its own."""
        recipes = {name: get_recipe(name, self.preset, self.start) for name in names}
        start, linked = self._start_and_links(initial)
        main = GraphSource(self.context, linked)
        sources: dict[str, TrainingSource] = {}
        for name, recipe in recipes.items():
            if recipe.links == "hog":
                sources[name] = GraphSource(self.context, self._hog(linked))
            elif recipe.track_length == 30 or not _unfit(recipe, main):
                sources[name] = main
        return ComparisonInputs(start, sources, main)

    def _start_and_links(self, initial: Path | None) -> tuple[Path, Generation]:
        """Return the initial model and the newest generation by a network's features that has all videos."""
        connection = self.context.connection
        known = [
            one
            for one in catalogue.list_generations(connection)
            if one.feature_model != "hog" and not catalogue.unlinked_videos(connection, one.id)
        ]
        linked = next((one for one in known if one.current), known[-1] if known else None)
        start = initial or self._start(linked)
        return start, linked or self.link_by(start)

    def link_by(self, start: Path) -> Generation:
        """Find or make the links by this model's features; a model that was trained elsewhere is imported."""
        return catalogue.get_generation(self.context.connection, self._link(adopt(self.context, start).id))

    def _start(self, linked: Generation | None) -> Path:
        if models.newest_models(self.context.connection, recipes=[self.start], preset=self.preset):
            recipe = get_recipe("transitive", self.preset, self.start)
            folder = initial_model(self.context, recipe, linked, self.progress)
            assert folder is not None  # noqa: S101
            return folder
        request = TrainRequest(self.start, self.preset, iterations=self.start_iterations, images=str(self.images or ""))
        return self.context.models / train(self.context, request, self.progress)

    def _link(self, features: str, parameters: Mapping[str, Any] | None = None) -> str:
        chosen = stored_parameters(parameters) if parameters else LinkParameters()
        request = LinkRequest(features, preset=self.preset, parameters=chosen)
        return link(self.context, prepare_link(self.context, request, self.progress), self.progress)

    def _hog(self, main: Generation) -> Generation:
        """Find or make the links by HOG features; `main` is the current generation afterwards."""
        connection = self.context.connection
        known = [
            one
            for one in catalogue.list_generations(connection)
            if one.feature_model == "hog" and list(one.videos) == list(main.videos)
        ]
        if known:
            return known[-1]
        made = catalogue.get_generation(connection, self._link("hog"))
        self._link(main.feature_model, main.parameters)  # its content exists, so this only makes it current again
        return made


def tracks_of_15(
    home: Settings, files: Sequence[Path], preset: str, initial: Path, output: Path
) -> TrainingSource | None:
    """Mine 15-frame tracks (section 6.2) in a home below this one, link them by the same network, return their pack.

    Prints a message and returns None if there is no video to mine or no second graph to write to.
    """
    pack = output / f"{_TRACKS_15}.pack"
    if pack.is_file() and PackSource(pack).feature_model == read_card(initial)["id"]:
        return PackSource(pack)
    if not files or home.neo4j_uri or home.redis_url.get_secret_value():
        why = "a Neo4j of their own (NEO4J_URI and REDIS_URL are set)" if files else "the videos: give --videos DIR"
        say(
            f"transitive-15 is left out: tracks of 15 frames need {why}. Or `transitive ingest --track-length 15` in "
            "another home, `transitive export --pack`, and name the packs with --pack."
        )
        return None
    data = f"{home.data_url.rstrip('/')}/{_TRACKS_15}" if home.data_url else ""
    second = home.model_copy(update={"home": home.home.absolute() / _TRACKS_15, "data_url": data})
    try:
        with open_session(second, api=False) as session:
            outcome = ingest_files(session, files, {"track_length": 15})
            say_failures(outcome)
            if outcome.cancelled:
                raise TransitiveError("Mining was cancelled. Run the same command again to continue.")
            recipe = str(read_card(initial)["recipe"])
            with Bars() as bars:
                linked = Gathering(session.context, preset, recipe, None, 0, bars).link_by(initial)
                export_pack(session.context, linked, pack)
    finally:
        Stack(second).down()
    return PackSource(pack)
