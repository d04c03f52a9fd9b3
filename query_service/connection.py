"""A connection that gives callers neither for ever nor all memory for the head of a request.

uvicorn bounds only how long a connection is idle after an answer; `BodyLimit` bounds the body.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""In which the head of a request has come, from the connection or from its first byte."""
HEAD_BYTES = 64 << 10
"""Of the head: request line and headers."""


class Connection(HttpToolsProtocol):
    """For `uvicorn.Config(http=...)`."""

    _timer: TimerHandle | None = None
    _read = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller has connected, and owes a head."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def on_message_begin(self) -> None:
        """The first byte of a head has come."""
        super().on_message_begin()
        if self._timer is None:  # of a further request on the connection
            self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._disarm()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take bytes; refuse a head that does not end."""
        super().data_received(data)
        if self._timer is None or self.transport.is_closing():
            return
        self._read += len(data)
        if self._read > HEAD_BYTES:
            self._disarm()
            self.send_400_response(f"The head of the request is larger than {HEAD_BYTES} bytes.")

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller has gone."""
        self._disarm()
        super().connection_lost(exc)

    def _disarm(self) -> None:
        self._read = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
