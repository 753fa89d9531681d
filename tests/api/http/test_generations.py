"""Generations over HTTP: read, and deleted unless they are current or a training uses them."""

from dataclasses import replace

import httpx
import pytest

from graph import jobs
from graph.connection import Connection
from graph.generations import catalogue
from graph.generations.writer import write_generation
from graph.linking.parameters import PAPER
from graph.linking.run import link
from tests.graph.linking_data import make_world, write_world


@pytest.fixture
def generations(connection: Connection) -> tuple[str, str]:
    """An old generation and the current one, of the same starts."""
    world = make_world(60, 5)
    write_world(connection, world)
    old, current = (
        write_generation(
            connection, link(world.features, world.starts, replace(PAPER, parents=parents, smallest=1)), "net"
        )
        for parents in (2, 3)
    )
    return old, current


def test_an_old_generation_is_deleted_with_all_that_is_its_own(
    client: httpx.Client, connection: Connection, generations: tuple[str, str]
) -> None:
    old, current = generations
    read = client.get(f"/generations/{old}").json()
    assert (read["id"], read["current"], read["parameters"]["parents"]) == (old, False, 2)
    assert "children_over_the_cap" in read["quality"]
    kept = client.get("/clusters").json()
    assert client.delete(f"/generations/{old}").status_code == 204
    assert client.get(f"/generations/{old}").status_code == 404
    assert client.delete(f"/generations/{old}").status_code == 404
    assert client.get("/clusters").json() == kept
    left = connection.read("MATCH (n) WHERE n.generation = $old RETURN n", old=old)
    assert left + connection.read("MATCH ()-[e:INTER_INSTANCE {generation: $old}]->() RETURN e", old=old) == []
    assert [one.id for one in catalogue.list_generations(connection)] == [current]


def test_the_current_generation_stays(client: httpx.Client, generations: tuple[str, str]) -> None:
    answer = client.delete(f"/generations/{generations[1]}")
    assert answer.status_code == 409
    assert "current" in answer.json()["detail"]


def test_a_generation_tells_the_share_of_rejected_links(
    client: httpx.Client, connection: Connection, generations: tuple[str, str]
) -> None:
    address = f"/generations/{generations[1]}"
    before = client.get(address).json()
    assert (before["rejected"], before["rejected_share"]) == (0, 0)
    for quadruple in client.get("/graph/quadruples?limit=1").json()["items"]:
        client.patch(f"/links/{quadruple['a']}/{quadruple['b']}", json={"state": "rejected"})
    after = client.get(address).json()
    assert (after["rejected"], after["rejected_share"]) == (1, 1 / before["edges"])
    assert f"{100 / before['edges']:.1f} % of all" in client.get(f"/browse{address}").text


@pytest.mark.parametrize("named", [True, False])
def test_a_generation_of_a_running_training_stays(
    client: httpx.Client, connection: Connection, generations: tuple[str, str], named: bool
) -> None:
    old = generations[0]
    arguments = {"recipe": "transitive", "generation": old if named else ""}
    jobs.open_job(connection, "t", "train", "transitive", arguments)
    assert jobs.claim_job(connection, "t", "owner")
    answer = client.delete(f"/generations/{old}")
    assert answer.status_code == 409
    assert "Training t" in answer.json()["detail"]
    jobs.finish_job(connection, "t", "done")
    assert client.delete(f"/generations/{old}").status_code == 204


@pytest.mark.parametrize(
    "asked",
    [
        {"group": 30, "neighbours": 1000, "parents": 1, "smallest": 1},
        {"group": 25, "neighbours": 500, "parents": 1},
    ],
)
def test_a_linking_that_could_take_too_much_is_refused_before_it_is_queued(
    client: httpx.Client, generations: tuple[str, str], asked: dict[str, int]
) -> None:
    answer = client.post("/links", json=asked)
    assert answer.status_code == 422
    assert "could take" in answer.json()["detail"]
    assert client.get("/jobs").json()["items"] == []


@pytest.mark.parametrize("name", ["..%2F..%2Fx", "0123", "x" * 12, "0123456789ab' OR 1=1"])
def test_a_name_that_is_no_generation_is_refused(client: httpx.Client, name: str) -> None:
    assert client.delete(f"/generations/{name}").status_code in (404, 422)


def test_clusters_are_those_of_the_generation_asked_for(
    client: httpx.Client, connection: Connection, generations: tuple[str, str]
) -> None:
    for generation in generations:
        found = client.get("/clusters", params={"generation": generation}).json()["items"]
        counted = connection.read(
            "MATCH (c:ParentCluster {generation: $g})<-[:IN_PARENT]-(:Patch)-[:IN_CHILD]->(k:ChildCluster) "
            "WHERE k.generation = $g RETURN c.id AS id, count(DISTINCT k) AS children",
            g=generation,
        )
        children = {row["id"]: row["children"] for row in counted}
        assert found
        assert children
        assert {one["id"]: one["children"] for one in found} == {one["id"]: children.get(one["id"], 0) for one in found}
        for one in found:
            groups = client.get(f"/clusters/{one['id']}", params={"generation": generation}).json()["groups"]
            assert len(groups) == min(one["children"], 200)
            assert all(group == sorted(group) and len(group) == 4 for group in groups)
