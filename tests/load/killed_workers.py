"""Many clients use a stack of their own while its workers are killed.

    python -m tests.load.killed_workers [--clients 100] [--seconds 300] [--kill-every 30] [--clips DIR]

Afterwards every job must have ended, every uploaded video must be there once and whole or be gone as asked, and the
API's memory must not have grown. Prints a table and the faults; the exit status is 1 if there is any. The logs of the
servers and all faults, with the bodies of unexpected answers, are kept in .artifacts/load.
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
import psutil

from api.cli.stack import Stack
from graph.connection import Connection
from graph.models import write_model
from graph.records import ENDED, Model
from graph.settings import Settings, load_settings
from graph.shards import Shards
from tests.load.clients import Caller, Record, Upload
from tests.ports import quiet_port

MODEL = "transitive-0123456789ab"
PREPARED = 3  # videos that no client deletes
PATIENCE_S = 900.0  # for the jobs that are left at the end
RESTART_S = 3.0  # a supervisor starts a killed worker again after this time
KEPT = Path(".artifacts/load")
LARGEST_GROWTH = 1.25  # of the API's memory from the first third to the end


@contextmanager
def running_stack(home: Path) -> Iterator[tuple[Stack, Settings]]:
    """Run a stack in `home` on free ports."""
    named = {
        "TRANSITIVE_HOME": str(home),
        "TRANSITIVE_API_PORT": str(quiet_port()),
        "TRANSITIVE_NEO4J_BOLT_PORT": str(quiet_port()),
        "TRANSITIVE_NEO4J_HTTP_PORT": str(quiet_port()),
        "TRANSITIVE_REDIS_PORT": str(quiet_port()),
    }
    stack = Stack(load_settings(named))
    try:
        yield stack, stack.up()
    finally:
        stack.down()


def smallest_clips(folder: Path, count: int) -> dict[str, bytes]:
    """Return the smallest MP4 files of a folder by name."""
    paths = sorted(folder.glob("*.mp4"), key=lambda path: path.stat().st_size)[:count]
    if not paths:
        sys.exit(f"There is no .mp4 in {folder}. Name a folder of clips: --clips DIR.")
    return {path.stem: path.read_bytes() for path in paths}


def prepare(http: httpx.Client, settings: Settings, connection: Connection, clips: dict[str, bytes]) -> set[str]:
    """Ingest a few videos, give their patches random embeddings, and return the videos' ids."""
    jobs = [
        http.post("/videos", files={"file": (f"{name}.mp4", content)}).raise_for_status().json()["id"]
        for name, content in list(clips.items())[:PREPARED]
    ]
    videos = {wait_for(http, job)["result"] for job in jobs}
    shards = Shards(settings.data)
    for video in videos:
        ids = [p["id"] for p in http.get(f"/videos/{video}/patches?limit=1000").json()["items"]]
        vectors = np.random.default_rng(0).standard_normal((len(ids), 1024), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        shards.write_vectors(f"embeddings/{MODEL}/{video}", ids, vectors)
    write_model(connection, Model(MODEL, "transitive", "paper", 1, 4608, 1024, "g", "2026-01-01T00:00:00+00:00"))
    return videos


def wait_for(http: httpx.Client, job: str) -> dict[str, str]:
    """Wait for the end of a job, and return it."""
    end = time.monotonic() + PATIENCE_S
    while True:
        known: dict[str, str] = http.get(f"/jobs/{job}").raise_for_status().json()
        if known["state"] in ENDED or time.monotonic() > end:
            return known
        time.sleep(0.2)


async def kill(stack: Stack, found: Settings, every: float, killed: Counter[str]) -> None:
    """Kill one worker after another until cancelled."""
    while True:
        for name, worker in stack.workers.items():
            await asyncio.sleep(every - RESTART_S)
            os.kill(worker.pid, signal.SIGKILL)
            killed[name] += 1
            await asyncio.sleep(RESTART_S)
            await asyncio.to_thread(stack.restart_dead_workers, found)


async def weigh(process: psutil.Process, sizes: list[float]) -> None:
    """Note the API's resident memory in MiB every two seconds until cancelled."""
    while True:
        sizes.append(process.memory_info().rss / 2**20)
        await asyncio.sleep(2)


async def load(
    stack: Stack, found: Settings, clips: dict[str, bytes], clients: int, seconds: float, every: float
) -> tuple[Record, Counter[str], list[float]]:
    """Run the clients and the killer; returns the record, the killed workers and the API's memory over time."""
    record, killed, sizes = Record(), Counter[str](), list[float]()
    beside = [
        asyncio.create_task(kill(stack, found, every, killed)),
        asyncio.create_task(weigh(psutil.Process(stack.api.pid), sizes)),
    ]
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=120, limits=limits) as http:
        await asyncio.gather(*(Caller(http, record, clips, seed).work(seconds) for seed in range(clients)))
    for task in beside:
        task.cancel()
    await asyncio.to_thread(stack.restart_dead_workers, found)
    return record, killed, sizes


