"""`transitive graph`: list and delete linking runs, explain a pair of patches, style Neo4j Browser."""

import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.cli.session import open_graph
from api.cli.terminal import Bars, Json, answer, table
from graph.errors import StorageError
from graph.generations import catalogue as linkings
from graph.generations.centroids import forget_centroids
from graph.queries.browser_style import QUERIES, grass, style_command
from graph.queries.explain import why_alike
from graph.queries.quadruples import count_quadruples
from graph.settings import settings
from graph.shards import Shards

_FOLDER = "Transitive Invariance"  # of the saved queries, in the Browser's favourites

app = typer.Typer(help="Look after the graph: linking runs, explanations, Neo4j Browser.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the family."""
    parent.add_typer(app, name="graph")


@app.command()
def style(
    output: Annotated[Path | None, typer.Option(help="Folder to write to. Default: HOME/browser.")] = None,
    as_json: Json = False,
) -> None:
    """Write a style and saved queries for Neo4j Browser: drop the two files on its window."""
    folder = output or settings().home / "browser"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        look, queries = folder / "style.grass", folder / "queries.zip"
        look.write_text(grass())
        with zipfile.ZipFile(queries, "w", zipfile.ZIP_DEFLATED) as archive:
            for query in QUERIES:
                archive.writestr(f"{_FOLDER}/{query.file}.cypher", query.text)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}. Name another one by --output.") from error
    facts = {"style": str(look), "queries": str(queries), "command": style_command()}
    text = (
        f"Drop these on the window of Neo4j Browser, one after the other:\n  {look}\n  {queries}\n"
        f"The style can also be pasted into its command line:\n{style_command()}"
    )
    answer(facts, as_json, text)


@app.command()
def generations(as_json: Json = False) -> None:
    """List the linking runs; the current one is marked, and how many videos it does not know yet."""
    with open_graph() as connection:
        found = linkings.list_generations(connection)
        stale = linkings.unlinked_videos(connection)
    facts = [
        {name: value for name, value in asdict(one).items() if not name.endswith("_sizes")} | {"buckets": one.buckets}
        for one in found
    ]
    rows = {
        f"{'*' if one.current else ' '} {one.id}": f"{one.created_at}  {one.feature_model}: {one.patches:,} patches, "
        f"{one.parents:,} parents, {one.children:,} children, {one.edges:,} edges, {one.quadruples:,} quadruples"
        for one in found
    }
    text = table(rows) if rows else "Nothing is linked yet. `transitive link` makes the first generation."
    text += f"\n{stale} videos are not linked yet." if rows and stale else ""
    answer({"generations": facts, "videos_not_linked": stale}, as_json, text)


@app.command()
def delete(
    generation: Annotated[str, typer.Argument(help="Its id, as `transitive graph generations` lists it.")],
    as_json: Json = False,
) -> None:
    """Delete an old linking run with its clusters and edges; the current one cannot be deleted."""
    with open_graph() as connection, Bars() as bars:
        linkings.delete_generation(connection, generation, bars)
    forget_centroids(Shards(settings().data), generation)
    answer({"deleted": generation}, as_json, f"Deleted generation {generation}.")


@app.command()
def why(
    one: Annotated[str, typer.Argument(help="Id of a patch.")],
    other: Annotated[str, typer.Argument(help="Id of another patch.")],
    as_json: Json = False,
) -> None:
    """Say why two patches are treated as alike: the chain of tracks, edges and clusters between them."""
    with open_graph() as connection:
        explanation = why_alike(connection, one, other)
    answer(asdict(explanation), as_json, "\n".join(explanation.sentences()))


@app.command()
def quadruples(as_json: Json = False) -> None:
    """Count the quadruples of the current linking run and the positives of each kind."""
    with open_graph() as connection:
        counts = asdict(count_quadruples(connection))
    names = {
        "quadruples": "quadruples",
        "training": "of them for training",
        "a_b": "A–B",
        "intra_instance": "A–A', B–B'",
        "transitive": "A–B', A'–B, A'–B'",
    }
    answer(counts, as_json, table({names[name]: f"{value:,}" for name, value in counts.items()}))
