"""Time spent in each stage of the workers' jobs, summed in Redis for `/metrics`.

    transitive:stages    hash: "KIND STAGE seconds" and "KIND STAGE runs" → number

All workers on all machines add to the same sums in Redis. The sums survive a restart of the workers.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from workers.queue import redis_unavailable

_KEY = "transitive:stages"


@dataclass(frozen=True, slots=True)
class StageTiming:
    """The number of runs of one stage of a kind of job, and the total time of these runs."""

    kind: str
    stage: str
    seconds: float
    runs: int


class StageClock:
    """Clock that sums the time of each stage of one job. `Progress` reports mark the changes of stage."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage = ""
        self._since = clock()
        self.seconds: dict[str, float] = {}

    def enter(self, stage: str) -> None:
        """End the current stage and begin `stage`; "" begins no new one."""
        now = self._clock()
        if self._stage:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = stage, now


def add_timings(redis_url: str, kind: str, seconds: dict[str, float]) -> None:
    """Add one job's seconds by stage to the sums in Redis; raises `redis.RedisError`."""
    with redis.Redis.from_url(redis_url, socket_connect_timeout=5) as client, client.pipeline() as pipe:
        for stage, spent in seconds.items():
            pipe.hincrbyfloat(_KEY, f"{kind} {stage} seconds", spent)
            pipe.hincrby(_KEY, f"{kind} {stage} runs", 1)
        pipe.execute()


def read_timings(redis_url: str) -> list[StageTiming]:
    """Return the timings of all stages, sorted by kind and stage; raises `Unavailable`."""
    try:
        with redis.Redis.from_url(redis_url, socket_connect_timeout=5) as client:
            stored = {name.decode(): float(value) for name, value in client.hgetall(_KEY).items()}
    except redis.RedisError as error:
        raise redis_unavailable(redis_url, error) from error
    found = []
    for name, seconds in sorted(stored.items()):
        kind, _, rest = name.partition(" ")
        stage, _, what = rest.rpartition(" ")
        if what == "seconds" and " · " not in stage:  # until 2026-11-28, a training's numbers were part of the name
            found.append(StageTiming(kind, stage, seconds, int(stored.get(f"{kind} {stage} runs", 0))))
    return found