def settle(http: httpx.Client, record: Record, connection: Connection, shards: Shards, prepared: set[str]) -> list[str]:
    """Wait for all jobs, compare graph and files with what the clients were promised, and return the differences."""
    faults = []
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        going = [
            job
            for state in ("queued", "running", "cancelling")
            for job in http.get(f"/jobs?limit=1000&state={state}").raise_for_status().json()["items"]
        ]
        if not going:
            break
        time.sleep(1)
    faults += [f"job {job['id']} ({job['kind']}) is left {job['state']}" for job in going]
    there = set(prepared)
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for one in record.uploads:
        one.state = http.get(f"/jobs/{one.job}").raise_for_status().json()["state"]
        video = http.get(f"/videos/{one.video}")
        if one.state == "done" and not one.deleted:
            there.add(one.video)
            counts[one.clip][video.json().get("patches", -1)] += 1
        faults += fault_of(one, video)
    faults += [f"copies of {clip} have {dict(seen)} patches" for clip, seen in counts.items() if len(seen) > 1]
    rows = connection.read("MATCH (v:Video) OPTIONAL MATCH (v)-[:HAS_PATCH]->(p) RETURN v.id AS id, count(p) AS n")
    if sorted(row["id"] for row in rows) != sorted(there):
        faults.append(f"the graph has {len(rows)} videos, and {len(there)} are expected")
    if shards.names("patches") != sorted(there):
        faults.append(f"{len(shards.names('patches'))} videos have pixels, and {len(there)} are expected")
    loose = connection.read("MATCH (p:Patch) WHERE NOT (:Video)-[:HAS_PATCH]->(p) RETURN count(p) AS n")[0]["n"]
    return [*faults, *([f"{loose} patches belong to no video"] if loose else [])]


def fault_of(one: Upload, video: httpx.Response) -> list[str]:
    """Return what is wrong with one upload."""
    expected = 200 if one.state == "done" and not one.deleted else 404
    wrong = []
    if one.state not in ("done", "cancelled") or (one.state == "cancelled" and not one.cancelled):
        wrong.append(f"job {one.job} is {one.state}")
    if video.status_code != expected:
        wrong.append(f"video {one.video} ({one.state}, deleted: {one.deleted}) is answered {video.status_code}")
    return wrong


def keep(stack: Stack, faults: list[str]) -> None:
    """Copy the logs of the API and the workers to `KEPT`, and write the faults beside them."""
    KEPT.mkdir(parents=True, exist_ok=True)
    for process in (stack.api, *stack.workers.values()):
        shutil.copy(process.log, KEPT)
    (KEPT / "faults.txt").write_text("\n".join(faults))


def main() -> None:
    """Start, load, settle, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--kill-every", type=float, default=30)
    parser.add_argument("--clips", type=Path, default=Path("../shared/data/videos"))
    arguments = parser.parse_args()
    clips = smallest_clips(arguments.clips, 6)
    random.seed(0)
    with TemporaryDirectory() as folder, running_stack(Path(folder)) as (stack, found):
        password = found.neo4j_password.get_secret_value()
        with (
            Connection(found.neo4j_uri, found.neo4j_user, password) as connection,
            httpx.Client(base_url=stack.api_url, timeout=120) as http,
        ):
            prepared = prepare(http, found, connection, clips)
            work = load(stack, found, clips, arguments.clients, arguments.seconds, arguments.kill_every)
            record, killed, sizes = asyncio.run(work)
            keep(stack, record.faults)
            print("\n".join(record.table()), flush=True)
            faults = record.faults + settle(http, record, connection, Shards(found.data), prepared)
            keep(stack, faults)
    states = Counter(one.state for one in record.uploads)
    deleted = sum(one.deleted for one in record.uploads)
    print(f"uploads: {len(record.uploads)}, of which {dict(states)}, {deleted} deleted; workers killed: {dict(killed)}")
    third, last = sizes[len(sizes) // 3], max(sizes[-5:])
    print(f"memory of the API: {sizes[0]:.0f} MiB at first, {third:.0f} after a third, {last:.0f} at the end")
    if last > LARGEST_GROWTH * third:
        faults.append(f"the API grew from {third:.0f} to {last:.0f} MiB")
    print(f"{len(faults)} faults")
    print("\n".join(faults[:40]))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
