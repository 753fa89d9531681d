"""Uploads of damaged videos: flipped bytes, cut ends, exchanged headers of real clips, drawn from a seed.

    python -m tests.load.mutated_uploads [--count 200] [--seed 0] [--clips DIR]

Every upload must end: its video is mined, or its job fails with a reason in words. No server may die or answer with a
5xx. Prints how many ended how, each reason with its number, and the faults; the exit status is 1 if there is any.
"""

import argparse
import random
import re
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from api.cli.stack import Stack
from tests.load.killed_workers import running_stack, smallest_clips, wait_for

AT_ONCE = 16
HEADER = 4096  # bytes that are exchanged between two files


def flipped(draw: random.Random, content: bytes, _: bytes) -> bytes:
    """Return the file with one to a thousand bytes replaced."""
    changed = bytearray(content)
    for _ in range(10 ** draw.randrange(4)):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def cut(draw: random.Random, content: bytes, _: bytes) -> bytes:
    """Return the beginning of the file."""
    return content[: draw.randrange(1, len(content))]


def without_start(draw: random.Random, content: bytes, _: bytes) -> bytes:
    """Return the end of the file."""
    return content[draw.randrange(1, len(content)) :]


def exchanged(draw: random.Random, content: bytes, other: bytes) -> bytes:
    """Return the file with another's header."""
    size = draw.randrange(8, HEADER)
    return other[:size] + content[size:]


def joined(draw: random.Random, content: bytes, other: bytes) -> bytes:
    """Return the beginning of one file and the end of another."""
    return content[: draw.randrange(1, len(content))] + other[draw.randrange(1, len(other)) :]


def zeroed(draw: random.Random, content: bytes, _: bytes) -> bytes:
    """Return the file with a run of zeros, as a lost block of a disk leaves."""
    start, length = draw.randrange(len(content)), draw.randrange(512, 65_536)
    zeros = bytes(min(length, len(content) - start))
    return content[:start] + zeros + content[start + len(zeros) :]


MUTATIONS: list[Callable[[random.Random, bytes, bytes], bytes]] = [
    flipped,
    cut,
    without_start,
    exchanged,
    joined,
    zeroed,
]


def mutated(clips: dict[str, bytes], count: int, seed: int) -> list[tuple[str, bytes]]:
    """Return `count` damaged files with names that say how they were made."""
    draw = random.Random(seed)
    files = []
    for number in range(count):
        mutate = MUTATIONS[number % len(MUTATIONS)]
        name, other = draw.sample(sorted(clips), 2)
        files.append((f"{number:03}-{mutate.__name__}-{name}.mp4", mutate(draw, clips[name], clips[other])))
    return files


def upload(http: httpx.Client, name: str, content: bytes) -> tuple[str, str]:
    """Upload one file; returns how it ended and the reason in words."""
    answer = http.post("/videos", files={"file": (name, content)})
    if answer.status_code != 202:
        return str(answer.status_code), answer.json().get("detail", "")
    job = wait_for(http, answer.json()["id"])
    return job["state"], job["reason"]


def faults_of(stack: Stack, ended: list[tuple[str, tuple[str, str]]]) -> list[str]:
    """Return the uploads that ended without a reason or not at all, and the processes that died."""
    faults = [f"{name}: {state} without a reason" for name, (state, reason) in ended if state != "done" and not reason]
    faults += [f"{name}: left {state}" for name, (state, _) in ended if state not in ("done", "failed", "422")]
    faults += [
        f"{name}: {reason}" for name, (_, reason) in ended if re.search(r"Traceback|Error\(|0x[0-9a-f]+", reason)
    ]
    return faults + [f"worker {name} died" for name, worker in stack.workers.items() if not worker.running()]


def main() -> None:
    """Damage, upload, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=Path, default=Path("../shared/data/videos"))
    arguments = parser.parse_args()
    files = mutated(smallest_clips(arguments.clips, 12), arguments.count, arguments.seed)
    with TemporaryDirectory() as folder, running_stack(Path(folder)) as (stack, _):
        with httpx.Client(base_url=stack.api_url, timeout=600) as http, ThreadPoolExecutor(AT_ONCE) as pool:
            ends = list(pool.map(lambda file: upload(http, *file), files))
        ended = list(zip([name for name, _ in files], ends, strict=True))
        faults = faults_of(stack, ended)
    kinds = Counter((name.split("-")[1], state) for name, (state, _) in ended)
    print("\n".join(f"{kind:14} {state:7} {count}" for (kind, state), count in sorted(kinds.items())))
    reasons = Counter(re.sub(r"\d+(\.\d+)?", "N", reason) for _, (state, reason) in ended if state != "done")
    print("\n".join(f"{count:4}  {reason}" for reason, count in reasons.most_common()))
    print(f"{len(faults)} faults")
    print("\n".join(faults))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
