"""Tests of reading over HTTP: exactly the content of the graph and the shards is returned, paged by key."""

import json
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from api.responses.videos import VideoResponse
from graph.connection import Connection
from graph.records import Patch, Video
from graph.videos import delete_video, write_video
from tests.api.conftest import MODEL, World

UNKNOWN_VIDEO, UNKNOWN_PATCH = "f" * 32, "f" * 16


def every(client: httpx.Client, address: str) -> list[dict[str, Any]]:
    """Follow `next` to the end."""
    found: list[dict[str, Any]] = []
    following: str | None = address
    while following:
        page = client.get(following).raise_for_status().json()
        found += page["items"]
        following = page["next"]
    return found


@pytest.mark.parametrize("limit", [1, 2, 5, 1000])
def test_pages_of_any_size_hold_every_item_once(world: World, limit: int) -> None:
    assert [v["id"] for v in every(world.client, f"/videos?limit={limit}")] == sorted(v.id for v in world.videos)
    mine = world.videos[0].id
    patches = every(world.client, f"/videos/{mine}/patches?limit={limit}")
    assert [p["id"] for p in patches] == sorted(p.id for p in world.patches if p.video_id == mine)


def test_a_patch_comes_out_as_it_was_written(world: World) -> None:
    patch = world.patches[3]
    answer = world.client.get(f"/patches/{patch.id}").json()
    assert {name: answer[name] for name in ("id", "video_id", "frame", "time_s", "x", "y", "w", "h", "role")} == {
        "id": patch.id, "video_id": patch.video_id, "frame": patch.frame, "time_s": patch.time_s, "x": patch.x,
        "y": patch.y, "w": patch.w, "h": patch.h, "role": patch.role,
    }  # fmt: skip
    assert world.client.get(answer["image"]).content == world.jpegs[patch.id]


def test_a_video_tells_what_mining_counted(world: World) -> None:
    """And a client reads it back as it was sent."""
    video = replace(world.videos[0], report='{"windows": 20, "refused_windows": {"static": 3}}')
    sent = VideoResponse.model_validate(video)
    assert sent.report == {"windows": 20, "refused_windows": {"static": 3}}
    assert VideoResponse.model_validate_json(sent.model_dump_json()) == sent
    assert world.client.get(f"/videos/{video.id}").json()["report"] == {}


def test_a_video_says_what_was_left_out(world: World) -> None:
    note = "12 frames of 900 left out: damaged, or referring to damaged ones."
    video = replace(world.videos[0], report=json.dumps({"damaged_frames": 12, "notes": [note]}))
    sent = VideoResponse.model_validate(video)
    assert sent.notes == sent.report["notes"] == video.notes == [note]
    assert world.videos[0].notes == []


