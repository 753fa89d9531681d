"""Clients that upload, read, search, cancel and delete videos at random, and the record of what they were promised."""

import asyncio
import random
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from hashlib import blake2b

import httpx

THINKING_S = 0.5  # mean pause between two requests of a client
MOST_WAITING = 1  # unfinished uploads of one client


@dataclass
class Upload:
    """One accepted upload, and what was done to it afterwards."""

    clip: str
    video: str
    job: str
    state: str = "queued"
    cancelled: bool = False  # a cancellation was accepted
    deleted: bool = False


@dataclass
class Record:
    """What all clients saw."""

    uploads: list[Upload] = field(default_factory=list)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)  # (action, status; 0: no answer)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    faults: list[str] = field(default_factory=list)

    def table(self) -> list[str]:
        """Return a line for each action: its requests, statuses and latencies."""
        lines = []
        for action, taken in sorted(self.seconds.items()):
            cuts = statistics.quantiles([*taken, *taken], n=100)
            statuses = ", ".join(f"{n} × {s}" for (a, s), n in sorted(self.answers.items()) if a == action)
            lines.append(f"{action:10} p50 {1e3 * cuts[49]:7.0f} ms   p99 {1e3 * cuts[98]:7.0f} ms   {statuses}")
        return lines


@dataclass
class Caller:
    """One client."""

    http: httpx.AsyncClient
    record: Record
    clips: dict[str, bytes]
    seed: int
    own: list[Upload] = field(default_factory=list)

    async def work(self, seconds: float) -> None:
        """Act until `seconds` have passed."""
        draw = random.Random(self.seed)
        end = time.monotonic() + seconds
        actions = [self.upload, self.read, self.read, self.look, self.search, self.search, self.cancel, self.delete]
        while time.monotonic() < end:
            await draw.choice(actions)(draw)
            await asyncio.sleep(draw.expovariate(1 / THINKING_S))

    async def upload(self, draw: random.Random) -> None:
        """Upload a clip; bytes after its end make it a video of its own."""
        if sum(one.state in ("queued", "running", "cancelling") for one in self.own) >= MOST_WAITING:
            return
        clip = draw.choice(sorted(self.clips))
        content = self.clips[clip] + b"\0\0\0\x18free" + draw.randbytes(16)
        answer = await self.ask("upload", "POST", "/videos", files={"file": (f"{clip} {self.seed}.mp4", content)})
        if answer is not None and answer.status_code == 202:
            video = blake2b(content, digest_size=16).hexdigest()
            self.own.append(Upload(clip, video, answer.json()["id"]))
            self.record.uploads.append(self.own[-1])

    async def read(self, draw: random.Random) -> None:
        """Read a list, the counts or a page."""
        path = draw.choice(
            ["/videos?limit=20", "/jobs?limit=20", "/patches?limit=20", "/graph/stats", "/browse/videos"]
        )
        await self.ask("read", "GET", path)

    async def look(self, draw: random.Random) -> None:
        """Read the state of an own job, and the patches of its video with a picture."""
        if not self.own:
            return
        one = draw.choice(self.own)
        answer = await self.ask("look", "GET", f"/jobs/{one.job}")
        if answer is not None and answer.status_code == 200:
            one.state = answer.json()["state"]
        if one.state == "done" and not one.deleted:
            answer = await self.ask("look", "GET", f"/videos/{one.video}/patches")
            for patch in answer.json()["items"][:1] if answer is not None and answer.status_code == 200 else []:
                await self.ask("picture", "GET", patch["image"])

    async def search(self, draw: random.Random) -> None:
        """Look for patches like one of the prepared ones."""
        answer = await self.ask("patches", "GET", "/patches?limit=50&role=start")
        items = answer.json()["items"] if answer is not None and answer.status_code == 200 else []
        if items:
            await self.ask("search", "GET", f"/patches/{draw.choice(items)['id']}/similar", expected=(200, 404))

    async def cancel(self, draw: random.Random) -> None:
        """Cancel an own job that has not ended, as far as known."""
        going = [one for one in self.own if one.state in ("queued", "running")]
        if going and draw.random() < 0.3:
            one = draw.choice(going)
            answer = await self.ask("cancel", "DELETE", f"/jobs/{one.job}", expected=(202, 409))
            if answer is not None and answer.status_code == 202:
                one.cancelled = True

    async def delete(self, draw: random.Random) -> None:
        """Delete an own video that is complete."""
        there = [one for one in self.own if one.state == "done" and not one.deleted]
        if there:
            one = draw.choice(there)
            answer = await self.ask("delete", "DELETE", f"/videos/{one.video}", expected=(204,))
            one.deleted = answer is not None and answer.status_code == 204

    async def ask(
        self,
        action: str,
        method: str,
        path: str,
        expected: tuple[int, ...] = (200, 202),
        files: dict[str, tuple[str, bytes]] | None = None,
    ) -> httpx.Response | None:
        """Send a request and note its answer; 503 is always allowed, another unexpected status is a fault."""
        start = time.perf_counter()
        try:
            answer = await self.http.request(method, path, files=files)
        except httpx.TransportError as error:
            self.record.answers[action, 0] += 1
            taken = time.perf_counter() - start
            self.record.faults.append(f"{method} {path}: {type(error).__name__} {error} after {taken:.2f} s")
            return None
        self.record.seconds[action].append(time.perf_counter() - start)
        self.record.answers[action, answer.status_code] += 1
        if answer.status_code not in (*expected, 503):
            self.record.faults.append(f"{method} {path}: {answer.status_code} {answer.text[:2000]}")
        return answer
