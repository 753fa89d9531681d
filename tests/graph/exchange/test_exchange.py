"""Tests of exports for other tools: every box once, read by third-party readers or checked by the specification."""

import configparser
import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from graph.connection import Connection
from graph.exchange.coco import write_coco
from graph.exchange.fiftyone import write_fiftyone
from graph.exchange.mot import write_mot
from graph.exchange.names import file_stem
from graph.exchange.objects import every_video
from graph.exchange.parquet import write_parquet
from graph.feedback import judge_link, mark_no_object
from graph.generations.writer import write_generation
from graph.linking.parameters import PAPER
from graph.linking.run import link
from graph.models import use_model, write_model
from graph.records import Model
from graph.shards import Shards
from tests.graph.linking_data import World, make_world, write_world

WORLD = make_world(60, 5, spare_tracks=9)
LINKING = link(WORLD.features, WORLD.starts, PAPER)
NO_OBJECT = WORLD.starts[7].id


@pytest.fixture
def world(connection: Connection) -> World:
    write_world(connection, WORLD)
    write_generation(connection, LINKING, "net")
    mark_no_object(connection, [NO_OBJECT], True)
    return WORLD


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    """Pictures of all patches: the text of their ids; and embeddings of the first two videos."""
    found = Shards(str(tmp_path / "data"))
    for number, video in enumerate(WORLD.videos):
        ids = [patch.id for patch in WORLD.starts + WORLD.ends if patch.video_id == video.id]
        found.write_rows(f"patches/{video.id}", {"id": ids, "jpeg": [patch.encode() for patch in ids]})
        if number < 2:
            vectors = np.array([[int(patch[:4], 16), 1] for patch in ids], np.float32)
            found.write_vectors(f"embeddings/m/{video.id}", ids, vectors)
    return found


def boxes() -> set[tuple[str, int, int, int, int, int]]:
    """(video, frame, x, y, w, h) of every patch of a track that is an object."""
    gone = {NO_OBJECT} | {track.end_id for track in WORLD.tracks if track.start_id == NO_OBJECT}
    every = (patch for patch in WORLD.starts + WORLD.ends if patch.id not in gone)
    return {(patch.video_id, patch.frame, patch.x, patch.y, patch.w, patch.h) for patch in every}


def tracks() -> set[frozenset[str]]:
    """The patches of each track start and its ends."""
    found = {start.id: {start.id} for start in WORLD.starts if start.id != NO_OBJECT}
    for track in WORLD.tracks:
        if track.start_id in found:
            found[track.start_id].add(track.end_id)
    return {frozenset(ids) for ids in found.values()}


def test_mot_text_holds_every_box(connection: Connection, world: World, tmp_path: Path) -> None:
    counts = write_mot(every_video(connection), tmp_path / "mot")
    assert counts == {"videos": 5, "tracks": 59, "boxes": len(boxes())}
    found = set()
    for folder in (tmp_path / "mot").iterdir():
        facts = configparser.ConfigParser()
        facts.read(folder / "seqinfo.ini")
        assert facts["Sequence"]["name"] == folder.name
        video = next(v for v in world.videos if file_stem(v) == folder.name)
        lines = (folder / "gt" / "gt.txt").read_text().splitlines()
        rows = [[float(value) for value in row] for row in csv.reader(lines)]
        assert rows == sorted(rows, key=lambda row: row[:2])
        assert all(0 < row[6] <= 1 for row in rows)
        found |= {(video.id, int(r[0]) - 1, int(r[2]) - 1, int(r[3]) - 1, int(r[4]), int(r[5])) for r in rows}
    assert found == boxes()


def test_coco_json_holds_every_box_with_its_track(connection: Connection, world: World, tmp_path: Path) -> None:
    write_coco(every_video(connection), tmp_path / "coco" / "tracks.json")
    content = json.loads((tmp_path / "coco" / "tracks.json").read_text())
    videos = {video["id"]: video["video"] for video in content["videos"]}
    images = {image["id"]: image for image in content["images"]}
    assert len(images) == len(content["images"]) == len({(i["video_id"], i["frame_id"]) for i in images.values()})
    found = {
        (videos[images[one["image_id"]]["video_id"]], images[one["image_id"]]["frame_id"], *one["bbox"])
        for one in content["annotations"]
    }
    assert found == boxes()
    ids: dict[int, set[str]] = {}
    for one in content["annotations"]:
        ids.setdefault(one["track_id"], set()).add(one["attributes"]["patch"])
    assert set(map(frozenset, ids.values())) == tracks()


def test_fiftyones_layout_holds_every_patch(
    connection: Connection, world: World, shards: Shards, tmp_path: Path
) -> None:
    counts = write_fiftyone(every_video(connection), shards, tmp_path / "fo")
    content = json.loads((tmp_path / "fo" / "labels.json").read_text())
    files = {path.stem: path.read_bytes() for path in (tmp_path / "fo" / "data").iterdir()}
    assert files == {patch: patch.encode() for patch in set().union(*tracks())}
    assert set(content["labels"]) == set(files)
    assert counts["boxes"] == len(files)
    parent = dict(zip(LINKING.patch_ids, LINKING.parents.tolist(), strict=True))
    for patch in (start for start in WORLD.starts if start.id in files):
        (detection,) = content["labels"][patch.id]
        wanted = f"parent {parent[patch.id]}" if parent[patch.id] >= 0 else "no parent"
        assert detection["label"] == wanted
        assert wanted in content["classes"]
        assert detection["attributes"]["box"] == [patch.x, patch.y, patch.w, patch.h]


def test_parquet_tables_hold_patches_tracks_links_and_vectors(
    connection: Connection, world: World, shards: Shards, tmp_path: Path
) -> None:
    write_model(connection, Model("m", "transitive", "demo", 1, 8, 2))
    use_model(connection, "m")
    rejected = next(edge for edge in LINKING.edges if NO_OBJECT not in (edge.a_id, edge.b_id))
    judge_link(connection, rejected.a_id, rejected.b_id, "rejected")
    counts = write_parquet(connection, every_video(connection), shards, tmp_path / "tables")
    read = {path.stem: pq.read_table(path).to_pylist() for path in (tmp_path / "tables").iterdir()}
    assert {name: len(rows) for name, rows in read.items()} == {
        "patches": counts["boxes"], "tracks": len([t for t in WORLD.tracks if t.start_id != NO_OBJECT]),
        "links": counts["links"], "embeddings": counts["vectors"],
    }  # fmt: skip
    assert {(r["video_id"], r["frame"], r["x"], r["y"], r["w"], r["h"]) for r in read["patches"]} == boxes()
    assert all(row["jpeg"] == row["id"].encode() for row in read["patches"])
    links = {(row["a_id"], row["b_id"]) for row in read["links"]}
    edges = {(edge.a_id, edge.b_id) for edge in LINKING.edges if NO_OBJECT not in (edge.a_id, edge.b_id)}
    assert links == edges - {(rejected.a_id, rejected.b_id)}
    assert all(row["vector"] == [int(row["id"][:4], 16), 1] for row in read["embeddings"])
