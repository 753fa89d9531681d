"""Answers with embeddings, and with similar patches."""

from pydantic import BaseModel, Field


class VectorResponse(BaseModel):
    """One patch's or image's embedding, of length 1."""

    id: str
    model: str
    vector: list[float]


class VectorsResponse(BaseModel):
    """Embeddings of length 1, one row per id or image, in the order asked for."""

    model: str
    ids: list[str]
    vectors: list[list[float]]


class SimilarItem(BaseModel):
    """A patch and its cosine similarity."""

    patch_id: str
    video_id: str
    similarity: float = Field(description="Cosine of the two embeddings, -1..1.")
    image: str


class SimilarResponse(BaseModel):
    """The most alike patches, best first; the asked patch itself is left out."""

    model: str
    items: list[SimilarItem]
