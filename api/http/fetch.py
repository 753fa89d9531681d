"""Download of a video from an http(s) address on the public internet.

Used only if TRANSITIVE_ALLOW_URLS is set. A server that fetches addresses from strangers can be made to read its own
network (SSRF). This module therefore resolves the host itself and requires every resolved address to be public. It
connects to a checked address, because a second lookup could give another one. Every redirect is checked in the same
way.
"""

import ipaddress
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from urllib.parse import unquote, urljoin, urlsplit

import anyio
import httpcore
from httpcore import AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream

from api.http.problems import Forbidden
from graph.errors import InvalidInput

REDIRECTS = 5
CONNECT_S = 10.0
READ_S = 30.0  # of silence
TOTAL_S = 1800.0
# IPv4-compatible addresses (RFC 4291) and the local NAT64 prefix (RFC 8215) can reach a private IPv4 network
_INTO_IPV4 = (ipaddress.ip_network("::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_MOVED = (301, 302, 303, 307, 308)


def public(address: str) -> bool:
    """Return whether an IP address is public; an IPv4 address inside an IPv6 address is extracted first."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if any(ip in network for network in _INTO_IPV4):
            return False
        # 6to4, Teredo, NAT64 and mapped addresses carry an IPv4 address that a gateway would turn them into
        nat64 = ip in ipaddress.ip_network("64:ff9b::/96")
        inner = ip.ipv4_mapped or ip.sixtofour or (ipaddress.ip_address(int(ip) & 0xFFFFFFFF) if nat64 else None)
        if ip.teredo is not None or (inner is not None and not public(str(inner))):
            return False
        if inner is not None:
            return True
    return ip.is_global and not ip.is_multicast


class PublicNetwork(AsyncNetworkBackend):
    """Connections of httpcore, to public addresses only."""

    def __init__(self) -> None:
        self._backend = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Resolve `host`, check every address, and connect to the first one; raises `Forbidden`."""
        try:
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            raise InvalidInput(f"The host {host} is not known. Check the address.") from None
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(public(address) for address in addresses):
            raise Forbidden(f"The host {host} is not on the public internet; videos are not fetched from there.")
        return await self._backend.connect_tcp(addresses[0], port, timeout, local_address, socket_options)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        url.encode("ascii")
        _ = parts.port
    except ValueError as error:
        raise InvalidInput(f"{url!r} is not a valid address ({error}). Percent-encode what is not ASCII.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput("The url must begin with http:// or https:// and name a host.")
    if parts.username or parts.password:
        raise InvalidInput("The url must hold no user name or password.")
    return url


@asynccontextmanager
async def fetch(
    url: str, network: AsyncNetworkBackend | None = None
) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
    """Open `url`, following redirects; yields the file's name and its bytes.

    Raises:
        InvalidInput: the address cannot be fetched.
        Forbidden: it, or a redirect from it, leads to an address that is not public.
    """
    timeouts = {"connect": CONNECT_S, "read": READ_S, "write": READ_S, "pool": CONNECT_S}
    try:
        with anyio.fail_after(TOTAL_S):
            async with httpcore.AsyncConnectionPool(network_backend=network or PublicNetwork()) as pool:
                for _ in range(REDIRECTS + 1):
                    async with pool.stream("GET", _checked(url), extensions={"timeout": timeouts}) as response:
                        location = next((v for k, v in response.headers if k.lower() == b"location"), None)
                        if response.status in _MOVED and location is not None:
                            url = urljoin(url, location.decode("latin-1"))
                            continue
                        if response.status != 200:
                            raise InvalidInput(f"{url} answered with status {response.status}, not with a video.")
                        yield unquote(urlsplit(url).path), response.aiter_stream()
                        return
                raise InvalidInput(f"{url} was reached by more than {REDIRECTS} redirects. Name the file itself.")
    except TimeoutError:
        raise InvalidInput(f"Fetching {url} took longer than {TOTAL_S:.0f} s. Put the file on the server.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
        raise InvalidInput(f"{url} could not be fetched ({type(error).__name__}: {error}).") from error
