"""A connection that gives callers neither for ever nor all memory, and that ends in good manner.

uvicorn bounds only how long a connection is idle after an answer; `BodyLimit` bounds the body.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_SECONDS = 10.0
"""In which the head of a request has come, from the connection or from its first byte."""
HEAD_BYTES = 64 << 10
"""Of the head: request line and headers."""
HEADERS = 128
"""Of one request, those after a body in pieces too; browsers send some 20."""
AHEAD = 16
"""Requests that a connection may send before the first one is answered."""
SPARE = 64
"""Connections beyond `limit_concurrency` whose requests are answered with 503; further ones are
closed at once, as each takes one of the files that a process may have open."""
STILL_SECONDS = 30.0
"""In which a caller takes STILL_BYTES of an answer, or all that is left of it; and in which the
rest of a body has come that nobody reads any more."""
STILL_BYTES = 64 << 10
LAST_SECONDS = 1.0
"""When the service ends, a connection without a request is open for so long: one may be on its
way, and would be lost."""
_AROUND = 8
"""A body that comes in pieces of one byte has six bytes for each."""


class _RefusedError(Exception):
    """Ends the reading of what is too much."""


class Connection(HttpToolsProtocol):
    """For `uvicorn.Config(http=...)`."""

    _timer: TimerHandle | None = None
    _read = 0
    _is_last = False
    _is_head = False
    """Whether a head has begun, and not ended."""
    _body = 0
    """Bytes of a body in the piece that is being taken."""
    _since: float | None = None
    """When `check` first found that it may stand still."""
    _unsent = 0
    """Bytes of answers that it had not taken then."""
    _last_cycle: object = None
    """The request that it was at then."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller has connected, and owes a head."""
        super().connection_made(transport)
        if self.limit_concurrency and len(self.connections) > self.limit_concurrency + SPARE:
            transport.abort()
            return
        self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def on_message_begin(self) -> None:
        """The first byte of a head has come."""
        super().on_message_begin()
        self._is_head = True
        if self._timer is None:  # of a further request on the connection
            self._timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header has come."""
        if len(self.headers) >= HEADERS:
            raise _RefusedError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._disarm()
        self._is_head = False
        if len(self.pipeline) >= AHEAD:
            raise _RefusedError
        super().on_headers_complete()
        if self._is_last and self._at is not None:
            self._at.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A piece of a body has come."""
        self._body += len(body)
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        """Take bytes; refuse a head that does not end, and what comes around a body without end."""
        self._body = 0
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._timer is not None:
            self._read += len(data) - self._body  # that of the request before
        elif self._at is not None and self._at.more_body:
            self._read += max(0, len(data) - _AROUND * self._body)
        if self._read > HEAD_BYTES:
            self._disarm()
            self.send_400_response(f"The head of the request is larger than {HEAD_BYTES} bytes.")

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller has gone."""
        self._disarm()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The service ends: answer what is on its way, and close.

        A request that comes now is answered with `Connection: close`, as the one that is being
        answered is.
        """
        if self._is_last:
            return
        self._is_last = True
        if self._is_answering:
            super().shutdown()
            return
        self._unset_keepalive_if_required()
        self.loop.call_later(LAST_SECONDS, self._close_idle)

    def check(self, now: float) -> None:
        """Give up a caller that stands still; to be called from time to time."""
        unsent = self.transport.get_write_buffer_size()
        if not unsent and not self._is_left_over:
            self._since = None
        elif self._since is None or self._last_cycle is not self.cycle:
            self._since, self._unsent, self._last_cycle = now, unsent, self.cycle
        elif now - self._since > STILL_SECONDS:
            if self._is_left_over or unsent > self._unsent - STILL_BYTES:
                self.transport.abort()
            self._since = None

    @property
    def _is_left_over(self) -> bool:
        """Whether an answer is out while its request still comes: no other bound holds then."""
        return (
            self._at is not None
            and self._at.response_complete
            and self.timeout_keep_alive_task is None
            and self._timer is None
        )

    @property
    def _is_answering(self) -> bool:
        return self._at is not None and not self._at.response_complete

    @property
    def _at(self) -> RequestResponseCycle | None:
        """The request that came last."""
        return self.cycle

    def _disarm(self) -> None:
        self._read = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _close_idle(self) -> None:
        if not self._is_head and not self._is_answering and not self.transport.is_closing():
            self.transport.close()
