"""A reverse proxy before the real OpenSearch node, which answers some requests itself."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


Answer = tuple[int, Any]
"""Status and body: plain text as it is, anything else as JSON."""


def _pass_all(request: Request) -> Answer | None:
    return None


@contextmanager
def proxy(
    node: str,
    intercept: Callable[[Request], Answer | None] = _pass_all,
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """URL of a proxy that passes on to `node` whatever `intercept` does not answer.

    With `tls` it speaks that to its clients.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            answer = intercept(request)
            status, body = answer or _passed_on(node, request)
            text = isinstance(body, str)
            content = body.encode() if text else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "text/plain" if text else "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            with suppress(ConnectionError):  # the client may have given up waiting
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _passed_on(node: str, request: Request) -> Answer:
    headers = {"content-type": request.headers.get("content-type", "application/json")}
    onward = urllib.request.Request(
        node + request.path, request.body or None, headers, method=request.method
    )
    try:
        with urllib.request.urlopen(onward, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
