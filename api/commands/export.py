"""`transitive export --pack FILE`: everything a training reads, in one file, for a machine without servers."""

from pathlib import Path
from typing import Annotated

import typer

from api.stack import Stack
from api.terminal import Bars, Json, answer
from graph import generations
from graph.generation_batches import bucket_of
from graph.records import Quadruple
from graph.settings import settings
from training.pack import write_pack
from workers.training_source import GraphSource
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

        def bucket(quadruple: Quadruple) -> int:
            return bucket_of(quadruple.a, quadruple.b, linked.buckets)

        size = write_pack(GraphSource(place, linked), pack.expanduser(), bucket, linked.buckets)
    facts = {"pack": str(pack), "bytes": size, "generation": linked.id, "quadruples": sum(linked.training_sizes)}
    answer(
        facts, as_json, f"{pack}: {size / 1e6:,.1f} MB, {facts['quadruples']:,} quadruples of generation {linked.id}"
    )
