"""The app with a real Neo4j and a real Redis, and a small world: two videos with tracks, links and vectors."""

import io
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pytest
import uvicorn
from numpy.typing import NDArray
from PIL import Image

from api.http.serve import server_config
from graph.connection import Connection
from graph.generations.writer import write_generation
from graph.linking.parameters import LinkParameters
from graph.linking.run import link
from graph.models import write_model
from graph.records import IntraInstance, Model, Patch, Video, patch_id
from graph.schema import apply_schema
from graph.server.neo4j import Neo4jDetails
from graph.settings import Settings, load_settings
from graph.shards import Shards
from graph.videos import write_video

MODEL = "transitive-0123456789ab"
MADE_BY = "context-of-the-world"
TRACKS = 12  # of each video
NAMES = ("<script>alert(1)</script>.mp4", "bikes & 'cars'.mp4")


@contextmanager
def serving(settings: Settings) -> Iterator[httpx.Client]:
    """Run the server on a free port, and yield an HTTP client for it."""
    server = uvicorn.Server(server_config(settings, 0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the app did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        yield client
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(connection: Connection, home: Path) -> Iterator[httpx.Client]:
    """Client of the app with an empty graph and an empty home folder."""
    with serving(load_settings()) as client:
        yield client


def picture(seed: int) -> bytes:
    """Return a 96×96 JPEG of one colour."""
    colour = tuple(int(c) for c in np.random.default_rng(seed).integers(0, 256, 3))
    file = io.BytesIO()
    Image.new("RGB", (96, 96), colour).save(file, "JPEG", quality=95)
    return file.getvalue()


def timeline(patches: Sequence[Patch]) -> pa.Table:
    """Make a time line with a refused window, and one for the first track of a video."""
    start = patches[0]
    path = {"start_id": start.id, "times_s": [start.time_s, start.time_s + 1.2], "boxes": [[5, 0, 200, 200]] * 2}
    rows = [
        {"start_s": 0.0, "end_s": 1.2, "reason": "", "refused": ["left the picture"], "paths": [path]},
        {"start_s": 0.6, "end_s": 1.8, "reason": "nothing moves on its own", "refused": [], "paths": []},
    ]
    return pa.Table.from_pylist(rows)


@dataclass(frozen=True)
class World:
    """The content of the graph and the shards, and a client of the app that serves them."""

    connection: Connection
    client: httpx.Client
    videos: list[Video]
    patches: list[Patch]
    tracks: list[IntraInstance]
    jpegs: dict[str, bytes]
    vectors: dict[str, NDArray[np.float32]]
    generation: str


@pytest.fixture(scope="module")
def world_servers(
    neo4j_server: Neo4jDetails, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Connection, Shards, httpx.Client, list[World]]]:
    """Graph, shards and app of `world`."""
    environment = {
        "TRANSITIVE_HOME": str(tmp_path_factory.mktemp("world")),
        "NEO4J_URI": neo4j_server.bolt_uri,
        "NEO4J_USER": neo4j_server.user,
        "NEO4J_PASSWORD": neo4j_server.password,
        "REDIS_URL": redis_url,
    }
    settings = load_settings(environment)
    with neo4j_server.connect() as connection, serving(settings) as client:
        apply_schema(connection)
        yield connection, Shards(settings.data), client, []


@pytest.fixture
def world(world_servers: tuple[Connection, Shards, httpx.Client, list[World]]) -> World:
    """Two videos with twelve tracks each, of four kinds of objects, with links and embeddings. Tests only read it."""
    connection, shards, client, made = world_servers
    if not made or not connection.read("MATCH (g:Generation {feature_model: $made_by}) RETURN g.id", made_by=MADE_BY):
        connection.write("MATCH (n) DETACH DELETE n")  # another test may have changed or emptied the graph
        made[:] = [_fill(connection, shards, client)]
    return made[0]


def _fill(connection: Connection, shards: Shards, client: httpx.Client) -> World:
    random = np.random.default_rng(7)
    kinds = random.normal(size=(4, 16))
    videos, patches, tracks = [], [], []
    jpegs: dict[str, bytes] = {}
    vectors: dict[str, NDArray[np.float32]] = {}
    for number, name in enumerate(NAMES):
        video = Video(f"{number + 1:032x}", name, 25.0, 640, 480, 400, 16.0, "ready", "", "2026-01-01T00:00:00+00:00")
        mine: list[Patch] = []
        for track in range(TRACKS):
            ends = []
            for role, frame in (("start", 10 * track), ("end", 10 * track + 30)):
                identifier = patch_id(video.id, frame, 5, track, 200, 200)
                mine.append(Patch(identifier, video.id, frame, frame / 25, 5, track, 200, 200, role))
                ends.append(identifier)
                vector = kinds[track % 4] + 0.1 * random.normal(size=16)
                vectors[identifier] = (vector / np.linalg.norm(vector)).astype(np.float32)
                jpegs[identifier] = picture(len(jpegs))
            tracks.append(IntraInstance(ends[0], ends[1], 30, 0.9, {"forward_backward": 0.5}))
        ids = [patch.id for patch in mine]
        shards.write_rows(f"patches/{video.id}", {"id": ids, "jpeg": [jpegs[i] for i in ids]})
        shards.write_rows(f"frames/{video.id}", {"frame": [0, 200], "jpeg": [picture(0), picture(1)]})
        shards.write(f"timelines/{video.id}", timeline(mine))
        shards.write_vectors(f"embeddings/{MODEL}/{video.id}", ids, np.stack([vectors[i] for i in ids]))
        write_video(connection, video, mine, [t for t in tracks if t.start_id in ids])
        videos.append(video)
        patches += mine
    write_model(connection, Model(MODEL, "transitive", "cpu-small", 100, 32, 16, "g", "2026-01-02T00:00:00+00:00"))
    starts = sorted((p for p in patches if p.role == "start"), key=lambda p: p.id)
    features = np.stack([vectors[p.id] for p in starts])
    parameters = LinkParameters(
        parents=4, smallest=2, group=2, neighbours=10, exclude_same_video=True, remove_mean=False, linked_share=1.0
    )
    linking = link(features, starts, parameters)
    generation = write_generation(connection, linking, MADE_BY, [])
    return World(connection, client, videos, patches, tracks, jpegs, vectors, generation)
