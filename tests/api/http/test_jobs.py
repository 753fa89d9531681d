"""Tests of jobs over HTTP: listed newest first, followed by events, cancelled, started for links and trainings."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.keys import KeyStore, Scope
from graph.connection import Connection
from graph.jobs import get_job, job_arguments, request_cancel
from graph.linking.parameters import LinkParameters
from graph.records import Job
from tests.api.conftest import MODEL, World
from tests.graph.written_jobs import create_job, update_job
from workers.requests import LinkRequest, TrainRequest, job_id, parse_request


def events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, object]]]:
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def test_jobs_come_newest_first_page_by_page(client: httpx.Client, connection: Connection) -> None:
    for number in range(5):
        create_job(connection, Job(f"j{number}", "ingest", created_at=f"2026-01-0{number + 1}T00:00:00+00:00"))
    found, following = [], "/jobs?limit=2"
    while following:
        page = client.get(following).json()
        found += [job["id"] for job in page["items"]]
        following = page["next"]
    assert found == ["j4", "j3", "j2", "j1", "j0"]


def test_events_tell_every_change_and_end_with_the_job(client: httpx.Client, connection: Connection) -> None:
    create_job(connection, Job("j", "link", target="context"))

    def work() -> None:
        for done in (1, 2):
            time.sleep(1.2)
            update_job(connection, "j", state="running", stage="clustering", done=done, total=2, unit="rounds")
        time.sleep(1.2)
        update_job(connection, "j", state="done", result="g1")

    worker = threading.Thread(target=work)
    with client.stream("GET", "/jobs/j/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        told = events(response.iter_lines())
        first = next(told)
        worker.start()
        rest = list(told)
    worker.join()
    assert [name for name, _ in [first, *rest]] == ["job"] * 4
    states = [(job["state"], job["done"], job["result"]) for _, job in [first, *rest]]
    assert states == [("queued", 0, ""), ("running", 1, ""), ("running", 2, ""), ("done", 2, "g1")]


def test_events_of_a_job_that_ended_are_one(client: httpx.Client, connection: Connection) -> None:
    create_job(connection, Job("j", "train", state="failed", reason="no\nvideos <b>"))
    told = list(events(iter(client.get("/jobs/j/events").text.splitlines())))
    assert [(name, job["reason"]) for name, job in told] == [("job", "no\nvideos <b>")]


def test_a_running_job_is_asked_to_stop(client: httpx.Client, connection: Connection) -> None:
    create_job(connection, Job("j", "train"))
    update_job(connection, "j", state="running")
    answer = client.delete("/jobs/j")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelling")
    assert get_job(connection, "j").state == "cancelling"
    assert client.delete("/jobs/none").status_code == 404
    assert request_cancel(connection, "j").state == "cancelling"


def test_linking_is_asked_for_once(client: httpx.Client, connection: Connection) -> None:
    first = client.post("/links", json={"group": 2, "features": "hog"})
    assert first.status_code == 202
    assert first.headers["location"] == f"/jobs/{first.json()['id']}"
    assert client.post("/links", json={"features": "hog", "group": 2}).json()["id"] == first.json()["id"]
    arguments = job_arguments(connection, first.json()["id"])
    assert parse_request("link", arguments) == LinkRequest("hog", parameters=LinkParameters(group=2))
    assert client.post("/links").status_code == 202
    assert len(client.get("/jobs").json()["items"]) == 2


@pytest.mark.parametrize(
    ("address", "body", "status", "why"),
    [
        ("/links", {"features": "none"}, 404, "no model none"),
        ("/links", {"group": 1}, 422, "body.group"),
        ("/links", {"grup": 4}, 422, "body.grup"),
        ("/trainings", {}, 422, "body.recipe"),
        ("/trainings", {"recipe": "alchemy"}, 422, "Recipes: context"),
        ("/trainings", {"recipe": "transitive", "preset": "huge"}, 422, "Presets: paper"),
        ("/trainings", {"recipe": "transitive", "output": "/etc"}, 422, "body.output"),
        ("/trainings", {"recipe": "transitive"}, 404, "Link the videos"),
    ],
)
def test_work_that_cannot_be_done_is_refused_at_once(
    client: httpx.Client, address: str, body: dict[str, object], status: int, why: str
) -> None:
    answer = client.post(address, json=body)
    assert answer.status_code == status
    assert why in answer.json()["detail"]
    assert client.get("/jobs").json()["items"] == []


def test_a_training_of_a_linked_graph_is_queued(world: World) -> None:
    answer = world.client.post("/trainings", json={"recipe": "transitive", "preset": "cpu-small", "seed": 3})
    assert answer.status_code == 202
    asked = TrainRequest("transitive", "cpu-small", seed=3)  # as `transitive train transitive` submits it
    assert parse_request("train", job_arguments(world.connection, answer.json()["id"])) == asked
    assert answer.json()["id"] == job_id(asked)
    assert [m["id"] for m in world.client.get("/models").json()["items"]] == [MODEL]
    assert world.client.get(f"/models/{MODEL}").json()["embedding_dim"] == 16


@pytest.mark.parametrize("path", ["/links", "/videos"])
def test_a_request_that_comes_again_with_its_key_starts_nothing(
    client: httpx.Client, connection: Connection, path: str
) -> None:
    bodies = [
        {"files": {"file": ("a.mp4", text)}} if path == "/videos" else {"json": {"seed": len(text)}}
        for text in (b"x", b"yy")
    ]
    same_length = {"files": {"file": ("a.mp4", b"z")}} if path == "/videos" else {"json": {"seed": 3}}
    headers = {"Idempotency-Key": "one"}
    job = client.post(path, headers=headers, **bodies[0]).json()["id"]
    connection.write("MATCH (j:Job) SET j.state = 'done'")
    again = client.post(path, headers=headers, **bodies[0])
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (202, job, "done")
    assert again.headers["location"] == f"/jobs/{job}"
    for other in (bodies[1], same_length):
        assert client.post(path, headers=headers, **other).status_code == 422
    elsewhere = client.post("/embeddings/jobs", headers=headers)  # the same text at another route is another key
    assert "Idempotency-Key" not in elsewhere.text
    assert client.post(path, **bodies[0]).json()["state"] == "queued"


def test_an_idempotency_key_counts_for_one_api_key(client: httpx.Client, home: Path) -> None:
    jobs = set()
    for number, name in enumerate(("ada", "bob")):
        _, key = KeyStore(home).create(name, Scope.ADMIN)
        headers = {"Idempotency-Key": "one", "Authorization": f"Bearer {key}"}
        for _ in range(2):
            jobs.add(client.post("/links", headers=headers, json={"seed": number}).raise_for_status().json()["id"])
    assert len(jobs) == 2


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_jobs_are_filtered_by_state_and_kind(client: httpx.Client, connection: Connection, limit: int) -> None:
    for number, (kind, state) in enumerate(
        [("train", "done"), ("link", "done"), ("train", "failed"), ("train", "done")]
    ):
        create_job(connection, Job(f"j{number}", kind, state=state, created_at=f"2026-01-0{number // 2 + 1}"))

    def ids(query: str) -> list[str]:
        found, following = [], f"/jobs?limit={limit}&{query}"
        while following:
            page = client.get(following).raise_for_status().json()
            found += [job["id"] for job in page["items"]]
            following = page["next"]
        return found

    assert ids("") == ["j3", "j2", "j1", "j0"]
    assert ids("state=done&kind=train") == ["j3", "j0"]
    assert ids("state=queued") == []
    assert client.get("/jobs?state=lost").status_code == 422
