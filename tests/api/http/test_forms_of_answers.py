"""Forms of answers: Accept on every route, npy for one embedding, byte ranges of pictures, messages for wrong forms."""

import io

import httpx
import numpy as np
import pytest

from api.http.accept import liking
from api.http.embedding_forms import ARROW, NPY
from tests.api.conftest import World


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path",
    ["/videos", "/jobs", "/models", "/clusters", "/graph/stats", "/healthz", "/readyz", "/metrics", "/browse",
     "/browse/videos", "/patches/{patch}", "/patches/{patch}/image", "/patches/{patch}/embedding"],
)  # fmt: skip
def test_a_form_that_no_route_gives_is_406(world: World, method: str, path: str) -> None:
    address = path.format(patch=world.patches[0].id)
    answer = world.client.request(method, address, headers={"Accept": "application/x-nothing, video/*;q=0.5"})
    assert answer.status_code == 406
    assert world.client.request(method, address).status_code in (200, 503)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/links"), ("DELETE", "/jobs/x"), ("POST", "/embeddings/lookup")]
)
def test_a_change_whose_answer_the_client_does_not_take_is_406_before_anything_is_done(
    world: World, method: str, path: str
) -> None:
    before = world.client.get("/jobs").json()
    body = {"ids": [world.patches[0].id]} if "lookup" in path else {}
    answer = world.client.request(method, path, json=body, headers={"Accept": "text/csv"})
    assert answer.status_code == 406
    assert "text/csv" in answer.json()["detail"]
    assert world.client.get("/jobs").json() == before


@pytest.mark.parametrize(
    ("accept", "weight"),
    [("*/*", 1), ("image/*;q=0.3, */*;q=0.1", 0.3), ("image/jpeg;q=0, image/*", 0), ("text/html", 0), ("", 1)],
)
def test_the_most_specific_range_decides(accept: str, weight: float) -> None:
    assert liking(accept, "image/jpeg") == weight


def test_one_embedding_comes_as_npy_and_as_arrow(world: World) -> None:
    asked = world.patches[3].id
    answer = world.client.get(f"/patches/{asked}/embedding", headers={"Accept": NPY}).raise_for_status()
    assert answer.headers["content-type"] == NPY
    assert np.array_equal(np.load(io.BytesIO(answer.content), allow_pickle=False), world.vectors[asked])
    answer = world.client.get(f"/patches/{asked}/embedding", headers={"Accept": f"{ARROW}, {NPY};q=0.2"})
    assert answer.headers["content-type"] == ARROW


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=5-", slice(5, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=3-3", slice(3, 4)),
    ],
)
def test_a_byte_range_of_a_picture_is_206(world: World, asked: str, part: slice) -> None:
    patch = world.patches[0].id
    whole = world.jpegs[patch]
    answer = world.client.get(f"/patches/{patch}/image", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, whole[part])
    first, last, _ = part.indices(len(whole))
    assert answer.headers["content-range"] == f"bytes {first}-{last - 1}/{len(whole)}"


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=9-3"])
def test_a_range_beyond_the_end_is_416(world: World, asked: str) -> None:
    answer = world.client.get(f"/patches/{world.patches[0].id}/image", headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(world.jpegs[world.patches[0].id])}"


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=0-1,4-5"},
        {"Range": "lines=0-1"},
        {"Range": "bytes=-"},
        {"Range": "bytes=0-1", "If-Range": '"x"'},
    ],
)
def test_a_range_that_cannot_be_used_is_answered_with_all_of_it(world: World, headers: dict[str, str]) -> None:
    patch = world.patches[0].id
    answer = world.client.get(f"/patches/{patch}/image", headers=headers)
    assert (answer.status_code, answer.content) == (200, world.jpegs[patch])
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("path", "part", "form"),
    [
        ("/embeddings", "files", {"files": {"picture": b"x"}}),
        ("/embeddings", "files", {"data": {"files": "text"}}),
        ("/similar", "file", {"files": {"files": b"x"}}),
        ("/similar", "file", {"data": {"file": "text"}}),
    ],
)
def test_a_form_without_the_pictures_names_the_parts(
    world: World, path: str, part: str, form: dict[str, dict[str, bytes]]
) -> None:
    answer = world.client.post(path, **form)
    assert answer.status_code == 422
    assert f"parts named `{part}`" in answer.json()["detail"]
    assert "body." not in answer.text
    assert "object at 0x" not in answer.text
    assert "class '" not in answer.text


@pytest.mark.parametrize("path", ["/embeddings", "/similar"])
@pytest.mark.parametrize("length", [71, 5000])
def test_a_long_boundary_is_refused_everywhere(world: World, path: str, length: int) -> None:
    kind = f"multipart/form-data; boundary={'b' * length}"
    answer = world.client.post(path, content=b"--" + b"b" * length, headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert "boundary" in answer.json()["detail"]


def test_what_cannot_be_asked_of_an_embedding_is_406(world: World) -> None:
    answer: httpx.Response = world.client.get(
        f"/patches/{world.patches[0].id}/embedding", headers={"Accept": "image/png"}
    )
    assert answer.status_code == 406
