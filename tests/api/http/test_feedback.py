"""Feedback over HTTP: links judged, patches marked, and the quadruples that follow."""

from pathlib import Path

import httpx
import pytest

from api.keys import KeyStore, Scope
from graph.connection import Connection
from graph.records import Patch, Video
from graph.videos import write_video
from tests.api.conftest import World


def quadruples(world: World) -> int:
    return int(world.client.get("/graph/stats").json()["quadruples"])


def test_a_link_is_rejected_listed_and_reopened(world: World) -> None:
    one = world.client.get("/graph/quadruples?limit=1").json()["items"][0]
    before = quadruples(world)
    address = f"/links/{one['b']}/{one['a']}"
    assert world.client.get(address).json()["state"] == "open"
    answer = world.client.patch(address, json={"state": "rejected", "by": "ada"}).json()
    assert (answer["a_id"], answer["b_id"], answer["state"], answer["by"]) == (one["a"], one["b"], "rejected", "ada")
    assert answer["distance"] == one["distance"]
    assert quadruples(world) == before - 1
    listed = world.client.get("/links?state=rejected&limit=1").json()
    assert (listed["items"], listed["next"]) == ([answer], None)
    assert world.client.get("/links?state=accepted").json()["items"] == []
    assert world.client.patch(address, json={"state": "open"}).json()["at"] == ""
    assert quadruples(world) == before
    assert world.client.get("/links").json()["items"] == []


def test_patches_are_marked_with_their_tracks(world: World) -> None:
    track = world.tracks[0]
    before = quadruples(world)
    ids = sorted((start := track.start_id, track.end_id))
    other = next(
        found["patch"]["id"]
        for found in world.client.get(f"/patches/{start}/neighbours?kind=inter").json()["neighbours"]
    )
    assert start in world.client.get(f"/patches/{other}/similar?k=1000").text
    answer = world.client.patch(f"/patches/{track.end_id}", json={"no_object": True}).json()
    assert (answer["id"], answer["no_object"]) == (track.end_id, True)
    assert world.client.get(f"/patches/{track.start_id}").json()["no_object"] is True
    stats = world.client.get("/graph/stats").json()
    assert stats["no_object"] == 2
    assert stats["quadruples"] < before
    for patch in (start, other):
        for address in (f"/patches/{patch}/neighbours?depth=3", f"/patches/{patch}/similar?k=1000"):
            assert (track.start_id in world.client.get(address).text) == (patch == start and "neighbours" in address)
    assert world.client.get(f"/graph/path?from={other}&to={track.start_id}").status_code == 404
    assert track.start_id in world.client.get("/patches?no_object=true").text
    answer = world.client.patch("/patches", json={"ids": ids, "no_object": False}).json()
    assert answer == {"no_object": False, "ids": ids}
    assert quadruples(world) == before
    assert start in world.client.get(f"/patches/{other}/similar?k=1000").text
    assert start in world.client.get(f"/patches/{other}/neighbours").text


@pytest.mark.parametrize(("by", "stored"), [("", "camera 3"), ("ada", "ada")])
def test_a_judgement_without_a_name_has_the_name_of_its_key(
    client: httpx.Client, connection: Connection, home: Path, by: str, stored: str
) -> None:
    patch = Patch("00000000000000aa", "1" * 32, 0, 0.0, 0, 0, 9, 9, "start")
    write_video(connection, Video(patch.video_id, "a.mp4"), [patch], [])
    _, text = KeyStore(home).create("camera 3", Scope.ADMIN)
    headers = {"Authorization": f"Bearer {text}"}
    client.patch(f"/patches/{patch.id}", json={"no_object": True, "by": by}, headers=headers).raise_for_status()
    assert connection.read("MATCH (p:Patch) RETURN p.no_object_by AS by") == [{"by": stored}]


@pytest.mark.parametrize(
    ("address", "body", "status"),
    [
        ("/links/0000000000000000/1111111111111111", {"state": "rejected"}, 404),
        ("/links/0000000000000000/x", {"state": "rejected"}, 422),
        ("/links/0000000000000000/1111111111111111", {"state": "wrong"}, 422),
        ("/patches/0000000000000000", {"no_object": True}, 404),
        ("/patches/0000000000000000", {"object": True}, 422),
        ("/patches", {"ids": [], "no_object": True}, 422),
        ("/patches", {"ids": ["0000000000000000"], "no_object": True}, 404),
    ],
)
def test_wrong_feedback_is_refused(client: httpx.Client, address: str, body: dict[str, object], status: int) -> None:
    answer = client.patch(address, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
