"""GPU use of the machines that run workers, kept in Redis for `/metrics`.

    transitive:gpu:HOST:NUMBER    hash: utilization (0..1), used_bytes, total_bytes; expires after `_KEPT_S`

A worker on a machine with `nvidia-smi` reads it every `_EVERY_S` seconds. A worker that stops leaves no old values.
"""

import logging
import shutil
import socket
import subprocess
import threading
from dataclasses import dataclass

import redis

from workers.queue import redis_unavailable

_PREFIX = "transitive:gpu:"
_EVERY_S = 10.0
_KEPT_S = 60
_QUERY = "--query-gpu=index,utilization.gpu,memory.used,memory.total"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GpuUse:
    """The use of one GPU."""

    host: str
    number: str
    utilization: float  # share of the last second in which a kernel ran
    used_bytes: int
    total_bytes: int


def report_gpu_use(redis_url: str) -> None:
    """Begin to report in a thread, if this machine has `nvidia-smi`."""
    if shutil.which("nvidia-smi"):
        threading.Thread(target=_report_for_ever, args=(redis_url,), name="gpu-use", daemon=True).start()


def read_gpus() -> list[GpuUse]:
    """Ask `nvidia-smi`; returns [] if it fails."""
    try:
        done = subprocess.run(
            ["nvidia-smi", _QUERY, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_EVERY_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    found = []
    for line in done.stdout.splitlines():
        number, *values = (part.strip() for part in line.split(","))
        if all(value.isdigit() for value in values) and len(values) == 3:  # "[N/A]" for what a GPU does not tell
            busy, used, total = map(int, values)
            found.append(GpuUse(socket.gethostname(), number, busy / 100, used << 20, total << 20))
    return found


def store_gpu_use(redis_url: str, gpus: list[GpuUse]) -> None:
    """Store the present use; raises `redis.RedisError`."""
    with redis.Redis.from_url(redis_url, socket_connect_timeout=5) as client, client.pipeline() as pipe:
        for gpu in gpus:
            name = f"{_PREFIX}{gpu.host}:{gpu.number}"
            values = {"utilization": gpu.utilization, "used_bytes": gpu.used_bytes, "total_bytes": gpu.total_bytes}
            pipe.hset(name, mapping=values)
            pipe.expire(name, _KEPT_S)
        pipe.execute()


def stored_gpu_use(redis_url: str) -> list[GpuUse]:
    """Return the use that the workers reported, sorted by host and number; raises `Unavailable`."""
    found = []
    try:
        with redis.Redis.from_url(redis_url, socket_connect_timeout=5) as client:
            for key in client.scan_iter(f"{_PREFIX}*"):
                host, _, number = key.decode().removeprefix(_PREFIX).rpartition(":")
                values = {name.decode(): float(value) for name, value in client.hgetall(key).items()}
                if values:  # otherwise it expired in the meantime
                    used, total = int(values["used_bytes"]), int(values["total_bytes"])
                    found.append(GpuUse(host, number, values["utilization"], used, total))
    except redis.RedisError as error:
        raise redis_unavailable(redis_url, error) from error
    return sorted(found, key=lambda gpu: (gpu.host, gpu.number))


def _report_for_ever(redis_url: str) -> None:
    pause = threading.Event()
    while True:
        try:
            store_gpu_use(redis_url, read_gpus())
        except redis.RedisError as error:
            _log.debug("the use of the GPUs is not in /metrics: %s", error)
        pause.wait(_EVERY_S)
