"""The (:Model) nodes: one for each trained network. One of them is the current model.

(:Current {name: "model"})-[:IS]->(:Model {id, recipe, preset, step, pool5_dim, embedding_dim, generation, created_at})

New videos are embedded by the current model, and an answer that needs embeddings uses it if no model is named.
"""

from collections.abc import Sequence
from dataclasses import asdict

from graph.connection import Connection
from graph.errors import InvalidInput, NotFound
from graph.records import ONNX_RECIPE, Model
from graph.rows import as_record, get_record, list_records

_WRITE = """
MERGE (m:Model {id: $id})
SET m = $properties
"""
_NEWEST = """
MATCH (m:Model)
WHERE ($recipes = [] OR m.recipe IN $recipes) AND ($preset = '' OR m.preset = $preset)
  AND (NOT $embedding OR m.embedding_dim > 0)
RETURN m {.*} AS model ORDER BY m.created_at DESC, m.id DESC
"""
# (c:Current)-[:IS]->(m)
_CURRENT = """
MATCH (:Current {name: 'model'})-[:IS]->(m:Model)
RETURN m {.*} AS model
"""
_USE = """
MATCH (m:Model {id: $id})
MERGE (c:Current {name: 'model'})
WITH m, c
OPTIONAL MATCH (c)-[old:IS]->()
WITH m, c, collect(old) AS olds
WHERE $replace OR olds = []
FOREACH (old IN olds | DELETE old)
CREATE (c)-[:IS]->(m)
"""


def write_model(connection: Connection, model: Model) -> None:
    """Write a model's node; replaces an older node with the same id (a training that was continued)."""
    connection.write(_WRITE, id=model.id, properties=asdict(model))


def get_model(connection: Connection, model_id: str) -> Model:
    """Read one model; raises `NotFound`."""
    return get_record(connection, Model, model_id)


def list_models(connection: Connection, after: str = "", limit: int = 100) -> list[Model]:
    """Return up to `limit` models in the order of their ids, starting after the id `after`."""
    return list_records(connection, Model, after, limit)


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


def current_model(connection: Connection) -> Model | None:
    """Return the current model, or None if none was chosen."""
    rows = connection.read(_CURRENT)
    return as_record(Model, rows[0]["model"]) if rows else None


def use_model(connection: Connection, model_id: str, replace: bool = True) -> Model:
    """Make a model the current one (`replace=False`: only if there is none yet) and return it.

    Raises `NotFound`, and `InvalidInput` for a model without an embedding.
    """
    model = require_embedding(get_model(connection, model_id))
    connection.write(_USE, id=model.id, replace=replace)
    return model


def require_embedding(model: Model) -> Model:
    """Return `model`; raises `InvalidInput` if its recipe has no embedding."""
    if not model.embedding_dim:
        raise InvalidInput(f"Model {model.id} ({model.recipe}) has no embedding. Name one that was trained on pairs.")
    return model


def choose_model(connection: Connection, model_id: str = "") -> Model:
    """Return the named model, else the current one, else the newest trained one with an embedding.

    Raises `NotFound`, and `InvalidInput` for a named model without an embedding.
    """
    if model_id:
        return require_embedding(get_model(connection, model_id))
    current = current_model(connection)
    if current:
        return current
    known = [model for model in newest_models(connection, embedding=True) if model.recipe != ONNX_RECIPE]
    if not known:
        raise NotFound("There is no model with an embedding yet. Train recipe transitive first.")
    return known[0]
