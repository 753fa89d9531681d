"""Tests of data for the pages: time lines, files in ranges, training logs, links to judge, maps, a stream of jobs."""

import json
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import httpx
import numpy as np
import pytest

from graph.connection import Connection
from graph.jobs import note_training, open_job
from graph.models import write_model
from graph.queries.listing import PatchFilter, VideoFilter, VideoSort, list_patches, list_videos
from graph.records import Job, Model, Video
from graph.videos import write_video
from tests.api.conftest import MODEL, World
from tests.graph.written_jobs import create_job
from training.model_folder import MAP
from workers.requests import IngestRequest, job_id
from workers.stages.map import MAP_ROW, lay_out, principal

BYTES = bytes(range(256)) * 40


def ingested(connection: Connection, path: Path) -> str:
    """Write the nodes of a video that was ingested from `path`; returns its id."""
    video = blake2b(BYTES, digest_size=16).hexdigest()
    write_video(connection, Video(video, path.name), [], [])
    open_job(
        connection, job_id(IngestRequest("", video=video)), "ingest", path.name, {"path": str(path), "video": video}
    )
    return video


def test_a_videos_file_is_given_out_in_ranges(client: httpx.Client, connection: Connection, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(BYTES)
    video = ingested(connection, path)
    whole = client.get(f"/videos/{video}/file")
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, BYTES, "video/mp4")
    part = client.get(f"/videos/{video}/file", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, BYTES[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(BYTES)}"


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_a_file_that_is_not_what_was_ingested_stays_here(
    client: httpx.Client, connection: Connection, tmp_path: Path, change: str
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(BYTES)
    video = ingested(connection, path)
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(b"secret" + BYTES)
    assert client.get(f"/videos/{video}/file").status_code == 404


def test_a_file_of_another_kind_is_never_a_page(client: httpx.Client, connection: Connection, tmp_path: Path) -> None:
    path = tmp_path / "clip.html"
    path.write_bytes(BYTES)
    assert (
        client.get(f"/videos/{ingested(connection, path)}/file").headers["content-type"] == "application/octet-stream"
    )


def test_the_time_line_names_refusals_and_paths(world: World) -> None:
    found = world.client.get(f"/videos/{world.videos[0].id}/timeline").json()
    assert [window["reason"] for window in found["windows"]] == ["", "nothing moves on its own"]
    assert found["windows"][0]["refused"] == ["left the picture"]
    assert found["windows"][0]["paths"][0]["start_id"] == world.patches[0].id
    frames = world.client.get(f"/videos/{world.videos[0].id}/frames").json()
    assert [(frame["frame"], frame["time_s"]) for frame in frames] == [(0, 0.0), (200, 8.0)]
    assert world.client.get(frames[1]["image"]).headers["content-type"] == "image/jpeg"
    assert world.client.get(f"/videos/{world.videos[0].id}/frames/2").status_code == 404


def test_links_to_judge_come_by_distance_and_by_seed(world: World) -> None:
    farthest = world.client.get("/graph/inspection?order=distance&limit=5").json()["items"]
    distances = [link["distance"] for link in farthest]
    assert distances == sorted(distances, reverse=True)
    one, same, other = (
        [link["a"] + link["b"] for link in world.client.get(f"/graph/inspection?seed={seed}").json()["items"]]
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other
    assert sorted(one) == sorted(other)
    tracks = {track.start_id: track.end_id for track in world.tracks}
    by_model = world.client.get(f"/graph/inspection?model={MODEL}&limit=3").json()["items"]
    for link in by_model:
        assert (link["a_prime"], link["b_prime"]) == (tracks[link["a"]], tracks[link["b"]])
        assert link["by_model"] == pytest.approx(
            1 - float(world.vectors[link["a"]] @ world.vectors[link["b"]]), abs=1e-5
        )
        assert link["by_other"] is None
    assert world.client.get("/graph/inspection?order=disagreement").status_code == 404  # one model only


def test_judged_links_come_with_their_judgement_the_last_first(world: World) -> None:
    one, two = world.client.get("/graph/inspection?order=distance&limit=2").json()["items"]
    pairs = [(link["a"], link["b"]) for link in (one, two)]
    for (a, b), state in zip(pairs, ("rejected", "accepted"), strict=True):
        world.client.patch(f"/links/{a}/{b}", json={"state": state}).raise_for_status()
    found = world.client.get("/graph/inspection?order=judged").json()["items"]
    assert found == [{**two, "state": "accepted"}, {**one, "state": "rejected"}]
    for a, b in pairs:
        world.client.patch(f"/links/{a}/{b}", json={"state": "open"}).raise_for_status()
    assert world.client.get("/graph/inspection?order=judged").json()["items"] == []


def test_disagreement_is_the_larger_difference_first(world: World) -> None:
    items = world.client.get(f"/graph/inspection?order=disagreement&model={MODEL}&other={MODEL}").json()["items"]
    assert items
    assert all(link["by_model"] == link["by_other"] for link in items)


def test_a_trainings_log_is_read_from_a_step_on(client: httpx.Client, connection: Connection, home: Path) -> None:
    write_model(connection, Model("m", "contrast", "demo", 30, 32, 0))
    folder = home / "data" / "models" / "m"
    folder.mkdir(parents=True)
    lines = [{"step": step, "loss": 1 / step} for step in (10, 20, 30)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert client.get("/models/m/log").json() == {"model": "m", "lines": lines}
    assert client.get("/models/m/log?after=20").json()["lines"] == lines[2:]
    create_job(connection, Job("j", "train", state="done", result="m"))
    assert client.get("/jobs/j/training?after=10").json()["lines"] == lines[1:]
    create_job(connection, Job("k", "train", state="running", created_at="2026-01-01T00:00:00+00:00"))
    assert client.get("/jobs/k/training").status_code == 404  # the log of m is another job's
    note_training(connection, "k", "m")
    assert client.get("/jobs/k/training").json() == {"model": "m", "lines": lines}


def test_one_stream_tells_of_all_jobs(client: httpx.Client, connection: Connection) -> None:
    for number in range(3):
        create_job(connection, Job(f"j{number}", "ingest", created_at=f"2026-01-0{number + 1}T00:00:00+00:00"))
    found = []
    with client.stream("GET", "/jobs/events") as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: "))["id"])
            if len(found) == 3:
                break
    assert found == ["j0", "j1", "j2"]


def test_videos_are_sorted_and_filtered_page_by_page(connection: Connection) -> None:
    known = [
        Video(f"{number:032x}", name, duration_s=length, ingested_at=f"2026-01-0{number}")
        for number, (name, length) in enumerate([("Bikes", 3.0), ("cars", 9.0), ("bikes 2", 3.0)], 1)
    ]
    for video in known:
        write_video(connection, video, [], [])
    write_video(connection, replace(known[0], id="f" * 32, name="bikes, broken", status="failed"), [], [])

    def names(sort: VideoSort, text: str = "", status: Literal["ready", "failed"] = "ready") -> list[str]:
        found: list[str] = []
        last: tuple[str | int | float, str] = ("", "")
        while page := list_videos(connection, VideoFilter(status, text or None), sort, last, 1):
            found.append(page[0].video.name)
            last = page[0].key, page[0].video.id
        return found

    assert names("date") == ["bikes 2", "cars", "Bikes"]
    assert names("name") == ["Bikes", "bikes 2", "cars"]
    assert names("duration") == ["cars", "Bikes", "bikes 2"]
    assert names("name", "BIKES") == ["Bikes", "bikes 2"]
    assert names("name", "", "failed") == ["bikes, broken"]


def test_patches_are_filtered(world: World) -> None:
    def ids(**conditions: object) -> set[str]:
        return {p.id for p in list_patches(world.connection, PatchFilter(**conditions))}  # type: ignore[arg-type]

    everything = {patch.id for patch in world.patches}
    assert ids() == everything
    assert ids(video=world.videos[0].id) == {p.id for p in world.patches if p.video_id == world.videos[0].id}
    assert ids(role="end") == {p.id for p in world.patches if p.role == "end"}
    assert ids(linked=True) | ids(linked=False) == everything
    assert ids(linked=True) == {
        end
        for link in world.client.get("/graph/inspection?limit=500").json()["items"]
        for end in (link["a"], link["b"])
    }
    assert ids(confidence=0.95) == set()


def test_a_map_is_asked_for(world: World) -> None:
    assert world.client.get(f"/models/{MODEL}/map").status_code == 404
    answer = world.client.post(f"/models/{MODEL}/map")
    assert (answer.status_code, answer.json()["kind"]) == (202, "map")
    assert world.client.post("/models/none/map").status_code == 404


def test_near_vectors_lie_near_each_other_on_a_map() -> None:
    random = np.random.default_rng(0)
    kinds = 5 * random.normal(size=(2, 12))
    vectors = np.concatenate([kinds[k] + random.normal(size=(7, 12)) for k in (0, 1)]).astype(np.float32)
    places = lay_out(principal(vectors, 5))  # too few for UMAP: the principal directions
    assert places.shape == (14, 2)
    assert np.abs(places).max() == pytest.approx(1)
    inside = np.linalg.norm(places[:7] - places[:7].mean(axis=0), axis=1).max()
    assert np.linalg.norm(places[:7].mean(axis=0) - places[7:].mean(axis=0)) > 2 * inside
    assert MAP_ROW.itemsize == 24  # as pages/static/npy.js reads it
    assert MAP.endswith(".npy")
