"""`transitive link`: a new generation of clusters and inter-instance edges (https://arxiv.org/abs/1708.02901, 4.2)."""

from dataclasses import asdict, replace
from typing import Annotated, Any

import typer

from api.cli.session import open_session
from api.cli.terminal import Bars, Json, answer, say, table
from api.cli.usage import checked_arguments
from api.cli.waiting import JobRequest, detached, run_job
from graph.connection import Connection
from graph.errors import NotFound
from graph.generations import catalogue
from graph.linking.parameters import PAPER, LinkParameters
from graph.models import latest_model
from graph.queries.counts import graph_counts

_DEFAULT = LinkParameters()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(link)


def link(
    features: Annotated[
        str, typer.Option(help="Model whose pool5 features to use, or hog. Default: the newest start.")
    ] = "",
    start: Annotated[
        str, typer.Option(help="Link by the newest network of recipe context or contrast. Default: the newest of both.")
    ] = "",
    preset: Annotated[
        str, typer.Option(help="Of that network, where it must be trained first. Default: fits the device.")
    ] = "",
    parents: Annotated[int, typer.Option(min=0, help="K of K-means; 0: by the rule for so many patches.")] = 0,
    smallest: Annotated[int, typer.Option(min=0, help="Drop parents with fewer patches; 0: by the rule.")] = 0,
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
    seed: Annotated[int, typer.Option(help="Of K-means.")] = 0,
    join: Annotated[
        bool, typer.Option("--join", help="Let new videos join the current linking's parents, without K-means.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return the job's id at once, do not wait.")] = False,
    as_json: Json = False,
) -> None:
    """Link patches of different objects that look alike. The same videos and numbers give the same generation."""
    chosen = LinkParameters(neighbours=neighbours, group=group, linked_share=linked_share, remove_mean=not keep_mean)
    if paper and chosen != LinkParameters():
        raise typer.BadParameter(
            "It sets --neighbours, --group, --linked-share and --keep-mean by itself.", param_hint="--paper"
        )
    asked = replace(
        PAPER if paper else chosen, parents=parents, smallest=smallest, seed=seed, exclude_same_video=not same_video
    )
    if start:
        with checked_arguments():
            check_start(start)
    arguments = {"features": features, "start": start, "preset": preset, **asdict(asked), "join": join}
    if join and (features or start or preset or asked != LinkParameters()):
        raise typer.BadParameter(
            "The numbers and features of the linking that is joined are kept.", param_hint="--join"
        )
    with open_session() as session, Bars() as bars:
        request = linking(session.connection, arguments)
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
    answer(facts, as_json, table(rows))


def linking(connection: Connection, arguments: dict[str, Any]) -> JobRequest:
    """Make the request for a linking; says so when a network must be trained before."""
    start = str(arguments.get("start") or "")
    if not arguments["features"] and not arguments.get("join") and not _is_there(connection, start):
        say(f"There is no network to link by yet, so it is trained first (`transitive train {start or 'contrast'}`).")
    return JobRequest("link", arguments, arguments["features"] or start or "the newest start")


def check_start(start: str) -> None:
    """Raise `InvalidInput` for an unknown start, before anything runs."""
    from training.recipes import get_recipe

    get_recipe("transitive", start=start)


def _is_there(connection: Connection, start: str) -> bool:
    from training.recipes import STARTS

    for name in [start] if start else STARTS:
        try:
            latest_model(connection, name)
        except NotFound:
            continue
        return True
    return False
