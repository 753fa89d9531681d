"""`transitive compare`: training and measurement of several recipes, in one table."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.compared_measures import MeasureData, head_measures, parse_measures
from api.cli.ingestion import ingest_files, say_failures
from api.cli.interrupt import cancelling
from api.cli.session import Session, open_session
from api.cli.terminal import Bars, Json, answer
from api.cli.usage import checked_arguments
from api.cli.video_files import list_videos
from graph.errors import TransitiveError
from graph.settings import settings

if TYPE_CHECKING:
    from api.cli.comparison_inputs import ComparisonInputs
    from training.source import TrainingSource

_SUITE = "small"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    recipes: Annotated[
        list[str] | None, typer.Argument(help="Recipes to compare. Default: those of the suite on this device.")
    ] = None,
    suite: Annotated[
        str, typer.Option(help="Named set of recipes, with preset, seeds and images: small or multiview.")
    ] = _SUITE,
    videos: Annotated[
        list[Path] | None, typer.Option(help="Folder of videos to mine first. Default: those ingested already.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of pictures for the start, and for recipes that contrast pictures; labels unread."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Retrieval: folder with one folder of pictures per class. Suite multiview: folder of objects."
        ),
    ] = None,
    kinds: Annotated[
        Path | None, typer.Option(help="TSV of video names and the kind of the object in each; adds a measure by kind.")
    ] = None,
    preset: Annotated[str, typer.Option(help="Preset of all recipes. Default: cpu-small, or h200 on a GPU.")] = "",
    seeds: Annotated[int, typer.Option(min=0, help="Trainings of each recipe; 0: the suite's number.")] = 0,
    budget: Annotated[int, typer.Option(min=0, help="Images that each training encodes; 0: the suite's number.")] = 0,
    output: Annotated[
        Path | None, typer.Option(help="Folder of models and tables. Default: comparisons/ in the home.")
    ] = None,
    initial: Annotated[
        Path | None, typer.Option(help="Folder of the model that all recipes start from. Default: one is trained.")
    ] = None,
    start: Annotated[
        str, typer.Option(help="Recipe of that model, if it must be trained: context or contrast.")
    ] = "contrast",
    pack: Annotated[
        list[Path] | None,
        typer.Option(
            help="Read this training pack instead of the graph; may be repeated, for HOG links and 15-frame tracks."
        ),
    ] = None,
    measures: Annotated[
        str,
        typer.Option(
            help="health, retrieval, probe, detection, normals; separated by commas. Default: health and all with data."
        ),
    ] = "",
    probe_data: Annotated[
        Path | None, typer.Option(help="Probe: folder with train and val, each with one folder of pictures per class.")
    ] = None,
    detection_data: Annotated[Path | None, typer.Option(help="Detection: folder in VOC's or COCO's layout.")] = None,
    head: Annotated[str, typer.Option(help="Detector: fast (tables 1, 2) or faster (tables 3, 4).")] = "faster",
    normals_data: Annotated[
        Path | None, typer.Option(help="Normals: NYUv2's .mat file, or a folder of colour and depth (table 5).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train recipes from one start on the same number of images, and write their measures into one table.

    The steps are mining, training of the start, linking, training of each recipe, and measurement. A finished step is
    not repeated, so the same command resumes after Ctrl-C. comparison.html, .md and .json are written after every
    model. Example: `transitive compare tracking transitive --seeds 3`

    Tables 1 to 5 (section 6): `--measures` names the measures. Each needs its data: detection and normals train a head
    on every model, as `transitive evaluate detection` and `transitive evaluate normals` do. Their `--help` names the
    paper's data and the addresses.
    """
    from api.cli.commands.compare_multiview import MULTIVIEW, compare_objects
    from api.cli.comparison_inputs import from_packs  # these import torch, which takes seconds
    from training.devices import choose_device
    from training.evaluation.compare import compare as compare_recipes
    from training.evaluation.kinds import read_kinds
    from training.model_folder import read_card
    from training.recipes import get_recipe
    from training.source import WithPictureFolder
    from training.suites import START, get_suite

    places = MeasureData(data, probe_data, detection_data, normals_data)
    if suite == MULTIVIEW:
        if measures or probe_data or detection_data or normals_data:
            raise typer.BadParameter(f"--suite {MULTIVIEW} takes neither --measures nor the data of measures.")
        compare_objects(recipes, data, images, preset, seeds, budget, output, initial, start, as_json)
        return
    device = settings().device
    kind_of = read_kinds(kinds) if kinds else {}
    with checked_arguments():
        plan = get_suite(suite, choose_device(device).type)
        preset = preset or plan.preset
        begin = str(read_card(initial)["recipe"]) if initial else start
        asked = [begin if name == START else name for name in recipes or plan.recipes]
        names = [get_recipe(name, preset, begin).name for name in asked]
        measured = parse_measures(measures, places)
    # another preset than the suite's has a schedule of its own
    images_each = budget or (plan.image_budget if preset == plan.preset else 0)
    folder = output or settings().home / "comparisons" / f"{suite}-{preset}-{begin}"
    for path, option in ((data, "--data"), (images, "--images")):
        if path is not None and not path.is_dir():
            raise typer.BadParameter(f"{option}: there is no folder {path}.")
    with Bars() as bars, cancelling(bars) as progress, checked_arguments():  # before mining: data may have a fault
        heads = head_measures(measured, places, head, preset, progress)
    with ExitStack() as opened:
        if pack:
            with checked_arguments():
                inputs = from_packs(pack, names, preset, initial)
        else:
            files = list_videos(videos) if videos else []
            steps = plan.start_iterations.get(begin, 0) if preset == plan.preset else 0
            session = opened.enter_context(open_session())
            inputs = _from_graph(session, files, names, preset, begin, images, steps, initial, folder)
        bars = opened.enter_context(Bars())
        progress = opened.enter_context(cancelling(bars))

        def source_of(name: str) -> "TrainingSource":
            source = inputs.sources.get(name, inputs.main)
            # A recipe that contrasts pictures beside the graph's pairs keeps to those that the start has learned from.
            return (
                WithPictureFolder(source, images) if images and get_recipe(name, preset).contrast_pictures else source
            )

        found = compare_recipes(
            [name for name in names if name in inputs.sources],
            source_of,
            folder,
            preset=preset,
            seeds=seeds or plan.seeds,
            initial=inputs.initial,
            image_budget=images_each,
            labelled=data if "retrieval" in measured else None,
            health="health" in measured,
            heads=heads,
            kinds=inputs.kinds(kind_of) if kinds else None,
            device=device,
            facts=inputs.facts(),
            progress=progress,
        )
    facts = {"folder": str(folder), "preset": preset, "seeds": seeds or plan.seeds, "images": found.images}
    answer({**facts, "table": found.table()}, as_json, f"{found.markdown()}\n{folder / 'comparison.html'}")


def _from_graph(
    session: Session,
    files: list[Path],
    names: list[str],
    preset: str,
    start: str,
    images: Path | None,
    start_iterations: int,
    initial: Path | None,
    output: Path,
) -> "ComparisonInputs":
    """Mine `files`, then find or make the initial model and the links in this home's graph."""
    from api.cli.comparison_inputs import Gathering, tracks_of_15
    from training.recipes import get_recipe

    if files:
        outcome = ingest_files(session, files, {})
        say_failures(outcome)
        if outcome.cancelled:
            raise TransitiveError("Mining was cancelled. Run the same command again to continue.")
    with Bars() as bars, cancelling(bars) as progress:
        gathering = Gathering(session.context, preset, start, images, start_iterations, progress)
        inputs = gathering.gather(names, initial)
    sources = dict(inputs.sources)
    for name in names:
        if name not in sources and get_recipe(name, preset).track_length == 15:
            pack = tracks_of_15(settings(), files, preset, inputs.initial, output)
            sources |= {name: pack} if pack else {}
    return replace(inputs, sources=sources)