def test_an_image_is_not_sent_twice(world: World) -> None:
    address = f"/patches/{world.patches[0].id}/image"
    first = world.client.get(address)
    assert first.headers["content-type"] == "image/jpeg"
    again = world.client.get(address, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert world.client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200


def test_counts_are_those_of_the_graph(world: World) -> None:
    stats = world.client.get("/graph/stats").json()
    edges = world.connection.read("MATCH ()-[e:INTER_INSTANCE]->() RETURN count(e) AS n")[0]["n"]
    parents = world.connection.read("MATCH (c:ParentCluster) RETURN count(c) AS n")[0]["n"]
    quadruples = every(world.client, "/graph/quadruples?limit=7")
    assert edges > 0
    assert stats == {
        "videos": 2, "frames": 800, "patches": len(world.patches), "tracks": len(world.tracks),
        "intra_instance": len(world.tracks), "inter_instance": edges, "parent_clusters": parents,
        "child_clusters": world.connection.read("MATCH (c:ChildCluster) RETURN count(c) AS n")[0]["n"],
        "quadruples": len(quadruples), "rejected": 0, "no_object": 0,
        "model": "", "without_embedding": len(world.patches),
    }  # fmt: skip


def test_quadruples_are_those_the_pattern_gives(world: World) -> None:
    pattern = """
    MATCH (a2:Patch)<-[:INTRA_INSTANCE]-(a:Patch)-[:INTER_INSTANCE]->(b:Patch)-[:INTRA_INSTANCE]->(b2:Patch)
    RETURN a.id AS a, a2.id AS a2, b.id AS b, b2.id AS b2
    """
    expected = {(r["a"], r["a2"], r["b"], r["b2"]) for r in world.connection.read(pattern)}
    found = every(world.client, "/graph/quadruples?limit=3")
    assert len(found) == len(expected) > 3
    assert {(q["a"], q["a_prime"], q["b"], q["b_prime"]) for q in found} == expected
    parent = found[0]["a_parent"]
    only = every(world.client, f"/graph/quadruples?parent={parent}&limit=2")
    assert only == [q for q in found if q["a_parent"] == parent]


def test_neighbours_say_why(world: World) -> None:
    quadruple = world.client.get("/graph/quadruples?limit=1").json()["items"][0]
    answer = world.client.get(f"/patches/{quadruple['a']}/neighbours").json()
    edges = {(e["kind"], e["source"], e["target"]): e for e in answer["edges"]}
    intra = edges["intra", quadruple["a"], quadruple["a_prime"]]
    assert (intra["track_length"], intra["confidence"]) == (30, 0.9)
    assert intra["why"] == "the same object 30 frames later, tracked with confidence 0.90"
    inter = edges["inter", quadruple["a"], quadruple["b"]]
    assert inter["distance"] == pytest.approx(quadruple["distance"])
    near = {n["patch"]["id"] for n in answer["neighbours"]}
    assert {quadruple["a_prime"], quadruple["b"]} <= near
    tracked = world.client.get(f"/patches/{quadruple['a']}/neighbours?kind=intra").json()
    assert [n["patch"]["id"] for n in tracked["neighbours"]] == [quadruple["a_prime"]]


def test_the_path_of_a_quadruple_is_its_transitive_chain(world: World) -> None:
    q = world.client.get("/graph/quadruples?limit=1").json()["items"][0]
    answer = world.client.get("/graph/path", params={"from": q["a_prime"], "to": q["b_prime"]}).json()
    assert [p["patch"]["id"] for p in answer["patches"]] == [q["a_prime"], q["a"], q["b"], q["b_prime"]]
    assert [e["kind"] for e in answer["edges"]] == ["intra", "inter", "intra"]
    assert {p["parent"] for p in answer["patches"]} == {q["a_parent"]}


def test_clusters_partition_what_was_linked(world: World) -> None:
    clusters = every(world.client, "/clusters?limit=1")
    members: list[str] = []
    for cluster in clusters:
        following: str | None = f"/clusters/{cluster['id']}?limit=2"
        ids: list[str] = []
        while following:
            detail = world.client.get(following).raise_for_status().json()
            ids += [p["id"] for p in detail["patches"]["items"]]
            following = detail["patches"]["next"]
        assert len(ids) == cluster["size"]
        assert cluster["examples"] == sorted(ids)[:8]
        assert all(set(group) <= set(ids) for group in detail["groups"])
        assert len(detail["groups"]) == cluster["children"]
        members += ids
    pattern = "MATCH (p:Patch)-[:IN_PARENT]->(:ParentCluster) RETURN p.id AS id"
    assert sorted(members) == sorted(r["id"] for r in world.connection.read(pattern))


def test_similar_patches_are_those_of_a_naive_comparison(world: World) -> None:
    asked = world.patches[5].id
    answer = world.client.get(f"/patches/{asked}/similar?k=7").json()
    cosines = {i: float(np.dot(v, world.vectors[asked])) for i, v in world.vectors.items() if i != asked}
    expected = sorted(cosines, key=lambda i: (-cosines[i], i))[:7]
    assert [item["patch_id"] for item in answer["items"]] == expected
    assert [item["similarity"] for item in answer["items"]] == pytest.approx([cosines[i] for i in expected])
    assert answer["model"] == MODEL


def test_filters_of_similar_patches(world: World) -> None:
    asked = world.patches[5]
    other = next(video.id for video in world.videos if video.id != asked.video_id)

    def similar(question: str) -> set[str]:
        items = world.client.get(f"/patches/{asked.id}/similar?k=100&{question}").raise_for_status().json()["items"]
        return {item["patch_id"] for item in items}

    everything = {p.id: p for p in world.patches if p.id != asked.id}
    assert similar("") == set(everything)
    assert similar("other_videos=true") == {i for i, p in everything.items() if p.video_id == other}
    assert similar(f"not_video={other}") == {i for i, p in everything.items() if p.video_id != other}
    assert similar(f"video={other}&from_s=1&to_s=2.5") == {
        i for i, p in everything.items() if p.video_id == other and 1 <= p.time_s <= 2.5
    }
    cluster = world.client.get("/clusters?limit=1").json()["items"][0]
    starts = world.client.get(f"/clusters/{cluster['id']}?limit=100").json()["patches"]["items"]
    members = {p["id"] for p in starts}
    members |= {track.end_id for track in world.tracks if track.start_id in members}
    assert similar(f"parent={cluster['id']}") == members - {asked.id}
    answer = world.client.get(f"/patches/{asked.id}/similar?from_s=1")
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "from_s and to_s are seconds of a video. Name it: video=ID.",
    )


