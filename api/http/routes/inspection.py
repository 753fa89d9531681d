"""The route that lists links for a person to judge."""

import random
from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.http.problems import problem_responses
from api.http.service import Service, ServiceDep
from graph import models
from graph.errors import NotFound
from graph.generations.catalogue import require_generation
from graph.queries.inspection import Inspected, edges_of_bucket, farthest_edges, judged_edges

router = APIRouter(tags=["feedback"])

SAMPLED = 1000  # number of edges searched for the largest disagreement of two models

Order = Literal["distance", "random", "disagreement", "judged"]
Name = Annotated[str, Query(max_length=200, description="Model id.")]


class InspectedResponse(BaseModel):
    """A link with its quadruple, and its distance by the features of linking and by up to two models."""

    a: str
    b: str
    a_prime: str
    b_prime: str
    parent: int
    state: Literal["open", "rejected", "accepted"] = Field(description="A person's judgement.")
    distance: float = Field(description="1 − cosine of the features that linking compared.")
    by_model: float | None = Field(description="1 − cosine of the embeddings by `model`; null if one is missing.")
    by_other: float | None = Field(description="The same by `other`.")


class InspectionResponse(BaseModel):
    """Links that nobody has judged yet, or (`order=judged`) those that were judged last."""

    generation: str
    items: list[InspectedResponse]


@router.get("/graph/inspection", responses=problem_responses(404), summary="Links for a person to judge")
def list_for_inspection(
    shared: ServiceDep,
    order: Annotated[
        Order, Query(description="Largest distance, a sample, largest disagreement, or the last judged first.")
    ] = "random",
    model: Name = "",
    other: Name = "",
    seed: Annotated[int, Query(ge=0, le=2**31, description="Of the sample.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> InspectionResponse:
    """List links without a judgement: those of the largest distance first, a seeded sample, or where models disagree.

    `disagreement` compares two models on a seeded sample of a thousand links. Models that are not named are the
    current one and the newest others. `judged` lists the links with a judgement, the last one first.
    """
    if order == "disagreement":
        model, other = _two_models(shared, model, other)
    for name in filter(None, (model, other)):
        models.get_model(shared.connection, name)
    if order == "distance":
        edges = farthest_edges(shared.connection, limit)
    elif order == "judged":
        edges = judged_edges(shared.connection, limit)
    else:
        edges = _sample(shared, seed, limit if order == "random" else SAMPLED)
    items = [
        InspectedResponse(
            a=edge.a,
            b=edge.b,
            a_prime=edge.a_prime,
            b_prime=edge.b_prime,
            parent=edge.parent,
            state=edge.state,
            distance=edge.distance,
            by_model=_distance(shared, model, edge),
            by_other=_distance(shared, other, edge),
        )
        for edge in edges
    ]
    if order == "disagreement":
        items.sort(key=_disagreement, reverse=True)
    return InspectionResponse(generation=require_generation(shared.connection).id, items=items[:limit])


def _two_models(shared: Service, model: str, other: str) -> tuple[str, str]:
    """Fill in the models that are not named; raises `NotFound` if fewer than two models have embeddings."""
    if not (model and other):
        known = [name for name in shared.embedded_models() if name not in (model, other)]
        if len(known) < 2 - bool(model) - bool(other):
            raise NotFound("Disagreement needs the embeddings of two models. Train another one: transitive train.")
        model = model or known.pop(0)
        other = other or known.pop(0)
    return model, other


def _sample(shared: Service, seed: int, limit: int) -> list[Inspected]:
    """Draw edges bucket by bucket: an edge's bucket is random, so no query reads all of them."""
    draw = random.Random(seed)
    buckets = list(range(require_generation(shared.connection).buckets))
    draw.shuffle(buckets)
    found: list[Inspected] = []
    for edges in _shuffled(shared, buckets, draw):
        found += edges
        if len(found) >= limit:
            break
    return found[:limit]


def _shuffled(shared: Service, buckets: list[int], draw: random.Random) -> Iterator[list[Inspected]]:
    for bucket in buckets:
        edges = edges_of_bucket(shared.connection, bucket)
        draw.shuffle(edges)
        yield edges


def _distance(shared: Service, model: str, edge: Inspected) -> float | None:
    if not model:
        return None
    try:
        one, two = shared.files.embeddings(model, [edge.a, edge.b])
    except NotFound:
        return None
    return float(1 - np.dot(one, two))


def _disagreement(item: InspectedResponse) -> float:
    known = item.by_model is not None and item.by_other is not None
    return abs((item.by_model or 0) - (item.by_other or 0)) if known else -1.0
