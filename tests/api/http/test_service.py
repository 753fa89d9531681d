"""Tests of the service: probes, metrics, OpenAPI, and clear errors when a server does not answer."""

import json
import re
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from api.http.problems import CODES
from graph import errors
from graph.connection import Connection
from graph.server.neo4j import Neo4jDetails
from graph.settings import load_settings
from tests.api.conftest import serving

AWAY = "bolt://127.0.0.1:1"


def test_readiness_names_what_is_missing(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"ok": True, "detail": "alive"}
    answer = client.get("/readyz")
    checks = answer.json()["checks"]
    assert (checks["neo4j"]["ok"], checks["redis"]["ok"]) == (True, True)
    assert answer.status_code == 503
    assert not checks["workers"]["ok"]
    assert "transitive up" in checks["workers"]["detail"]


@pytest.mark.parametrize("part", ["neo4j", "redis"])
def test_a_part_that_is_away_is_a_503_without_a_trace(
    neo4j_server: Neo4jDetails, redis_url: str, tmp_path: Any, part: str
) -> None:
    environment = {
        "TRANSITIVE_HOME": str(tmp_path),
        "NEO4J_URI": AWAY if part == "neo4j" else neo4j_server.bolt_uri,
        "NEO4J_PASSWORD": neo4j_server.password,
        "REDIS_URL": "redis://:hidden@127.0.0.1:1/0" if part == "redis" else redis_url,
    }
    with serving(load_settings(environment)) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").json()["checks"][part]["ok"] is False
        answer = client.get("/videos") if part == "neo4j" else client.post("/links", json={})
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"]
        assert "transitive up" in answer.json()["detail"]
        if part == "neo4j":
            page = client.get("/browse/videos")
            assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
        measures = client.get("/metrics").text
        assert f"transitive_redis_up {0.0 if part == 'redis' else 1.0}" in measures
        assert "hidden" not in answer.text


def test_pixels_are_served_while_neo4j_is_away(redis_url: str, tmp_path: Any) -> None:
    from graph.shards import Shards

    settings = load_settings({"TRANSITIVE_HOME": str(tmp_path), "NEO4J_URI": AWAY, "REDIS_URL": redis_url})
    Shards(settings.data).write_rows("patches/v", {"id": ["0" * 16], "jpeg": [b"pixels"]})
    with serving(settings) as client:
        assert client.get(f"/patches/{'0' * 16}/image").content == b"pixels"


def test_a_fault_of_ours_is_a_500_that_tells_nothing(client: httpx.Client, connection: Connection) -> None:
    connection.write("CREATE (:Video {id: 'broken', name: 'x', secret: 'kept in'})")
    connection.write(
        "CREATE (:Model {id: 'm', recipe: 'r', preset: 'p', step: 1, pool5_dim: 'kept in', embedding_dim: 1})"
    )
    answer = client.get("/models")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "The server failed; its log holds the cause."


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 202), (None, 202)]
)
def test_pages_of_other_sites_cannot_change_anything(client: httpx.Client, site: str | None, status: int) -> None:
    headers = {"Sec-Fetch-Site": site} if site else {}
    assert client.post("/links", headers=headers).status_code == status
    assert client.post("/videos", files={"file": ("a.mp4", b"x")}, headers=headers).status_code == status
    assert len(client.get("/jobs", headers=headers).json()["items"]) == (2 if status == 202 else 0)


def test_requests_are_counted_by_route_not_by_id(client: httpx.Client) -> None:
    for number in range(3):
        client.get(f"/videos/{number:032x}")
    client.get("/nothing")
    measures = client.get("/metrics").text
    assert 'transitive_http_requests_total{method="GET",route="/videos/{video_id}",status="404"} 3.0' in measures
    assert 'route="unknown",status="404"} 1.0' in measures
    assert f"{2:032x}" not in measures


def test_every_error_has_a_code_of_its_own() -> None:
    """Every error class has its own status code; otherwise it would silently get its parent's."""

    listed = [error for error, *_ in CODES]
    assert set(errors.TransitiveError.__subclasses__()) <= set(listed)
    for place, error in enumerate(listed):
        assert not any(issubclass(later, error) for later in listed[place + 1 :]), "subclasses stand first"


@pytest.fixture(scope="module")
def schema(neo4j_server: Neo4jDetails, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = str(tmp_path_factory.mktemp("home"))
    with serving(load_settings({"TRANSITIVE_HOME": home, "NEO4J_URI": AWAY, "REDIS_URL": redis_url})) as client:
        found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_the_description_is_openapi_3_1_and_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(schema))):
        place: Any = schema
        for part in reference.split("/"):
            place = place[part]
    for described in schema["components"]["schemas"].values():
        Draft202012Validator.check_schema(described)
    names = [op["operationId"] for methods in schema["paths"].values() for op in methods.values()]
    assert len(names) == len(set(names))


