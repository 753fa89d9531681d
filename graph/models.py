"""Trained models go into the graph as nodes that list them, and come out by id, by recipe, page by page.

(:Model {id, recipe, preset, step, pool5_dim, embedding_dim, generation, created_at})
"""

from dataclasses import asdict

from graph.connection import Connection
from graph.errors import NotFound
from graph.records import Model
from graph.rows import as_record

_WRITE = """
MERGE (m:Model {id: $id})
SET m = $properties
"""
_GET = """
MATCH (m:Model {id: $id})
RETURN m {.*} AS model
"""
_LIST = """
MATCH (m:Model)
WHERE m.id > $after
RETURN m {.*} AS model ORDER BY m.id LIMIT $limit
"""
_LATEST = """
MATCH (m:Model)
WHERE $recipe IS NULL OR m.recipe = $recipe
RETURN m {.*} AS model ORDER BY m.created_at DESC, m.id DESC LIMIT 1
"""


def write_model(connection: Connection, model: Model) -> None:
    """Write a model's node, in place of the one with its id (a training that went on)."""
    connection.write(_WRITE, id=model.id, properties=asdict(model))


def get_model(connection: Connection, model_id: str) -> Model:
    """Read one model; raises `NotFound`."""
    rows = connection.read(_GET, id=model_id)
    if not rows:
        raise NotFound(f"There is no model {model_id}. `GET /models` lists those there are.")
    return as_record(Model, rows[0]["model"])


def list_models(connection: Connection, after: str = "", limit: int = 100) -> list[Model]:
    """Read the `limit` models whose ids follow `after`, in the order of their ids."""
    return [as_record(Model, row["model"]) for row in connection.read(_LIST, after=after, limit=limit)]


def latest_model(connection: Connection, recipe: str | None = None) -> Model:
    """Read the newest model, of one recipe or of any; raises `NotFound` with the command that makes one."""
    rows = connection.read(_LATEST, recipe=recipe)
    if not rows:
        raise NotFound(
            f"There is no {recipe or 'trained'} model yet. `transitive train {recipe or 'RECIPE'}` makes one."
        )
    return as_record(Model, rows[0]["model"])
