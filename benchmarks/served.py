"""A running query service over the corpus on OpenSearch, and clients that ask over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import archives
from benchmarks.coded import coded, rows_of
from benchmarks.corpus import Corpus
from deploy.local.node import LocalOpenSearch
from deploy.local.ports import free_ports
from scenesift.archive import Archive

_HEAP = "2g"
_BATCH = 10_000
_START_SECONDS = 120.0
_STOP_SECONDS = 30.0


class Client:
    """Posts JSON; each thread keeps a connection of its own, as cheaply as the standard library."""

    def __init__(self, url: str) -> None:
        self._netloc = urlsplit(url).netloc
        self._own = threading.local()

    def post(self, path: str, body: bytes, content_type: str = "application/json") -> bytes:
        """The answer; RuntimeError where it is not 200."""
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection(self._netloc, timeout=60)
        connection.request("POST", path, body, {"Content-Type": content_type})
        answer = connection.getresponse()
        content: bytes = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {content[:300]!r}")
        return content


@contextmanager
def indexed(corpus: Corpus) -> Iterator[tuple[Archive, str]]:
    """An archive of the corpus' chips on a node of its own, and the node's address."""
    made = coded(corpus)
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalOpenSearch(Path(scratch) / "node", heap=_HEAP) as node,
        Archive(Path(scratch) / "home", opensearch_url=[node.url]) as archive,
    ):
        started = time.perf_counter()
        archive.home.keep_bundle(made.bundle)
        with archive.writing():
            archive.begin()
            chips = partial(rows_of, corpus, made)
            archives.fill_with(archive.generation, len(corpus.chips), chips, batch=_BATCH)
        _report(f"indexed in {time.perf_counter() - started:.0f} s")
        yield archive, node.url


@contextmanager
def serving(archive: Archive, node: str, workers: int) -> Iterator[tuple[str, int]]:
    """`scenesift serve` on the archive, one torch thread a worker; its address and process id."""
    port = free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "scenesift", "serve", "--home", str(archive.home.path)]
    command += ["--opensearch-url", node, "--port", str(port), "--workers", str(workers)]
    process = subprocess.Popen(
        [*command, "--threads", "1"],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SCENESIFT_SEARCH_SAMPLE": "0"},
    )
    try:
        _wait(process, Client(url))
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)


def _wait(process: subprocess.Popen[bytes], client: Client) -> None:
    """Until a search is answered."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the service ended with {process.returncode}")
        try:
            client.post("/search", text_search("a pier"))
        except (OSError, http.client.HTTPException, RuntimeError):
            client = Client(f"http://{client._netloc}")
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"the service did not answer within {_START_SECONDS:.0f} s")


def text_search(text: str, **more: Any) -> bytes:
    """The body of a search by text."""
    return json.dumps({"text": text, **more}).encode()


def form_with(image: bytes) -> tuple[bytes, str]:
    """The body of a search by an image file, and its type."""
    fence = b"----------------scene"
    head = b'Content-Disposition: form-data; name="image"; filename="image.jpg"'
    body = b"\r\n".join([b"--" + fence, head, b"", image, b"--" + fence + b"--", b""])
    return body, f"multipart/form-data; boundary={fence.decode()}"


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
