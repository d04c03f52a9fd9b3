"""An S3 server in a process of its own."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scenestore.cache import Cache
from scenestore.object_connection import Bounds, connect
from scenestore.object_store import ObjectStore

_START_SECONDS = 60.0
BOUNDS = Bounds()
KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"}
"""Any will do."""


@dataclass(frozen=True)
class S3Server:
    """Its address, and buckets on it."""

    url: str

    def bucket(self) -> str:
        """The name of a new bucket."""
        name = f"b{secrets.token_hex(6)}"
        request = urllib.request.Request(f"{self.url}/{name}", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
        return name

    def store(self, bucket: str, cache: Path, bounds: Bounds = BOUNDS) -> ObjectStore:
        """A store in a bucket."""
        url = f"s3://{bucket}/archive"
        return connect(url, Cache(cache, 1 << 30), self.url, "us-east-1", bounds)


@contextmanager
def s3_server(**environment: str) -> Iterator[S3Server]:
    """A server on a free port, quiet, until the block is left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment or None
    )
    try:
        _wait_for(port, process)
        yield S3Server(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the S3 server did not start")
