"""The forms of a matrix of embeddings: JSON, npy and Arrow, chosen by the Accept header."""

import io

import numpy as np
import pyarrow as pa
from fastapi import Response

from api.http.patch_files import Vectors
from api.http.problems import NotAcceptable
from api.responses import VectorsResponse

JSON, NPY, ARROW = "application/json", "application/x-npy", "application/vnd.apache.arrow.stream"


def chosen_form(accept: str) -> str:
    """Choose the form the client likes best; raises `NotAcceptable`. JSON if the client states no preference."""
    liked: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept.split(",")):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        form = {"*/*": JSON, "application/*": JSON, "": JSON}.get(kind, kind)
        try:
            liked.append((-float(weight), place, form))
        except ValueError:
            raise NotAcceptable(f"{part.strip()!r} in Accept has no number as its q.") from None
    for weight_, _, form in sorted(liked):
        if form in (JSON, NPY, ARROW) and weight_ < 0:
            return form
    raise NotAcceptable(f"Vectors go out as {JSON}, {NPY} or {ARROW}; {accept!r} is none of them.")


def answer(form: str, model: str, ids: list[str], vectors: Vectors) -> Response:
    """Write vectors in one of the three forms."""
    headers = {"Vary": "Accept", "X-Model": model}
    if form == JSON:
        body = VectorsResponse(model=model, ids=ids, vectors=vectors.tolist())
        return Response(body.model_dump_json(), media_type=JSON, headers=headers)
    if form == NPY:
        file = io.BytesIO()
        np.save(file, np.ascontiguousarray(vectors, np.float32), allow_pickle=False)
        return Response(file.getvalue(), media_type=NPY, headers=headers)
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1), pa.float32())
    columns = {"id": pa.array(ids, pa.string()), "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])}
    table = pa.table(columns).replace_schema_metadata({"model": model})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Response(sink.getvalue().to_pybytes(), media_type=ARROW, headers=headers)
