"""Pages of models: the comparison table, and one model with its card, curves and nearest neighbours."""

import random
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.http.pages.optional_content import or_none
from api.http.pages.render import answer
from api.http.routes.models import ModelId
from api.http.routes.patches import similar_patches
from api.http.routes.units import get_units
from api.http.service import Service, ServiceDep
from api.responses.vectors import SimilarItem
from graph import models
from graph.generations.catalogue import get_generation
from graph.records import Model
from graph.vectors.selection import Selection
from training.journal import read_log
from training.model_folder import read_card
from training.presets import PRESETS
from training.recipes import RECIPES

router = APIRouter(include_in_schema=False)

QUERIES = 5  # patches whose neighbours are compared
NEAREST = 6
SEEDS = 1000


@dataclass(frozen=True, slots=True)
class Compared:
    """A model as a row of the comparison table."""

    model: Model
    measures: dict[str, float]  # the last of each that its training logged
    embedded: bool


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A patch and its nearest neighbours by two models."""

    patch: str
    one: list[SimilarItem]
    other: list[SimilarItem]


@router.get("/browse/models")
def show_models(shared: ServiceDep) -> Response:
    """Show the models side by side."""
    rows = [
        Compared(model, last_measures(shared, model.id), shared.files.embedded(model.id))
        for model in models.newest_models(shared.connection)
    ]
    current = models.current_model(shared.connection)
    shown = [name for name in _MEASURES if any(name in row.measures for row in rows)]
    return answer(
        "models.html",
        rows=rows,
        current=current.id if current else "",
        measures={name: _MEASURES[name] for name in shown},
        recipes=sorted(RECIPES),
        presets=list(PRESETS),
    )


@router.get("/browse/models/{model_id}")
def show_model(
    model_id: ModelId,
    shared: ServiceDep,
    other: Annotated[str, Query(max_length=200)] = "",
    seed: Annotated[int, Query(ge=0, le=SEEDS)] = 0,
) -> Response:
    """Show one model, and its nearest neighbours beside those of another."""
    model = models.get_model(shared.connection, model_id)
    current = models.current_model(shared.connection)
    card = or_none(lambda: read_card(shared.context.models / model.id)) or {}
    embedded = shared.embedded_models()
    others = [name for name in embedded if name != model_id]
    other = other if other in others else (others[0] if others else "")
    return answer(
        "model.html",
        model=model,
        facts=_facts(card),
        measures={_named(name): value for name, value in last_measures(shared, model_id).items()},
        units=or_none(lambda: get_units(model_id, shared)),
        linked=or_none(lambda: get_generation(shared.connection, model.generation)) is not None,
        current=current is not None and current.id == model_id,
        embedded=model_id in embedded,
        others=others,
        other=other,
        seed=seed,
        next_seed=(seed + 1) % SEEDS,
        compared=_compared(shared, model_id, other, seed) if model_id in embedded else [],
    )


_MEASURES = {
    "loss": "loss",
    "active": "active share",
    "effective_rank": "effective rank",
    "images_per_s": "images / s",
    "health_auc": "held-out AUC",
}
_COUNTS = ("tracks", "ends", "links", "images_per_s")  # last words of the names of whole numbers


def _named(measure: str) -> str:
    """Return the name that the page shows; `health_` marks measures of held-out videos in a training's log."""
    return _MEASURES.get(measure) or measure.replace("health_", "held-out ", 1)


def last_measures(shared: Service, model_id: str) -> dict[str, float]:
    """Return the last value of each number that a model's training logged."""
    found: dict[str, float] = {}
    for line in read_log(shared.context.models / model_id):
        found |= {
            name: round(value) if name.endswith(_COUNTS) else value
            for name, value in line.items()
            if isinstance(value, int | float)
        }
    found.pop("step", None)
    return found


def _facts(card: dict[str, Any]) -> dict[str, Any]:
    """Return the card without the fields that the page shows separately."""
    return {
        name: value for name, value in card.items() if name not in Model.__slots__ and value not in ("", None, [], {})
    }


def _compared(shared: Service, model: str, other: str, seed: int) -> list[Neighbours]:
    """Compare the neighbours of a few patches, which `seed` draws from one video's shard each."""
    draw = random.Random(seed)
    names = shared.context.shards.names(f"embeddings/{model}")
    found: list[Neighbours] = []
    for video in draw.sample(names, min(len(names), 4 * QUERIES)):
        ids = shared.context.shards.read(f"embeddings/{model}/{video}", ["id"])["id"].to_pylist()
        if len(found) == QUERIES or not ids:
            continue
        patch = draw.choice(ids)
        two = _near(shared, patch, other) if other else []
        found.append(Neighbours(patch, _near(shared, patch, model), two))
    return found


def _near(shared: Service, patch: str, model: str) -> list[SimilarItem]:
    found = or_none(lambda: similar_patches(shared, patch, Selection(), NEAREST, model))
    return found.items if found else []
