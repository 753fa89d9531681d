"""The signed cookie of a logged-in browser. It holds a key's id and an expiry time, and not the key itself."""

import hmac
import time
from contextvars import ContextVar
from hashlib import sha256

from api.keys import ApiKey, KeyStore

COOKIE = "transitive_session"
SESSION_S = 12 * 3600
# whether the request that is being answered came from a logged-in browser; the pages then have a button to log out
LOGGED_IN: ContextVar[bool] = ContextVar("logged_in", default=False)


def session_for(key: ApiKey, now: float | None = None) -> str:
    """Return the cookie's text for a key."""
    ends = int((time.time() if now is None else now) + SESSION_S)
    return f"{key.id}.{ends}.{_signature(key, ends)}"


def key_of_session(text: str, keys: KeyStore) -> ApiKey | None:
    """Return the key of a cookie; None if the cookie has expired or was changed, or if its key was revoked."""
    key_id, _, rest = text.partition(".")
    ends, _, signature = rest.partition(".")
    key = keys.get(key_id)
    if key is None or not (ends.isascii() and ends.isdigit() and len(ends) < 12) or int(ends) < time.time():
        return None
    same = hmac.compare_digest(signature.encode(), _signature(key, int(ends)).encode())
    return key if same else None


def _signature(key: ApiKey, ends: int) -> str:
    """Sign with the stored hash, which only this server and the key's owner can know."""
    return hmac.new(key.hash.encode(), f"{key.id}.{ends}".encode(), sha256).hexdigest()
