"""`transitive graph`: delete linking runs, count quadruples, explain a pair of patches, style Neo4j Browser."""

import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from api.cli.session import open_graph
from api.cli.terminal import Bars, Json, answer, table
from graph.errors import StorageError
from graph.generations.catalogue import delete_generation
from graph.generations.centroids import forget_centroids
from graph.queries.browser_style import QUERIES, grass, style_command
from graph.queries.explain import why_alike
from graph.queries.quadruples import count_quadruples
from graph.settings import settings
from graph.shards import Shards

_FOLDER = "Transitive Invariance"  # of the saved queries, in the Browser's favourites

app = typer.Typer(
    help="Delete linking runs, count quadruples, explain why two patches are linked, style Neo4j Browser.",
    no_args_is_help=True,
)


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
        raise StorageError(f"{folder} cannot be written: {error.strerror}. Use another --output folder.") from error
    facts = {"style": str(look), "queries": str(queries), "command": style_command()}
    text = (
        f"Drop these on the window of Neo4j Browser, one after the other:\n  {look}\n  {queries}\n"
        f"The style can also be pasted into its command line:\n{style_command()}"
    )
    answer(facts, as_json, text)


@app.command()
def delete(
    generation: Annotated[str, typer.Argument(help="Id of a generation; `transitive list generations` shows the ids.")],
    as_json: Json = False,
) -> None:
    """Delete an old linking run with its clusters and edges; the current one cannot be deleted."""
    with open_graph() as connection, Bars() as bars:
        delete_generation(connection, generation, bars)
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
