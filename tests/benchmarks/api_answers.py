"""Benchmark of the API's answers from files: pictures and embeddings, against a bare FastAPI route.

    python -m tests.benchmarks.api_answers [--patches 20000] [--seconds 3] [--rounds 5]

The bare routes belong to an app without middleware and return the same bytes from memory: one as a plain function,
which FastAPI runs in a thread, and one as an async function. They and the API are served by uvicorn, in two processes,
and asked in turns by eight connections that never wait, by two for a lookup of 10,000 embeddings. The API has a real
Neo4j and Redis.
"""

import argparse
import io
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI, Response
from PIL import Image

from graph.records import Model
from graph.shards import Shards
from tests.benchmarks.http_load import Load, get, load, post
from tests.benchmarks.served import Served, served_api, served_app

MODEL = Model("transitive-0123456789ab", "transitive", "paper", 1, 4608, 1024, "g", "2026-01-01T00:00:00+00:00")
PER_VIDEO = 500
CLIENTS = 8
ASKED = 10_000  # ids in a lookup
NPY, JSON = "application/x-npy", "application/json"
_BODY = "BENCHMARK_BODY"  # environment variable: file with the bare route's bytes, of media type _KIND
_KIND = "BENCHMARK_KIND"


def bare_app() -> FastAPI:
    """Return an app that answers every path with the bytes of a file, read once."""
    app = FastAPI()
    content, kind = Path(os.environ[_BODY]).read_bytes(), os.environ[_KIND]

    @app.get("/patches/{patch_id}/{what}")
    def plain(patch_id: str, what: str) -> Response:
        return Response(content, media_type=kind)

    @app.get("/async/patches/{patch_id}/{what}")
    async def on_the_loop(patch_id: str, what: str) -> Response:
        return Response(content, media_type=kind)

    @app.post("/embeddings/lookup")
    def look_up(asked: dict[str, Any]) -> Response:
        return Response(content, media_type=kind)

    @app.post("/async/embeddings/lookup")
    async def look_up_on_the_loop(asked: dict[str, Any]) -> Response:
        return Response(content, media_type=kind)

    return app


def write_home(shards: Shards, patches: int) -> list[str]:
    """Write pictures and embeddings; returns the ids of the patches."""
    random = np.random.default_rng(4)
    pictures = [jpeg(random) for _ in range(PER_VIDEO)]
    ids = []
    for video in range(patches // PER_VIDEO):
        own = [f"{video:08x}{n:08x}" for n in range(PER_VIDEO)]
        shards.write_rows(f"patches/{video:032x}", {"id": own, "jpeg": pictures})
        vectors = random.standard_normal((PER_VIDEO, MODEL.embedding_dim), np.float32)
        shards.write_vectors(
            f"embeddings/{MODEL.id}/{video:032x}", own, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        )
        ids += own
    return ids


def jpeg(random: np.random.Generator) -> bytes:
    """Return a 96×96 JPEG of about 2.5 KB, a size that patches of real videos have."""
    file = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (12, 12, 3), np.uint8)).resize((96, 96)).save(file, "JPEG")
    return file.getvalue()


def compare(
    name: str, api: Served, requests: list[bytes], body: Path, content: httpx.Response, arguments: argparse.Namespace
) -> Load:
    """Measure the API and the bare routes in turns, and print the rates and the ratios."""
    body.write_bytes(content.content)
    environment = {_BODY: str(body), _KIND: content.headers["content-type"]}
    clients = CLIENTS if len(content.content) < 1 << 20 else 2
    ours, bare, bare_async = Load(), Load(), Load()
    on_the_loop = [request.replace(b" /", b" /async/", 1) for request in requests]
    with served_app("tests.benchmarks.api_answers:bare_app", environment) as other:
        turns = ((api, requests, ours), (other, requests, bare), (other, on_the_loop, bare_async))
        for served, sent, _ in turns:  # warm
            load(served.port, served.process, sent, clients, 1.0)
        for _ in range(arguments.rounds):
            for served, sent, total in turns:
                one = load(served.port, served.process, sent, clients, arguments.seconds)
                total.seconds += one.seconds
                total.processor += one.processor
                total.latencies += one.latencies
                total.received += one.received
    print(f"{name}, {len(content.content):,} bytes: {ours.rate:,.0f}/s, {1e6 * ours.cost:,.0f} µs of processor time")
    for kind, route in (("bare route", bare), ("bare async route", bare_async)):
        rate, cost = 100 * ours.rate / route.rate, 100 * route.cost / ours.cost
        print(f"    {kind:16} {route.rate:,.0f}/s, {1e6 * route.cost:,.0f} µs: ", end="")
        print(f"ours has {rate:.0f} % of its rate, {cost:.0f} % by processor time", flush=True)
    return ours


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    random = np.random.default_rng(5)
    with TemporaryDirectory() as folder:
        home = Path(folder)
        ids = write_home(Shards(str(home / "data")), arguments.patches)
        body = home / "body"
        with served_api(home, [MODEL]) as api, httpx.Client(base_url=api.address, timeout=60) as client:
            chosen = random.choice(ids, 2000).tolist()
            for name, what, accept in (
                ("picture", "image", "image/jpeg"),
                ("embedding as npy", f"embedding?model={MODEL.id}", NPY),
                ("embedding as JSON", f"embedding?model={MODEL.id}", JSON),
            ):
                paths = [f"/patches/{patch}/{what}" for patch in chosen]
                content = client.get(paths[0], headers={"Accept": accept}).raise_for_status()
                compare(name, api, [get(path, accept) for path in paths], body, content, arguments)
            asked = [
                json.dumps({"ids": random.choice(ids, ASKED).tolist(), "model": MODEL.id}).encode() for _ in range(8)
            ]
            headers = {"Accept": NPY, "Content-Type": JSON}
            content = client.post("/embeddings/lookup", content=asked[0], headers=headers).raise_for_status()
            requests = [post("/embeddings/lookup", one, JSON, NPY) for one in asked]
            ours = compare(f"{ASKED:,} embeddings as npy", api, requests, body, content, arguments)
            print(f"    {ASKED * ours.rate:,.0f} embeddings/s")


if __name__ == "__main__":
    main()
