"""A link to a server that can be cut and mended: a TCP proxy."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: on and for no time, so that closing resets the connection."""


class Link:
    """Passes bytes on to a server until it is cut; then connections break and none is made."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        assert parts.hostname
        self._target = (parts.hostname, parts.port or 80)
        self._scheme = parts.scheme
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self.broken = 0
        """Connections that a cut broke, or that were refused."""
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address of this end."""
        return f"{self._scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Break all connections, and those that are tried from now on."""
        with self._lock:
            self._is_cut = True
            for end in self._open:
                self._break(end)
            self._open.clear()

    def mend(self) -> None:
        """Let connections through again."""
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        """Cut it for good."""
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._is_cut:
                    self._break(near)
                    continue
                try:
                    far = socket.create_connection(self._target, 5)
                except OSError:
                    self._break(near)
                    continue
                self._open |= {near, far}
            threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        """Both ways, until one end closes."""
        with suppress(OSError), selectors.DefaultSelector() as ready:
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                    if not data:
                        return self._forget(near, far)
                    key.data.sendall(data)
        self._forget(near, far)

    def _forget(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open -= set(ends)
            for end in ends:
                end.close()

    def _break(self, end: socket.socket) -> None:
        self.broken += 1
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def link(target: str) -> Iterator[Link]:
    """A link that ends with the block."""
    made = Link(target)
    try:
        yield made
    finally:
        made.close()
