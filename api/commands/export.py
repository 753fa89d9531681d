"""`transitive export --pack FILE`: everything a training reads, in one file, for a machine without servers."""

from pathlib import Path
from typing import Annotated

import typer

from api.stack import Stack
from api.terminal import Bars, Json, answer
from graph import generations
from graph.settings import settings
from workers.stages.pack import export_pack
from workers.workplace import Workplace


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    pack: Annotated[Path, typer.Option(help="File to write: patches, tracks, links, quadruples and frames.")],
    generation: Annotated[str, typer.Option(help="Linking run. Default: the current one.")] = "",
    as_json: Json = False,
) -> None:
    """Write a training pack; `transitive train RECIPE --pack FILE` trains from it with the same losses."""
    with Bars() as bars:
        found = Stack(settings()).up(bars)
    place = Workplace.open(found)
    with place.connection:
        linked = generations.require_generation(place.connection, generation or None)
        size = export_pack(place, linked, pack.expanduser())
    facts = {"pack": str(pack), "bytes": size, "generation": linked.id, "quadruples": sum(linked.training_sizes)}
    answer(
        facts, as_json, f"{pack}: {size / 1e6:,.1f} MB, {facts['quadruples']:,} quadruples of generation {linked.id}"
    )
