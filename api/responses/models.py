"""Answers about trained networks and their vector indexes."""

from pydantic import BaseModel, Field

from api.responses.response import Response


class ModelResponse(Response):
    """A trained network."""

    id: str
    recipe: str
    preset: str
    step: int
    pool5_dim: int
    embedding_dim: int = Field(description="0 where the recipe has no embedding (context).")
    generation: str
    created_at: str
    current: bool = Field(False, description="Whether new videos are embedded by it and answers use it.")


class IndexResponse(BaseModel):
    """A model's vector index, which searches for similar patches use."""

    model: str
    vectors: int = Field(0, description="0: there is no index, and searches compare every vector.")
    recall: float | None = Field(None, description="Share of the ten nearest patches that searches found when built.")
    built_at: str = Field("", description="ISO 8601, UTC.")
    videos_outside: int = Field(description="Videos whose vectors the index does not hold yet; all are compared.")
