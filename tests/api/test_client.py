"""Tests of the Python client: it returns the API's answers as typed models, arrays and exceptions."""

import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from api.client import Client
from graph.connection import Connection
from graph.errors import Cancelled, Conflict, InvalidInput, NotFound, TransitiveError, Unavailable
from graph.records import Job
from tests.api.conftest import MODEL, World
from tests.graph.written_jobs import create_job, update_job


def test_the_client_reads_the_whole_graph(world: World) -> None:
    with Client(str(world.client.base_url)) as client:
        assert [v.name for v in client.videos()] == [v.name for v in world.videos]
        patches = [p for v in client.videos() for p in client.patches(v.id)]
        assert {p.id for p in patches} == {p.id for p in world.patches}
        asked = world.patches[0].id
        assert client.patch(asked).frame == world.patches[0].frame
        assert client.image(asked) == world.jpegs[asked]
        assert np.array_equal(np.array(client.embedding(asked).vector, np.float32), world.vectors[asked])
        ids = [p.id for p in world.patches]
        assert np.array_equal(client.embeddings(ids), np.stack([world.vectors[i] for i in ids]))
        assert len(client.similar(asked, k=3).items) == 3
        quadruples = list(client.quadruples({"held_out": False}))
        assert len(quadruples) == client.stats().quadruples > 20
        q = quadruples[0]
        assert q.a_prime in {n.patch.id for n in client.neighbours(q.a, kind="intra").neighbours}
        assert [e.kind for e in client.path(q.a_prime, q.b_prime).edges] == ["intra", "inter", "intra"]
        clusters = list(client.clusters())
        assert client.cluster(clusters[0].id).size == clusters[0].size
        assert [m.id for m in client.models()] == [client.model(MODEL).id]


def test_problems_are_raised_as_our_errors(client: httpx.Client, connection: Connection, tmp_path: Path) -> None:
    with Client(str(client.base_url)) as api:
        with pytest.raises(NotFound, match="There is no video"):
            api.video("f" * 32)
        with pytest.raises(NotFound, match="There is no job"):
            next(api.follow("none"))
        with pytest.raises(InvalidInput, match="Recipes: "):
            api.train("alchemy")
        with pytest.raises(InvalidInput, match="TRANSITIVE_ALLOWED_PATHS"):
            api.add_video_on_server("/etc/passwd")
        create_job(connection, Job("j", "train", state="done"))
        with pytest.raises(Conflict):
            api.cancel("j")
        (tmp_path / "empty.mp4").touch()
        with pytest.raises(InvalidInput, match="empty"):
            api.add_video(tmp_path / "empty.mp4")
        assert not api.ready().ready
    with Client("http://127.0.0.1:1") as nowhere, pytest.raises(Unavailable, match="transitive up"):
        nowhere.stats()


def test_waiting_ends_with_the_job(client: httpx.Client, connection: Connection, tmp_path: Path) -> None:
    video = tmp_path / "bikes.mp4"
    video.write_bytes(b"bytes" * 1000)
    with Client(str(client.base_url)) as api:
        job = api.add_video(video)

        def work() -> None:
            time.sleep(1)
            update_job(connection, job.id, state="running")
            time.sleep(1)
            update_job(connection, job.id, state="done", result="v1")

        worker = threading.Thread(target=work)
        worker.start()
        assert api.wait(job.id).result == "v1"
        worker.join()
        for state, error in (("failed", TransitiveError), ("cancelled", Cancelled)):
            create_job(connection, Job(state, "train", state=state, reason="out of luck"))
            with pytest.raises(error):
                api.wait(state)
        linked = api.link({"group": 2})
        assert [j.id for j in api.jobs()] == [linked.id, "cancelled", "failed", job.id]
