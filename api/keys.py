"""Store of a home's API keys: create, list, revoke, and look up by the secret that a client presents.

HOME/secrets/api_keys.json holds a key's id, name, scope and the SHA-256 of its secret; the secret itself is shown once.
A secret has 256 random bits, so a slow password hash would add nothing (docs/decisions/0501-keys-in-a-file.md).
"""

import hmac
import ipaddress
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from filelock import FileLock

from graph.atomic_write import PRIVATE, atomic_write
from graph.errors import InvalidInput, NotFound, StorageError
from graph.settings import Settings

PREFIX = "tik"  # of a key's text, by which a scanner of secrets can find one
_LONGEST_NAME = 100


class Scope(StrEnum):
    """The permissions of a key; each scope includes those before it."""

    READ = "read"  # look at everything, search, embed pictures
    INGEST = "ingest"  # add videos, embed patches
    ADMIN = "admin"  # link, train, change and delete

    def includes(self, other: "Scope") -> bool:
        """Return whether this scope includes `other`."""
        order = list(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The stored part of a key, without its secret."""

    id: str
    name: str
    scope: Scope
    hash: str  # SHA-256 of the secret, hexadecimal
    created_at: str  # ISO 8601, UTC


class KeyStore:
    """The keys of one home; safe to share between threads and processes. A revoked key ends at its next use."""

    def __init__(self, home: Path) -> None:
        """Use the file of `home`; it need not exist."""
        self._file = home.absolute() / "secrets" / "api_keys.json"
        self._seen: tuple[int, int] | None = None
        self._keys: dict[str, ApiKey] = {}

    def create(self, name: str, scope: Scope) -> tuple[ApiKey, str]:
        """Make a key and return it with its text, which cannot be read again. Raises `InvalidInput` for a bad name."""
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise InvalidInput(f"A key's name has 1 to {_LONGEST_NAME} printable characters.")
        secret = secrets.token_urlsafe(32)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        key = ApiKey(secrets.token_hex(4), name, scope, _hash(secret), created)
        with self._changing() as keys:
            keys[key.id] = key
        return key, f"{PREFIX}_{key.id}_{secret}"

    def revoke(self, key_id: str) -> ApiKey:
        """Remove a key; raises `NotFound`."""
        with self._changing() as keys:
            if key_id not in keys:
                raise NotFound(f"There is no key {key_id}. `transitive key list` shows those there are.")
            return keys.pop(key_id)

    def all(self) -> list[ApiKey]:
        """Return the keys, oldest first."""
        return sorted(self._read().values(), key=lambda key: (key.created_at, key.id))

    def get(self, key_id: str) -> ApiKey | None:
        """Return the key with this id."""
        return self._read().get(key_id)

    def find(self, text: str) -> ApiKey | None:
        """Return the key that a client presents, None for a wrong or revoked one."""
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        key = self.get(key_id)
        # the same work for an unknown id as for a wrong secret
        same = hmac.compare_digest(_hash(secret), key.hash if key else "0" * 64)
        return key if key is not None and same and prefix == PREFIX else None

    def _read(self) -> dict[str, ApiKey]:
        """Read the file if it changed since the last time."""
        try:
            stat = self._file.stat()
        except FileNotFoundError:
            return {}
        version = (stat.st_mtime_ns, stat.st_ino)  # each change makes another file
        if version != self._seen:
            try:
                rows = json.loads(self._file.read_text())
                self._keys = {row["id"]: ApiKey(**{**row, "scope": Scope(row["scope"])}) for row in rows}
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise StorageError(f"{self._file} cannot be read ({error}). Restore it, or delete it.") from None
            self._seen = version
        return self._keys

    @contextmanager
    def _changing(self) -> Iterator[dict[str, ApiKey]]:
        """Hold the file's lock, and write the dict that the block changed."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(self._file.with_suffix(".lock"), mode=PRIVATE):
            keys = dict(self._read())
            yield keys
            atomic_write(self._file, json.dumps([asdict(key) for key in keys.values()], indent=1), PRIVATE)


def _hash(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=64)  # it is asked at every request, and parsing an address takes 10 µs
def is_loopback(host: str) -> bool:
    """Return whether an address or name reaches this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]").split("%", 1)[0]).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def refuse_open_door(settings: Settings) -> None:
    """Raise `InvalidInput` if the API would listen beyond this machine although no key was made."""
    if not is_loopback(settings.host) and not KeyStore(settings.home).all():
        raise InvalidInput(
            f"TRANSITIVE_HOST is {settings.host}, so others could reach the API, and this home has no key. "
            "`transitive key create NAME --scope admin` makes one."
        )
