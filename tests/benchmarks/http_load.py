"""An HTTP client for measurements: several keep-alive connections, each with one request at a time.

httpx takes about .7 ms of processor time for a request, as much as the server. On two cores that would be measured
too. This client takes about 30 µs.
"""

import selectors
import socket
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import cycle

import psutil

_CHUNK = 1 << 20


@dataclass
class Load:
    """The answers of a server in some time."""

    seconds: float = 0.0
    processor: float = 0.0  # seconds of processor time that the server's process took
    latencies: list[float] = field(default_factory=list)  # seconds
    received: int = 0  # bytes of all answers

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    @property
    def cost(self) -> float:
        """Seconds of the server's processor time for one answer; other programs disturb it less than the rate."""
        return self.processor / len(self.latencies)

    def percentile(self, percent: int) -> float:
        """Return a percentile of the latencies, in seconds."""
        return statistics.quantiles(self.latencies, n=100)[percent - 1]


class _Connection:
    """One keep-alive connection with at most one request on its way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self._missing = 0  # bytes of the body; 0 while the header is read
        self._header = b""

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def read(self) -> tuple[int, bool]:
        """Read what has come; returns the number of bytes, and whether the answer is complete.

        Raises `RuntimeError` for an answer that is not 200.
        """
        data = self.socket.recv(_CHUNK)
        if not data:
            raise RuntimeError("The server closed the connection.")
        if self._missing:
            self._missing -= len(data)
            return len(data), not self._missing
        self._header += data
        end = self._header.find(b"\r\n\r\n")
        if end < 0:
            return len(data), False
        if not self._header.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self._header.decode(errors="replace"))
        lowered = self._header[:end].lower()
        size = int(lowered.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        self._missing = size - (len(self._header) - end - 4)
        self._header = b""
        return len(data), not self._missing


def get(path: str, accept: str = "*/*") -> bytes:
    """Return the bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\n\r\n".encode()


def post(path: str, body: bytes, kind: str, accept: str = "*/*") -> bytes:
    """Return the bytes of a POST request."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def load(port: int, process: int, requests: Iterable[bytes], clients: int, seconds: float) -> Load:
    """Send requests from `clients` connections that never wait, for some seconds.

    Args:
        port: of the server on this machine.
        process: id of the server's process.
        requests: sent in this order, and again from the first after the last.
        clients: connections.
        seconds: after this time nothing is sent any more; answers on their way are counted.
    """
    found = Load()
    following: Iterator[bytes] = cycle(requests)
    chosen = selectors.DefaultSelector()
    connections = [_Connection(port) for _ in range(clients)]
    before, begin = _processor(process), time.perf_counter()
    for connection in connections:
        chosen.register(connection.socket, selectors.EVENT_READ, connection)
        connection.ask(next(following))
    waiting = clients
    while waiting:
        for key, _ in chosen.select():
            connection = key.data
            count, complete = connection.read()
            found.received += count
            if not complete:
                continue
            now = time.perf_counter()
            found.latencies.append(now - connection.sent_at)
            if now - begin < seconds:
                connection.ask(next(following))
            else:
                waiting -= 1
    found.seconds, found.processor = time.perf_counter() - begin, _processor(process) - before
    for connection in connections:
        connection.socket.close()
    chosen.close()
    return found


def _processor(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)
