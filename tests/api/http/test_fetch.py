"""Tests of downloads by URL: no address, name or redirect reaches the server's own network."""

import asyncio
import socket
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpcore
import pytest

from api.http.fetch import REDIRECTS, PublicNetwork, fetch, public
from api.http.problems import Forbidden
from graph.errors import InvalidInput


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses(address: str) -> None:
    assert public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
        "::7f00:1", "::a00:1", "::808:808", "64:ff9b:1::7f00:1", "64:ff9b:1:ffff::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not public(address)


class Pages(BaseHTTPRequestHandler):
    """A small web server with a video, redirects and an error."""

    def do_GET(self) -> None:
        place, _, rest = self.path.lstrip("/").partition("?")
        if place == "video.mp4":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"bytes" * 1000)
        elif place == "away":
            self.send_response(302)
            self.send_header("Location", rest)
            self.end_headers()
        else:
            self.send_response(404)
            self.end_headers()

    def log_message(self, *_: object) -> None:
        """Do not log."""


@pytest.fixture
def web() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


class Anywhere(PublicNetwork):
    """Allow connections to the small web server, named `web`; all other addresses are checked as usual."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if host == "web":
            return await self._backend.connect_tcp("127.0.0.1", self.port, timeout)
        return await super().connect_tcp(host, port, timeout, local_address, socket_options)


def get(url: str, port: int) -> tuple[str, bytes]:
    async def read() -> tuple[str, bytes]:
        async with fetch(url, Anywhere(port)) as (name, body):
            return name, b"".join([chunk async for chunk in body])

    return asyncio.run(read())


def test_a_file_is_fetched_through_redirects(web: int) -> None:
    assert get("http://web/video.mp4", web) == ("/video.mp4", b"bytes" * 1000)
    assert get("http://web/away?/away?/video.mp4", web) == ("/video.mp4", b"bytes" * 1000)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://0/", "http://2130706433/",
        "http://0x7f.1/", "http://169.254.169.254/latest/meta-data", "http://[::ffff:127.0.0.1]/",
    ],
)  # fmt: skip
def test_the_servers_own_network_is_refused_directly_and_behind_a_redirect(web: int, url: str) -> None:
    for address in (url, f"http://web/away?{url}"):
        with pytest.raises(Forbidden, match="not on the public internet"):
            get(address, web)


def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(web: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with one private address among public ones is refused."""

    async def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("8.8.8.8", "10.0.0.1")]

    monkeypatch.setattr("api.http.fetch.anyio.getaddrinfo", resolve)
    with pytest.raises(Forbidden):
        get("http://rebinding.example/", web)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "must begin with http"),
        ("ftp://web/video.mp4", "must begin with http"),
        ("http://", "must begin with http"),
        ("http://user:word@web/", "no user name"),
        ("http://web/away?file:///etc/passwd", "must begin with http"),
        ("http://web/nothing", "status 404"),
        ("http://web/" + "away?/" * (REDIRECTS + 1) + "video.mp4", "redirects"),
        ("http://no-such-host.invalid/", "not known"),
        ("http://[broken/", "not a valid address"),
        ("http://web:99999/", "not a valid address"),
    ],
)
def test_addresses_that_cannot_be_fetched_say_why(web: int, url: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        get(url, web)
