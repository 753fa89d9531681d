"""Limits of one API key: requests per second, and requests at the same time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from api.http.problems import TooManyRequests


@dataclass
class _Use:
    tokens: float  # requests that are allowed now
    filled_at: float  # seconds of the monotonic clock
    running: int = 0


class Usage:
    """The usage of each key, for one event loop. The rate limit is a token bucket with the requests of one second."""

    def __init__(self, per_second: float, at_once: int) -> None:
        """Set the limits; 0 means no limit."""
        self._per_second, self._at_once = per_second, at_once
        self._uses: dict[str, _Use] = {}

    @contextmanager
    def counted(self, key_id: str) -> Iterator[None]:
        """Count a request of this key during the block; raises `TooManyRequests`."""
        now = time.monotonic()
        full = max(self._per_second, 1.0)
        use = self._uses.setdefault(key_id, _Use(full, now))
        use.tokens = min(full, use.tokens + (now - use.filled_at) * self._per_second)
        use.filled_at = now
        if self._per_second and use.tokens < 1:
            raise TooManyRequests(
                f"This key may send {self._per_second:g} requests a second (TRANSITIVE_REQUESTS_PER_SECOND). Wait."
            )
        if self._at_once and use.running >= self._at_once:
            raise TooManyRequests(
                f"This key may have {self._at_once} requests at once (TRANSITIVE_CONCURRENT_REQUESTS). Wait for one."
            )
        use.tokens -= 1
        use.running += 1
        try:
            yield
        finally:
            use.running -= 1