@pytest.mark.parametrize(
    "address",
    [
        f"/videos/{UNKNOWN_VIDEO}",
        f"/videos/{UNKNOWN_VIDEO}/patches",
        f"/patches/{UNKNOWN_PATCH}",
        f"/patches/{UNKNOWN_PATCH}/image",
        f"/patches/{UNKNOWN_PATCH}/neighbours",
        f"/patches/{UNKNOWN_PATCH}/embedding",
        f"/patches/{UNKNOWN_PATCH}/similar",
        f"/graph/path?from={UNKNOWN_PATCH}&to={UNKNOWN_PATCH}",
        "/graph/quadruples?generation=none",
        "/clusters/99999",
        "/clusters?generation=none",
        "/jobs/none",
        "/jobs/none/events",
        "/models/none",
        "/nothing/here",
    ],
)
def test_what_is_unknown_is_a_404_problem(world: World, address: str) -> None:
    answer = world.client.get(address)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 404
    assert problem["instance"] == address.split("?")[0]
    assert problem["detail"]


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("/videos?limit=0", "query.limit"),
        ("/videos?limit=1001", "query.limit"),
        ("/videos?limit=x", "query.limit"),
        ("/videos?after=../../etc", "query.after"),
        ("/graph/quadruples?after=1-2", "query.after"),
        ("/clusters?after=-7", "query.after"),
        (f"/patches/{UNKNOWN_PATCH}/neighbours?depth=99", "query.depth"),
        (f"/patches/{UNKNOWN_PATCH}/neighbours?kind=other", "query.kind"),
        (f"/patches/{UNKNOWN_PATCH}/similar?k=0", "query.k"),
        ("/patches/..%2f..%2fsecret", "404"),
        ("/videos/abc", "path.video_id"),
    ],
)
def test_bad_questions_name_the_field(world: World, address: str, where: str) -> None:
    answer = world.client.get(address)
    assert answer.headers["content-type"] == "application/problem+json"
    if where == "404":
        assert answer.status_code == 404
    else:
        assert answer.status_code == 422
        assert [e["where"] for e in answer.json()["errors"]] == [where]


def test_a_wrong_method_is_a_problem_that_names_the_right_ones(world: World) -> None:
    answer = world.client.put("/videos")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("limit", [1, 3, 1000])
@pytest.mark.parametrize("sort", ["id", "name", "date", "patches"])
def test_videos_are_sorted_and_filtered_over_pages_of_any_size(
    client: httpx.Client, connection: Connection, sort: str, limit: int
) -> None:
    random = np.random.default_rng(3)
    for number in range(7):
        status = "failed" if number == 3 else "ready"
        name = f"{'Bike' if number % 2 else 'car'} {random.integers(3)}.mp4"
        video = Video(f"{number * 7919:032x}", name, status=status, ingested_at=f"2026-0{random.integers(1, 4)}-01")
        patches = [Patch(f"{number}{k:015x}", video.id, k, 0.0, 0, 0, 9, 9, "start") for k in range(number % 3)]
        write_video(connection, video, patches, [])
    known = every(client, "/videos")
    assert len(known) == 7
    order = {
        "id": lambda v: v["id"],
        "name": lambda v: (v["name"], v["id"]),
        "date": lambda v: (*(-ord(letter) for letter in v["ingested_at"]), v["id"]),
        "patches": lambda v: (-v["patches"], v["id"]),
    }[sort]
    assert every(client, f"/videos?sort={sort}&limit={limit}") == sorted(known, key=order)
    bikes = every(client, f"/videos?sort={sort}&limit={limit}&name=bIKE&status=ready")
    assert bikes == sorted((v for v in known if "Bike" in v["name"] and v["status"] == "ready"), key=order)
    assert len(bikes) == 2


def test_a_video_that_is_deleted_between_two_pages_does_not_end_the_list(
    client: httpx.Client, connection: Connection
) -> None:
    for number in range(4):
        write_video(connection, Video(f"{number:032x}", "same.mp4", ingested_at="2026"), [], [])
    page = client.get("/videos?sort=date&limit=2").json()
    delete_video(connection, page["items"][1]["id"])
    assert [v["id"] for v in every(client, page["next"])] == [f"{2:032x}", f"{3:032x}"]


@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_clusters_are_filtered_and_sorted_by_size(world: World, limit: int) -> None:
    known = every(world.client, "/clusters")
    assert len({cluster["size"] for cluster in known}) < len(known) > 2  # two of one size: the id decides
    largest = sorted(known, key=lambda cluster: (-cluster["size"], cluster["id"]))
    assert every(world.client, f"/clusters?sort=size&limit={limit}") == largest
    least = largest[1]["size"]
    assert every(world.client, f"/clusters?size={least}&limit={limit}") == [c for c in known if c["size"] >= least]


@pytest.mark.parametrize("limit", [1, 5, 1000])
def test_patches_are_filtered(world: World, limit: int) -> None:
    every_id = {p.id for p in world.patches}

    def ids(query: str) -> set[str]:
        found = [p["id"] for p in every(world.client, f"/patches?limit={limit}&{query}")]
        assert found == sorted(set(found))
        return set(found)

    assert ids("") == every_id
    video = world.videos[0].id
    assert ids(f"video={video}&role=end") == {p.id for p in world.patches if p.video_id == video and p.role == "end"}
    assert ids("confidence=0.9") == every_id
    assert ids("confidence=0.91") == ids("no_object=true") == set()
    members = {p["id"] for p in world.client.get("/clusters/0?limit=1000").json()["patches"]["items"]}
    ends = {t.end_id for t in world.tracks if t.start_id in members}
    assert ids("parent=0") == members | ends
    assert ids(f"parent=0&video={video}&role=start") == members & {p.id for p in world.patches if p.video_id == video}
    assert world.client.get("/patches?colour=red").status_code == 422
    assert world.client.get("/patches?parent=0&generation=none").status_code == 404
