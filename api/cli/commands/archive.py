"""`transitive export` and `import`: the graph and its files, to move or back up; `export --pack`: a training's file."""

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.stack import Stack
from api.cli.terminal import Bars, Json, answer, table
from graph.archive import bolt, files
from graph.archive.export import export_graph
from graph.errors import Conflict, StorageError
from graph.generations import catalogue
from graph.records import Progress
from graph.settings import Settings, settings
from workers import ledger
from workers.stage_context import StageContext
from workers.stages.pack import export_pack

_BUSY = "Work is under way ({count} jobs), and an export would hold half of it. Wait for it, or cancel it."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(export)
    app.command(name="import")(import_)


def export(
    folder: Annotated[Path | None, typer.Argument(help="Folder to make: the whole graph and its files.")] = None,
    pack: Annotated[
        Path | None, typer.Option(help="File to write instead: patches, tracks, links, quadruples and frames.")
    ] = None,
    generation: Annotated[str, typer.Option(help="Linking run of the pack. Default: the current one.")] = "",
    as_json: Json = False,
) -> None:
    """Write the graph and its files into a folder, for `transitive import`; or what a training reads into one file."""
    if (folder is None) == (pack is None):
        raise typer.BadParameter("Name a folder for all of it, or a file by --pack for a training.")
    with Bars() as bars:
        context = StageContext.open(Stack(settings()).up(bars))
        with context.connection:
            facts = _export_pack(context, pack, generation) if pack else _export_all(context, folder, bars)
    if pack:
        size, linked = facts["bytes"] / 1e6, facts["generation"]
        answer(facts, as_json, f"{pack}: {size:,.1f} MB, {facts['quadruples']:,} quadruples of generation {linked}")
        return
    rows = {name: f"{count:,}" for name, count in facts["counts"].items()}
    answer(facts, as_json, table({"exported to": str(folder), "MB": f"{facts['bytes'] / 1e6:,.1f}", **rows}))


def import_(
    folder: Annotated[Path, typer.Argument(help="Folder that `transitive export` made.")], as_json: Json = False
) -> None:
    """Bring an exported graph and its files into a home that has none; an import that was interrupted begins anew."""
    chosen = settings()
    made = files.open_export(folder.expanduser())
    marker = chosen.home.absolute() / "importing"
    stack = Stack(chosen)
    with Bars() as bars:
        try:
            _import(chosen, stack, folder.expanduser().absolute(), made, marker, bars)
        except OSError as error:
            raise StorageError(f"The import stopped: {error}. Free some space and run it again.") from error
    answer(
        {"imported": str(folder), "counts": made.counts}, as_json, f"Imported {folder}. `transitive status` shows it."
    )


def _export_all(context: StageContext, folder: Path | None, progress: Progress) -> dict[str, Any]:
    assert folder is not None  # noqa: S101
    target = folder.expanduser().absolute()
    if target.exists():
        raise Conflict(f"{target} is there already. Name a folder that is not.")
    open_jobs = ledger.open_jobs(context.connection)
    if open_jobs:
        raise Conflict(_BUSY.format(count=len(open_jobs)))
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        (partial / "graph").mkdir(parents=True)
        counts = export_graph(context.connection, partial / "graph", progress)
        files.copy_out(context.shards, context.models, partial, progress)
        made = files.seal(partial, counts)
        partial.rename(target)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise StorageError(
                f"{target} could not be written: {error.strerror}. Free some space, or name another."
            ) from error
        raise
    return {"folder": str(target), "bytes": sum(made.files.values()), "counts": made.counts}


def _export_pack(context: StageContext, pack: Path, generation: str) -> dict[str, Any]:
    linked = catalogue.require_generation(context.connection, generation or None)
    size = export_pack(context, linked, pack.expanduser())
    return {"pack": str(pack), "bytes": size, "generation": linked.id, "quadruples": sum(linked.training_sizes)}


def _import(chosen: Settings, stack: Stack, folder: Path, made: files.Export, marker: Path, progress: Progress) -> None:
    """Files first and the graph last, its small parts at the very end: until then nothing in it counts as there."""
    begun = marker.is_file() and marker.read_text() == chosen.neo4j_uri
    if not begun and not stack.never_ran:
        with StageContext.open(stack.up(progress)).connection as connection:
            there = bolt.count_nodes(connection)
        if there:
            raise Conflict(
                f"The graph of {chosen.home} holds {there:,} nodes. An import goes into an empty one: set "
                "TRANSITIVE_HOME (or NEO4J_URI) to another context."
            )
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(chosen.neo4j_uri)
    if not chosen.neo4j_uri and made.counts:
        stack.load(folder / "graph", progress)
    context = StageContext.open(stack.up(progress))
    files.copy_in(folder, context.shards, context.models, progress)
    with context.connection as connection:
        if chosen.neo4j_uri:
            bolt.empty_graph(connection, progress)
            bolt.write_graph(connection, folder / "graph", made.counts, progress)
        else:
            bolt.write_rest(connection, folder / "graph")
    marker.unlink()
