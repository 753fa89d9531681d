"""Routes that start linking, training and embedding. Equal requests share one job while it runs."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.http.problems import JOB_STARTED, problem_responses
from api.http.routes.json_types import Boolean, Integer, Number
from api.http.routes.paging import MOST_INTEGER, IdempotencyKey
from api.http.routes.started import started
from api.http.service import ServiceDep
from api.responses.jobs import JobResponse
from graph import models
from graph.generations import catalogue
from graph.linking.parameters import MOST_GROUP, MOST_NEIGHBOURS, LinkParameters
from training.presets import PRESETS
from training.recipes import RECIPES, get_recipe
from workers import requests

router = APIRouter(responses=problem_responses(403, 404, also=JOB_STARTED))

_DEFAULT = LinkParameters()


class LinkRequest(BaseModel):
    """Parameters of a linking (section 4.2). The defaults follow from docs/decisions/0207-pure-links.md."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {},
                {"linked_share": 0.2},
                {"group": 4, "neighbours": 10, "remove_mean": False, "linked_share": 1},
            ],
            "if": {"properties": {"join": {"const": True}}, "required": ["join"]},
            "then": {"maxProperties": 1},
        },
    )

    features: str = Field("", max_length=200, description="A model's id, or hog; the newest start if empty.")
    start: Literal["", "context", "contrast"] = Field(
        "", description="Recipe of the start; empty: the newest network of either."
    )
    preset: Literal["", "paper", "h200", "cpu-small", "demo"] = Field(
        "", description="Preset of the start, if none was trained yet; empty: one that fits the device."
    )
    parents: Integer = Field(
        _DEFAULT.parents, ge=0, le=MOST_INTEGER, description="K of K-means; 0: from the number of patches."
    )
    smallest: Integer = Field(
        _DEFAULT.smallest,
        ge=0,
        le=MOST_INTEGER,
        description="Smaller parents are dropped; 0: a twentieth of the mean size.",
    )
    neighbours: Integer = Field(
        _DEFAULT.neighbours, ge=1, le=MOST_NEIGHBOURS, description="Length of the nearest-neighbour lists."
    )
    group: Integer = Field(_DEFAULT.group, ge=2, le=MOST_GROUP, description="Patches in a child cluster.")
    remove_mean: Boolean = Field(_DEFAULT.remove_mean, description="Whether the mean of the features is subtracted.")
    linked_share: Number = Field(
        _DEFAULT.linked_share,
        gt=0,
        le=1,
        description="The tightest child clusters are kept until this share of the tracks is linked.",
    )
    exclude_same_video: Boolean = Field(
        _DEFAULT.exclude_same_video, description="Whether patches of one video are never linked."
    )
    seed: Integer = Field(_DEFAULT.seed, ge=0, le=MOST_INTEGER, description="Of K-means.")
    join: Boolean = Field(
        False, description="Let new videos join the current linking's parents; its parameters are kept."
    )

    @model_validator(mode="after")
    def _joins_as_it_is(self) -> "LinkRequest":
        if self.join and self.model_fields_set != {"join"}:
            raise ValueError("join keeps the features and parameters of the linking that it joins: give nothing else")
        return self


class TrainRequest(BaseModel):
    """Parameters of a training (section 5)."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"recipe": "transitive", "preset": "cpu-small"}]}
    )

    recipe: str = Field(max_length=100, description="What is trained.", json_schema_extra={"enum": [*RECIPES]})
    preset: str = Field("paper", max_length=100, description="Its size.", json_schema_extra={"enum": [*PRESETS]})
    start: Literal["", "context", "contrast"] = Field(
        "", description="Recipe of the initial model; empty: the preset's start."
    )
    seed: Integer = Field(0, ge=0, le=MOST_INTEGER)
    iterations: Integer | None = Field(None, ge=1, le=MOST_INTEGER, description="Number of steps; null: the preset's.")


class EmbedRequest(BaseModel):
    """The model to embed by."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}, {"model": "transitive-1f0c6a2b"}]})

    model: str = Field("", max_length=200, description="A model's id; the current one, else the newest, if empty.")


@router.post("/links", status_code=202, summary="Start linking", tags=["graph"])
def start_linking(
    response: Response,
    shared: ServiceDep,
    key: IdempotencyKey,
    asked: Annotated[LinkRequest | None, Body()] = None,
) -> JobResponse:
    """Compute features, clusters and inter-instance edges: a new generation that becomes current when complete."""
    asked = asked or LinkRequest()
    if asked.join:
        catalogue.require_generation(shared.connection)
    if asked.features not in ("", "hog"):
        models.get_model(shared.connection, asked.features)
    return started(response, shared.submit(requests.parse_request("link", asked.model_dump()), key))


@router.post("/trainings", status_code=202, summary="Start a training", tags=["models"])
def start_training(response: Response, shared: ServiceDep, asked: TrainRequest, key: IdempotencyKey) -> JobResponse:
    """Train a recipe on the current generation; the job's result is the model's id."""
    request = requests.TrainRequest(asked.recipe, asked.preset, asked.start, asked.seed, asked.iterations or 0)
    if get_recipe(asked.recipe, asked.preset).has_ranking_loss:
        catalogue.require_generation(shared.connection)
    return started(response, shared.submit(request, key))


@router.post(
    "/embeddings/jobs", status_code=202, summary="Embed the patches that have no embedding yet", tags=["embeddings"]
)
def start_embedding(
    response: Response,
    shared: ServiceDep,
    key: IdempotencyKey,
    asked: Annotated[EmbedRequest | None, Body()] = None,
) -> JobResponse:
    """Compute the embedding of every patch that has none of the model; the job's result is the model's id."""
    model = (asked or EmbedRequest()).model
    chosen = models.choose_model(shared.connection, model)
    return started(response, shared.submit(requests.EmbedRequest(chosen.id), key))
