"""The (:Model) nodes: one for each trained network.

(:Model {id, recipe, preset, step, pool5_dim, embedding_dim, generation, created_at})
"""

from collections.abc import Sequence
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
_NEWEST = """
MATCH (m:Model)
WHERE ($recipes = [] OR m.recipe IN $recipes) AND ($preset = '' OR m.preset = $preset)
  AND (NOT $embedding OR m.embedding_dim > 0)
RETURN m {.*} AS model ORDER BY m.created_at DESC, m.id DESC
"""


def write_model(connection: Connection, model: Model) -> None:
    """Write a model's node; replaces an older node with the same id (a training that was continued)."""
    connection.write(_WRITE, id=model.id, properties=asdict(model))


def get_model(connection: Connection, model_id: str) -> Model:
    """Read one model; raises `NotFound`."""
    rows = connection.read(_GET, id=model_id)
    if not rows:
        raise NotFound(f"There is no model {model_id}. List the models to see their ids.")
    return as_record(Model, rows[0]["model"])


def list_models(connection: Connection, after: str = "", limit: int = 100) -> list[Model]:
    """Return up to `limit` models in the order of their ids, starting after the id `after`."""
    return [as_record(Model, row["model"]) for row in connection.read(_LIST, after=after, limit=limit)]


def newest_models(
    connection: Connection, recipes: Sequence[str] = (), preset: str = "", embedding: bool = False
) -> list[Model]:
    """Return all models of these recipes and this preset, newest first.

    Empty `recipes` or `preset` match all models; `embedding` requires an embedding.
    """
    rows = connection.read(_NEWEST, recipes=list(recipes), preset=preset, embedding=embedding)
    return [as_record(Model, row["model"]) for row in rows]


def latest_model(connection: Connection, recipe: str = "") -> Model:
    """Return the newest model of `recipe` (empty: of any recipe); raises `NotFound`."""
    known = newest_models(connection, [recipe] if recipe else [])
    if not known:
        raise NotFound(f"There is no {recipe or 'trained'} model yet. Train {recipe or 'a recipe'} first.")
    return known[0]