def test_every_route_is_described_and_names_its_problems(schema: dict[str, Any]) -> None:
    assert {(method.upper(), path) for path, methods in schema["paths"].items() for method in methods} == {
        ("POST", "/videos"), ("GET", "/videos"), ("GET", "/videos/{video_id}"), ("DELETE", "/videos/{video_id}"),
        ("GET", "/videos/{video_id}/patches"), ("GET", "/videos/{video_id}/timeline"),
        ("GET", "/videos/{video_id}/frames"), ("GET", "/videos/{video_id}/frames/{number}"),
        ("GET", "/videos/{video_id}/file"), ("GET", "/jobs/events"), ("OPTIONS", "/uploads"), ("POST", "/uploads"),
        ("GET", "/uploads/{upload_id}"), ("PATCH", "/uploads/{upload_id}"), ("DELETE", "/uploads/{upload_id}"),
        ("GET", "/jobs"), ("GET", "/jobs/{job_id}"), ("DELETE", "/jobs/{job_id}"), ("GET", "/jobs/{job_id}/events"),
        ("GET", "/patches"), ("PATCH", "/patches"), ("GET", "/patches/{patch_id}"), ("PATCH", "/patches/{patch_id}"),
        ("GET", "/patches/{patch_id}/image"), ("GET", "/patches/{patch_id}/embedding"),
        ("GET", "/patches/{patch_id}/similar"), ("GET", "/patches/{patch_id}/neighbours"), ("GET", "/graph/path"),
        ("POST", "/embeddings"), ("POST", "/embeddings/lookup"), ("POST", "/similar"), ("GET", "/graph/stats"),
        ("GET", "/graph/quadruples"), ("GET", "/clusters"), ("GET", "/clusters/{cluster_id}"),
        ("GET", "/graph/inspection"), ("POST", "/models/{model_id}/map"), ("GET", "/models/{model_id}/map"),
        ("GET", "/links"), ("POST", "/links"), ("GET", "/links/{a}/{b}"), ("PATCH", "/links/{a}/{b}"),
        ("POST", "/trainings"), ("POST", "/embeddings/jobs"), ("GET", "/models"), ("GET", "/models/current"),
        ("PUT", "/models/current"), ("GET", "/models/{model_id}"), ("GET", "/models/{model_id}/index"),
        ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"), ("GET", "/models/{model_id}/log"),
        ("GET", "/jobs/{job_id}/training"), ("GET", "/models/{model_id}/units"),
        ("GET", "/generations/{generation_id}"), ("DELETE", "/generations/{generation_id}"),
    }  # fmt: skip
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            assert operation["summary"]
            assert operation["description"]
            if path in ("/healthz", "/readyz", "/metrics"):
                continue
            for code, answer in operation["responses"].items():
                if code >= "4":
                    assert list(answer["content"]) == ["application/problem+json"], (path, code)
            assert "503" in operation["responses"]


def test_answers_fit_their_description(client: httpx.Client, schema: dict[str, Any]) -> None:
    def fits(answer: httpx.Response, path: str) -> None:
        described = schema["paths"][path]["get"]["responses"][str(answer.status_code)]["content"]
        shape = described[answer.headers["content-type"]]["schema"]
        Draft202012Validator({**shape, "components": schema["components"]}).validate(answer.json())

    fits(client.get("/graph/stats"), "/graph/stats")
    fits(client.get("/videos"), "/videos")
    fits(client.get("/videos?limit=0"), "/videos")
    fits(client.get("/models/none"), "/models/{model_id}")
    fits(client.get("/readyz"), "/readyz")


@pytest.mark.parametrize(
    ("path", "named"),
    [("/jobs?colour=red", "after, kind, limit, state"), ("/videos?Status=failed", "'Status'"),
     ("/healthz?x=1", "takes: none"), ("/clusters?Limit=3", "'Limit'")],
)  # fmt: skip
def test_an_unknown_query_parameter_is_refused_and_the_known_ones_named(
    client: httpx.Client, path: str, named: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    assert "Unknown query parameter" in answer.json()["detail"]
    assert named in answer.json()["detail"]
    assert client.get("/jobs?limit=3").status_code == 200


@pytest.mark.parametrize("path", ["/jobs?state=sleeping", "/videos?status=half", "/jobs?kind=dance", "/jobs?state="])
def test_a_filter_that_nothing_can_fit_is_refused(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 422


@pytest.mark.parametrize(
    "path", [f"/clusters/{10**20}", f"/clusters?after={10**20}", f"/graph/quadruples?parent={2**63}"]
)
def test_an_integer_beyond_64_bits_is_refused(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 422


@pytest.mark.parametrize("body", [{"seed": 2**64}, {"parents": 2**63}, {"features": "\ud800"}])
def test_a_request_for_a_linking_that_no_graph_can_hold_is_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    answer = client.post("/links", content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert client.get("/jobs").json()["items"] == []


@pytest.mark.parametrize("kind", [None, "", "multipart/form-data; boundary=" + "b" * 5000])
def test_an_upload_without_a_usable_content_type_is_refused(client: httpx.Client, kind: str | None) -> None:
    answer = client.post("/videos", content=b"bytes", headers={} if kind is None else {"content-type": kind})
    assert answer.status_code in (415, 422)
    assert client.get("/videos").json()["items"] == []
