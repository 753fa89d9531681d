"""`transitive export` and `import`: the whole graph and its files as a folder, or (`--pack`) a training's input."""

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.session import open_session
from api.cli.stack import Stack
from api.cli.terminal import Bars, Json, answer, table
from api.cli.usage import WrongCall, checked_arguments
from graph import jobs
from graph.archive import bolt, files
from graph.archive.export import export_graph
from graph.errors import Conflict, StorageError
from graph.generations import catalogue
from graph.records import Progress
from graph.settings import Settings, settings
from workers.stage_context import StageContext
from workers.stages.export_as import ExportFormat, export_as
from workers.stages.pack import export_pack

_BUSY = "{count} jobs are not finished, so an export would be incomplete. Wait for them, or cancel them."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(export)
    app.command(name="import")(import_)


def export(
    folder: Annotated[Path | None, typer.Argument(help="New folder for the whole graph and its files.")] = None,
    pack: Annotated[
        Path | None,
        typer.Option(help="File to write instead, for `train --pack`: patches, tracks, links, quadruples and frames."),
    ] = None,
    format_: Annotated[
        ExportFormat | None,
        typer.Option("--format", help="Write FOLDER for another tool: patches and tracks, without the whole graph."),
    ] = None,
    generation: Annotated[str, typer.Option(help="Generation of the pack. Default: the current one.")] = "",
    as_json: Json = False,
) -> None:
    """Write the graph and its files into a folder, or (--pack) the input of a training into one file.

    --format writes patches and tracks for FiftyOne, as COCO JSON, MOTChallenge text or Parquet tables instead.
    `transitive import` reads the folder into an empty home. `transitive train --pack` reads the file on a machine
    without servers.
    """
    if (folder is None) == (pack is None):
        raise typer.BadParameter("Name either a folder for the whole graph, or a file with --pack.")
    if folder is not None and folder.expanduser().exists():
        raise WrongCall(f"{folder} exists already. Name a new folder.")
    if format_ is not None and folder is None:
        raise WrongCall("--format needs the FOLDER to write.")
    with open_session() as session, Bars() as bars:
        context = session.context
        if format_ is not None and folder is not None:
            _answer_as(context, format_, folder.expanduser().absolute(), bars, as_json)
            return
        facts = _export_pack(context, pack, generation) if pack else _export_all(context, folder, bars)
    if pack:
        size, linked = facts["bytes"] / 1e6, facts["generation"]
        answer(facts, as_json, f"{pack}: {size:,.1f} MB, {facts['quadruples']:,} quadruples of generation {linked}")
        return
    rows = {name: f"{count:,}" for name, count in facts["counts"].items()}
    answer(facts, as_json, table({"exported to": str(folder), "MB": f"{facts['bytes'] / 1e6:,.1f}", **rows}))


def _answer_as(context: StageContext, kind: ExportFormat, folder: Path, progress: Progress, as_json: bool) -> None:
    counts = export_as(context, kind, folder, progress)
    facts = {"folder": str(folder), "format": kind.value, **counts}
    answer(facts, as_json, table({"exported to": folder, **{name: f"{count:,}" for name, count in counts.items()}}))


def import_(
    folder: Annotated[Path, typer.Argument(help="Folder that `transitive export` made.")], as_json: Json = False
) -> None:
    """Read an exported graph and its files into an empty home; a repeated import starts over."""
    chosen = settings()
    with checked_arguments():
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
    open_jobs = jobs.unfinished_jobs(context.connection)
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
                f"{target} could not be written: {error.strerror}. Free some space, or name another folder."
            ) from error
        raise
    return {"folder": str(target), "bytes": sum(made.files.values()), "counts": made.counts}


def _export_pack(context: StageContext, pack: Path, generation: str) -> dict[str, Any]:
    linked = catalogue.require_generation(context.connection, generation or None)
    size = export_pack(context, linked, pack.expanduser())
    return {"pack": str(pack), "bytes": size, "generation": linked.id, "quadruples": sum(linked.training_sizes)}


def _import(chosen: Settings, stack: Stack, folder: Path, made: files.Export, marker: Path, progress: Progress) -> None:
    """Copy the files first and write the graph last, so that a graph never names a file that is missing."""
    begun = marker.is_file() and marker.read_text() == chosen.neo4j_uri
    if not begun and not stack.never_ran:
        with StageContext.open(stack.up(progress)).connection as connection:
            there = bolt.count_nodes(connection)
        if there:
            raise Conflict(
                f"The graph of {chosen.home} holds {there:,} nodes. An import goes into an empty one: set "
                "TRANSITIVE_HOME (or NEO4J_URI) to another one."
            )
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(chosen.neo4j_uri)
    if not chosen.neo4j_uri and made.counts:
        stack.load(folder / "graph", progress)
    context = StageContext.open(stack.up(progress))
    files.copy_in(folder, made, context.shards, context.models, progress)
    with context.connection as connection:
        if chosen.neo4j_uri:
            bolt.empty_graph(connection, progress)
            bolt.write_graph(connection, folder / "graph", made.counts, progress)
        else:
            bolt.write_rest(connection, folder / "graph")
    marker.unlink()
