"""Tests of the Python clients: both return the API's answers, arrays and errors as typed values."""

import ast
import asyncio
import inspect
import os
import subprocess
import sys
import threading
import time
import zipfile
from hashlib import blake2b
from pathlib import Path

import httpx
import numpy as np
import pytest

import api.client
from api.client import (
    AsyncClient,
    Client,
    Conflict,
    InvalidInput,
    JobFailed,
    NotFound,
    Refused,
    Unavailable,
)
from graph.connection import Connection
from graph.records import Job, Video
from graph.videos import write_video
from tests.api.conftest import MODEL, World
from tests.graph.written_jobs import create_job, update_job


def test_the_client_reads_the_whole_graph(world: World) -> None:
    with Client(str(world.client.base_url)) as client:
        assert [v.name for v in client.videos()] == [v.name for v in world.videos]
        assert [v.id for v in client.videos({"name": "bikes"})] == [v.id for v in world.videos if "bikes" in v.name]
        patches = [p for v in client.videos() for p in client.patches(v.id)]
        assert {p.id for p in patches} == {p.id for p in world.patches}
        assert {p.id for p in client.patches(conditions={"role": "end"})} == {
            p.id for p in world.patches if p.role == "end"
        }
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
        assert client.judge_link(q.a, q.b, "rejected", "ada").by == "ada"
        assert client.stats().quadruples == len(quadruples) - 1
        assert [(one.a_id, one.b_id) for one in client.judged_links("rejected")] == [(q.a, q.b)]
        assert client.judge_link(q.b, q.a, "open").state == "open"


def test_the_asynchronous_client_reads_the_same(world: World) -> None:
    async def read() -> None:
        async with AsyncClient(str(world.client.base_url)) as client:
            patches = [patch async for patch in client.patches()]
            assert {p.id for p in patches} == {p.id for p in world.patches}
            found = await asyncio.gather(*(client.patch(patch.id) for patch in patches))
            assert list(found) == patches
            ids = [p.id for p in patches]
            assert np.array_equal(await client.embeddings(ids), np.stack([world.vectors[i] for i in ids]))
            with pytest.raises(NotFound, match="There is no video"):
                await client.video("f" * 32)

    asyncio.run(read())


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("__")
        }

    assert methods(Client) == methods(AsyncClient)
    assert len(methods(Client)) > 25


def test_the_client_imports_httpx_numpy_and_nothing_of_the_server() -> None:
    folder = Path(api.client.__file__).parent
    allowed = {*sys.stdlib_module_names, "httpx", "numpy"}
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed, path
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").split(".")[0] in allowed, path
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1, path


def test_problems_are_raised_as_errors(client: httpx.Client, connection: Connection, tmp_path: Path) -> None:
    with Client(str(client.base_url)) as api_client:
        with pytest.raises(NotFound, match="There is no video"):
            api_client.video("f" * 32)
        with pytest.raises(NotFound, match="There is no job"):
            next(api_client.follow("none"))
        with pytest.raises(InvalidInput, match="Recipes: "):
            api_client.train("alchemy")
        with pytest.raises(Refused, match="TRANSITIVE_ALLOWED_PATHS"):
            api_client.add_video_on_server("/etc/passwd")
        create_job(connection, Job("j", "train", state="done"))
        with pytest.raises(Conflict):
            api_client.cancel("j")
        (tmp_path / "empty.mp4").touch()
        with pytest.raises(InvalidInput, match="empty"):
            api_client.add_video(tmp_path / "empty.mp4")
        assert not api_client.ready().ready
    with Client("http://127.0.0.1:1", retries=0) as nowhere, pytest.raises(Unavailable, match="does not answer"):
        nowhere.stats()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_video_is_uploaded_in_pieces_and_only_once(
    client: httpx.Client, connection: Connection, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    asynchronous: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr("api.client.resumption.CHUNK_BYTES", 1000)
    content = bytes(range(250)) * 10
    (tmp_path / "clip.mp4").write_bytes(content)
    seen: list[tuple[int, int]] = []

    def add() -> api.client.Job:
        if not asynchronous:
            with Client(str(client.base_url)) as one:
                return one.add_video(tmp_path / "clip.mp4", lambda *sent: seen.append(sent))

        async def add_async() -> api.client.Job:
            async with AsyncClient(str(client.base_url)) as other:
                return await other.add_video(tmp_path / "clip.mp4", lambda *sent: seen.append(sent))

        return asyncio.run(add_async())

    job = add()
    assert (job.kind, job.state, job.target) == ("ingest", "queued", "clip.mp4")
    assert seen == [(1000, 2500), (2000, 2500), (2500, 2500)]
    video = blake2b(content, digest_size=16).hexdigest()
    assert (home / "uploads" / video / "clip.mp4").read_bytes() == content
    write_video(connection, Video(video, "clip.mp4"), [], [])
    again = add()
    assert (again.state, again.result, len(seen)) == ("done", video, 3)


def test_waiting_follows_a_job_to_its_end(client: httpx.Client, connection: Connection) -> None:
    create_job(connection, Job("w", "train", state="running"))

    def finish() -> None:
        time.sleep(0.3)
        update_job(connection, "w", state="failed", reason="no quadruples")

    thread = threading.Thread(target=finish)
    thread.start()
    with Client(str(client.base_url)) as api_client:
        with pytest.raises(JobFailed, match="no quadruples"):
            api_client.wait("w")
        create_job(connection, Job("c", "train", state="cancelled"))
        with pytest.raises(JobFailed, match="was cancelled"):
            api_client.wait("c")
        create_job(connection, Job("d", "train", state="done", result="m"))
        assert api_client.wait(api_client.job("d")).result == "m"
    thread.join()


def test_the_small_package_holds_the_client_and_nothing_else(tmp_path: Path) -> None:
    project = Path(__file__).parents[2] / "clients" / "python"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=project, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("transitive_client-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        archive.extractall(tmp_path / "installed")
    sources = {path.name for path in Path(api.client.__file__).parent.iterdir() if path.is_file()}
    assert names == {f"transitive_client/{name}" for name in sources}
    asked = (
        "import sys, transitive_client as t; t.Client('http://x'); print(*sorted({'api', 'graph'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path / "installed", check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == ""


def test_a_file_that_shrinks_while_it_is_sent_ends_the_upload(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.client.resumption.CHUNK_BYTES", 1000)
    path = tmp_path / "a.mp4"

    def shrink(sent: int, total: int) -> None:
        path.write_bytes(b"x" * 1500)

    async def awaited() -> None:
        async with AsyncClient(str(world.client.base_url)) as client:
            await client.add_video(path, shrink)

    with Client(str(world.client.base_url)) as client:
        for send in (lambda: client.add_video(path, shrink), lambda: asyncio.run(awaited())):
            path.write_bytes(os.urandom(3000))
            with pytest.raises(InvalidInput, match="became shorter than 3000 bytes"):
                send()
