"""`transitive link`: a new generation of clusters and inter-instance edges (https://arxiv.org/abs/1708.02901, 4.2)."""

from dataclasses import asdict, replace
from typing import Annotated, Any

import psutil
import typer

from api.cli.onnx_file import Deviation, Mean, Size, check_onnx, resolve_onnx
from api.cli.session import open_session
from api.cli.terminal import Bars, Json, answer, say, table
from api.cli.usage import checked_arguments
from api.cli.waiting import detached, run_job
from graph.connection import Connection
from graph.generations import catalogue
from graph.linking.bounds import MOST_CHILDREN
from graph.linking.parameters import PAPER, LinkParameters
from graph.models import newest_models
from graph.queries.counts import graph_counts
from graph.settings import settings
from training.recipe import STARTS, Recipe
from workers.requests import LinkRequest

_DEFAULT = LinkParameters()
_NEWEST, _AUTO = "newest", "auto"  # names of the defaults on the command line
# measured for contrast at an eighth of the width on two cores of an AMD EPYC, 228 to 350 on different days
# (decisions/0307); a pair has two views
_VIEWS_PER_CORE_AND_SECOND = 230
_NARROW = 0.125


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(link)


def link(
    features: Annotated[
        str, typer.Option(help="Model whose pool5 features to use, hog, onnx:FILE, or newest: the newest start.")
    ] = _NEWEST,
    size: Size = 0,
    mean: Mean = "",
    deviation: Deviation = "",
    start: Annotated[
        str, typer.Option(help="Recipe of the start: context, contrast, or newest: the newest network of either.")
    ] = _NEWEST,
    preset: Annotated[
        str, typer.Option(help="Preset of the start, if it must be trained first; auto: one that fits the device.")
    ] = _AUTO,
    parents: Annotated[
        int, typer.Option(min=0, help="K of K-means, the number of parent clusters; 0: from the number of patches.")
    ] = 0,
    smallest: Annotated[
        int, typer.Option(min=0, help="Drop parent clusters with fewer patches; 0: a twentieth of the mean size.")
    ] = 0,
    neighbours: Annotated[
        int, typer.Option(min=1, help="Length of the nearest-neighbour lists.")
    ] = _DEFAULT.neighbours,
    group: Annotated[int, typer.Option(min=2, help="Patches in a child cluster.")] = _DEFAULT.group,
    linked_share: Annotated[
        float,
        typer.Option(min=0, max=1, help="Keep the tightest child clusters until this share of the tracks is linked."),
    ] = _DEFAULT.linked_share,
    keep_mean: Annotated[
        bool, typer.Option("--keep-mean", help="Compare features as they are, without subtracting their mean.")
    ] = False,
    paper: Annotated[
        bool, typer.Option("--paper", help="Link as the paper does: groups of 4 in lists of 10, none left out.")
    ] = False,
    same_video: Annotated[
        bool, typer.Option("--same-video", help="Let patches of one video be linked, as the paper's wording has it.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of K-means.")] = 0,
    join: Annotated[
        bool, typer.Option("--join", help="Let new videos join the current linking's parents, without K-means.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return the job's id at once, do not wait.")] = False,
    as_json: Json = False,
) -> None:
    """Link patches of different objects that look alike. The same videos and numbers give the same generation."""
    features, start = ("" if word == _NEWEST else word for word in (features, start))
    preset = "" if preset == _AUTO else preset
    chosen = LinkParameters(neighbours=neighbours, group=group, linked_share=linked_share, remove_mean=not keep_mean)
    if paper and chosen != LinkParameters():
        raise typer.BadParameter(
            "It sets --neighbours, --group, --linked-share and --keep-mean itself.", param_hint="--paper"
        )
    asked = replace(
        PAPER if paper else chosen, parents=parents, smallest=smallest, seed=seed, exclude_same_video=not same_video
    )
    if join and (features or start or preset or asked != LinkParameters()):
        raise typer.BadParameter(
            "A join keeps the features and parameters of the linking that it joins.", param_hint="--join"
        )
    with checked_arguments():
        request = LinkRequest(features, start, preset, join, asked)
        check_onnx(features, size, mean, deviation)
    with open_session() as session, Bars() as bars:
        request = replace(request, features=resolve_onnx(session, features, size, mean, deviation))
        announce_start(session.connection, request)
        if detach:
            detached(session, request, as_json)
            return
        generation = run_job(session, request, bars).result
        made = catalogue.get_generation(session.connection, generation)
        counts = graph_counts(session.connection)
    facts: dict[str, Any] = {
        "generation": made.id,
        "feature_model": made.feature_model,
        "held_out": list(made.held_out),
    }
    facts |= {"parameters": dict(made.parameters), "quality": dict(made.quality), "graph": asdict(counts)}
    rows = {
        "generation": made.id,
        "features": made.feature_model,
        "parent clusters": f"{counts.parent_clusters:,}",
        "child clusters": f"{counts.child_clusters:,}",
        "inter-instance edges": f"{counts.inter_instance:,}",
        "quadruples": f"{counts.quadruples:,}",
        "held-out videos": f"{len(made.held_out):,}",
    }
    capped = int(made.quality.get("children_over_the_cap", 0))
    if capped:
        rows["groups left out"] = f"{capped:,}, because one of their patches is in {MOST_CHILDREN} tighter ones"
    answer(facts, as_json, table(rows))


def announce_start(connection: Connection, request: LinkRequest) -> None:
    """Print which stage-0 network this request trains and how long that takes, if the network is missing."""
    if request.features or request.join:
        return
    if newest_models(connection, recipes=[request.start] if request.start else list(STARTS)):
        return
    from workers.stages.features import missing_start  # torch takes seconds: only a fresh home pays

    recipe = missing_start(settings().device, request.start, request.preset)
    say(
        f"There is no network to link by yet, so one is trained first: `transitive train {recipe.name} "
        f"--preset {recipe.preset}`, {recipe.iterations:,} steps{_how_long(recipe)}. It resumes after an interruption."
    )


def _how_long(recipe: Recipe) -> str:
    """Return a rough time for the training, if one was measured."""
    if recipe.width != _NARROW or not recipe.contrast_pictures:
        return ""
    views = 2 * recipe.contrast_pictures * recipe.iterations
    minutes = views / (_VIEWS_PER_CORE_AND_SECOND * (psutil.cpu_count() or 1)) / 60
    return f", about {max(1, round(minutes))} minutes on {psutil.cpu_count()} idle cores"
