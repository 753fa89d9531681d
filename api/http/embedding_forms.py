"""The forms of a matrix of embeddings: JSON, npy and Arrow, chosen by the Accept header."""

import io
from functools import lru_cache
from typing import Annotated

import numpy as np
import pyarrow as pa
from fastapi import Header, Response

from api.http.accept import liking, media_ranges
from api.http.patch_files import Vectors
from api.http.problems import Described, NotAcceptable
from api.responses.vectors import VectorResponse, VectorsResponse

JSON, NPY, ARROW = "application/json", "application/x-npy", "application/vnd.apache.arrow.stream"
FORMS: Described = {
    200: {
        "description": "The vectors. npy: the (N, E) float32 matrix. Arrow: a stream with columns `id`, `vector`.",
        "content": {NPY: {"schema": {"type": "string"}}, ARROW: {"schema": {"type": "string"}}},
    }
}

# OpenAPI 3.1 describes Accept by the content types of the answer, not as a parameter
Accept = Annotated[str, Header(include_in_schema=False)]


@lru_cache(maxsize=64)
def chosen_form(accept: str) -> str:
    """Choose the form the client likes best; raises `NotAcceptable`. JSON if the client states no preference."""
    ranges = media_ranges(accept)

    def rank(form: str) -> tuple[float, int]:
        named = [place for place, one in enumerate(ranges) if one.kind == form]
        return liking(accept, form), -min(named, default=len(ranges))

    best = max((JSON, NPY, ARROW), key=rank)  # among equal preferences, the form that the client names first, then JSON
    if rank(best)[0] <= 0:
        raise NotAcceptable(f"Vectors are available as {JSON}, {NPY} or {ARROW}, not as {accept!r}.")
    return best


def _npy(vectors: Vectors) -> bytes:
    """Return the vectors as an npy file; `numpy.save` into memory would copy them once more."""
    rows = np.ascontiguousarray(vectors, np.float32)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(rows))
    return b"".join((header.getvalue(), rows.data))


def answer(form: str, model: str, ids: list[str], vectors: Vectors) -> Response:
    """Write vectors in one of the three forms."""
    headers = {"Vary": "Accept", "X-Model": model}
    if form == JSON:
        body = VectorsResponse.model_construct(model=model, ids=ids, vectors=vectors.tolist())  # nothing to check
        return Response(body.model_dump_json(), media_type=JSON, headers=headers)
    if form == NPY:
        return Response(_npy(vectors), media_type=NPY, headers=headers)
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1), pa.float32())
    columns = {"id": pa.array(ids, pa.string()), "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])}
    table = pa.table(columns).replace_schema_metadata({"model": model})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Response(sink.getvalue().to_pybytes(), media_type=ARROW, headers=headers)


def one_embedding(form: str, model: str, patch_id: str, vector: Vectors) -> Response:
    """Write one vector (E,): as npy an array of one axis, as Arrow a table of one row."""
    if form == NPY:
        return answer(form, model, [patch_id], vector)
    if form == ARROW:
        return answer(form, model, [patch_id], vector[None])
    # without pydantic's check of a thousand numbers that were just read
    body = VectorResponse.model_construct(id=patch_id, model=model, vector=vector.tolist())
    return Response(body.model_dump_json(), media_type=JSON, headers={"Vary": "Accept", "X-Model": model})
