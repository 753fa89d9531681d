"""Tests of videos, patches and tracks, which are read back from a real server as sets of tuples."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace

import pytest

from graph import videos
from graph.connection import Connection
from graph.errors import Conflict, NotFound
from graph.records import IntraInstance, Patch, Video, patch_id

VIDEO = Video("a" * 32, "dog.mp4", 25.0, 640, 360, 250, 10.0, "ready", "", "2026-01-01T00:00:00+00:00")
TRUST = {"peak_response": 0.4, "backward_error": 1.5}


def mined(count: int, video: Video = VIDEO) -> tuple[list[Patch], list[IntraInstance]]:
    """Return `count` tracks of 30 frames."""
    patches, tracks = [], []
    for number in range(count):
        box = (number, 2, 96, 96)
        start = Patch(patch_id(video.id, 10, *box), video.id, 10, 0.4, *box, "start")
        end = Patch(patch_id(video.id, 40, *box), video.id, 40, 1.6, *box, "end")
        patches += [start, end]
        tracks.append(IntraInstance(start.id, end.id, 30, 0.5 + number / 1000, TRUST))
    return patches, tracks


def whole_graph(connection: Connection) -> tuple[set, set, set]:
    """Return the whole graph as tuples with every property."""
    found = connection.read("MATCH (v:Video) RETURN v {.*} AS v")
    patches = connection.read("MATCH (v:Video)-[:HAS_PATCH]->(p) RETURN v.id AS video, p {.*} AS p")
    edges = connection.read("MATCH (a)-[e:INTRA_INSTANCE]->(b) RETURN a.id AS a, b.id AS b, e {.*} AS e")
    return (
        {tuple(sorted(row["v"].items())) for row in found},
        {(row["video"], *sorted(row["p"].items())) for row in patches},
        {(row["a"], row["b"], *sorted(row["e"].items())) for row in edges},
    )


def test_what_was_written_comes_back(connection):
    patches, tracks = mined(7)
    videos.write_video(connection, VIDEO, patches, tracks)
    assert videos.get_video(connection, VIDEO.id) == VIDEO
    assert set(map(astuple, videos.list_patches(connection, VIDEO.id))) == set(map(astuple, patches))
    assert videos.get_patch(connection, patches[3].id) == patches[3]
    assert sorted(videos.list_tracks(connection, VIDEO.id), key=lambda t: t.start_id) == sorted(
        tracks, key=lambda t: t.start_id
    )


def test_writing_twice_changes_nothing(connection):
    patches, tracks = mined(5)
    videos.write_video(connection, VIDEO, patches, tracks)
    before = whole_graph(connection)
    assert [len(part) for part in before] == [1, 10, 5]
    videos.write_video(connection, replace(VIDEO, name="copy of dog.mp4"), patches, tracks)
    assert whole_graph(connection) == before


def test_a_failed_video_can_succeed_later_and_never_the_other_way(connection):
    failed = Video(VIDEO.id, VIDEO.name, status="failed", reason="cut short")
    videos.write_video(connection, failed, [], [])
    assert videos.ready_video_ids(connection) == []
    videos.write_video(connection, VIDEO, *mined(2))
    assert videos.ready_video_ids(connection) == [VIDEO.id]
    videos.write_video(connection, failed, [], [])
    assert videos.get_video(connection, VIDEO.id) == VIDEO


def test_pages_hold_everything_once(connection):
    many = [replace(VIDEO, id=f"{number:032x}") for number in range(7)]
    for video in many:
        videos.write_video(connection, video, [], [])
    patches, tracks = mined(6)
    videos.write_video(connection, VIDEO, patches, tracks)
    seen, after = [], ""
    while page := videos.list_videos(connection, after, limit=3):
        seen += [video.id for video in page]
        after = page[-1].id
    assert seen == sorted([*(video.id for video in many), VIDEO.id])
    listed, after = [], ""
    while rows := videos.list_patches(connection, VIDEO.id, after, limit=5):
        listed += [patch.id for patch in rows]
        after = rows[-1].id
    assert listed == sorted(patch.id for patch in patches)


def test_deleting_takes_the_patches_and_edges_of_that_video_only(connection, monkeypatch):
    monkeypatch.setattr(videos, "DELETED_AT_ONCE", 3)
    other = replace(VIDEO, id="b" * 32)
    videos.write_video(connection, other, *mined(2, other))
    rest = whole_graph(connection)
    videos.write_video(connection, VIDEO, *mined(4))
    videos.delete_video(connection, VIDEO.id)
    assert whole_graph(connection) == rest
    with pytest.raises(NotFound, match="no video a"):
        videos.delete_video(connection, VIDEO.id)


def test_what_is_not_there_is_named(connection):
    with pytest.raises(NotFound, match="no video 123"):
        videos.get_video(connection, "123")
    with pytest.raises(NotFound, match="no patch 456"):
        videos.get_patch(connection, "456")
    assert videos.list_patches(connection, "123") == []


def test_a_long_video_takes_several_transactions_and_is_not_ready_before_the_last(connection, monkeypatch):
    monkeypatch.setattr(videos, "ROWS", 2)
    monkeypatch.setattr(videos, "ROWS_AT_ONCE", 4)
    patches, tracks = mined(6)
    states = []
    write_many = Connection.write_many

    def watched(self: Connection, statements):
        found = write_many(self, statements)
        states.append((videos.ready_video_ids(connection), len(videos.list_patches(connection, VIDEO.id))))
        if dying and len(states) == 2:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(Connection, "write_many", watched)
    dying = True
    with pytest.raises(KeyboardInterrupt):
        videos.write_video(connection, VIDEO, patches, tracks)
    assert states == [([], 4), ([], 8)]
    half = videos.get_video(connection, VIDEO.id)
    assert (half.status, half.reason) == ("failed", "It is being written. Ingest it again if this stays so.")
    dying = False
    videos.write_video(connection, VIDEO, patches, tracks)
    assert [len(ready) for ready, _ in states[2:]] == [0, 0, 0, 0, 1]
    monkeypatch.undo()
    several = whole_graph(connection)
    videos.delete_video(connection, VIDEO.id)
    videos.write_video(connection, VIDEO, patches, tracks)
    assert whole_graph(connection) == several


def test_two_writers_of_one_video_write_it_once(connection):
    patches, tracks = mined(50)
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(videos.write_video, connection, VIDEO, patches, tracks) for _ in range(4)]:
            future.result()
    assert [len(part) for part in whole_graph(connection)] == [1, 100, 50]
    assert connection.read("MATCH ()-[e]->() RETURN count(e) AS count") == [{"count": 150}]


def test_a_writer_of_a_long_video_whose_place_was_taken_says_so(connection, monkeypatch):
    monkeypatch.setattr(videos, "ROWS", 2)
    monkeypatch.setattr(videos, "ROWS_AT_ONCE", 4)
    write_many = Connection.write_many

    def overtaken(self: Connection, statements):
        found = write_many(self, statements)
        monkeypatch.setattr(Connection, "write_many", write_many)
        videos.write_video(connection, VIDEO, *mined(6))
        return found

    monkeypatch.setattr(Connection, "write_many", overtaken)
    with pytest.raises(Conflict, match="Another run is writing"):
        videos.write_video(connection, VIDEO, *mined(6))
    assert [len(part) for part in whole_graph(connection)] == [1, 12, 6]


def test_a_deletion_killed_in_the_middle_is_completed_by_the_next(connection, monkeypatch):
    monkeypatch.setattr(videos, "DELETED_AT_ONCE", 3)
    videos.write_video(connection, VIDEO, *mined(4))
    write = Connection.write

    def killed(self: Connection, query: str, **parameters):
        if len(videos.list_patches(connection, VIDEO.id)) < 4:
            raise KeyboardInterrupt
        return write(self, query, **parameters)

    monkeypatch.setattr(Connection, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        videos.delete_video(connection, VIDEO.id)
    monkeypatch.setattr(Connection, "write", write)
    assert len(videos.list_patches(connection, VIDEO.id)) == 2
    assert videos.ready_video_ids(connection) == []
    assert "Delete it again" in videos.get_video(connection, VIDEO.id).reason
    videos.delete_video(connection, VIDEO.id)
    assert whole_graph(connection) == (set(), set(), set())


def test_a_patch_leads_to_its_page(connection):
    videos.write_video(connection, VIDEO, *mined(1), pages="http://host:8000/browse/patches")
    rows = connection.read("MATCH (p:Patch) RETURN p.id AS id, p.url AS url, p.video_name AS name")
    assert [(row["url"], row["name"]) for row in rows] == [
        (f"http://host:8000/browse/patches/{row['id']}", VIDEO.name) for row in rows
    ]
    assert len(rows) == 2
