"""The server's HTTP/1.1 protocol, with time limits for clients that send or read too slowly.

uvicorn has no such limits. Half a header, half a body, or a response that the client does not read would keep a
connection open for ever.
"""

import asyncio
from functools import partial
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

PROGRESS_BYTES = 16 * 1024  # minimum part of a body within one time limit; single bytes do not extend it
_TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_RECEIVING = (h11.IDLE, h11.SEND_BODY)


class PatientProtocol(H11Protocol):
    """uvicorn's protocol with a limit of `seconds` for a header, for a part of a body, and for reading a response."""

    def __init__(self, *arguments: Any, seconds: float, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._seconds = seconds
        self._deadline: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._received = 0
        self._state: object = h11.IDLE

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first header."""
        super().connection_made(transport)
        self._rearm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take data, and set the limit for what is still missing."""
        super().data_received(data)
        self._received += len(data)
        state = self.conn.their_state
        if state not in _RECEIVING:
            self._disarm()
        elif (
            self._deadline is None
            or state is not self._state
            or (state is h11.SEND_BODY and self._received >= PROGRESS_BYTES)
        ):
            self._rearm()
        self._state = state

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read its answer."""
        super().pause_writing()
        self._reading = self.loop.call_later(self._seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting: the client reads."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        super().resume_writing()

    def _rearm(self) -> None:
        self._disarm()
        self._received = 0
        self._deadline = self.loop.call_later(self._seconds, self._too_late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if self.transport.is_closing() or self.conn.their_state not in _RECEIVING:
            return
        if self.flow.read_paused:  # the application is slow, not the client
            self._rearm()
            return
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self.transport.write(_TIMEOUT)
        self.transport.close()


def patient_protocol(seconds: float) -> type[asyncio.Protocol]:
    """Return the protocol with this limit, for `uvicorn.Config(http=...)`."""
    return cast("type[asyncio.Protocol]", partial(PatientProtocol, seconds=seconds))
