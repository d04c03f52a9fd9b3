"""The one OpenSearch node a release of a test run, started when the first test asks for it.

pytest-xdist's workers come and go, so the node belongs to the process that outlasts them: its
controller (or pytest itself). A worker asks and is answered through files in a shared folder.
"""

import shutil
import tempfile
import threading
import time
from pathlib import Path

from deploy.local.errors import JarsError, JavaError, LocalClusterError
from deploy.local.node import LocalOpenSearch
from deploy.local.releases import Release

WAIT_SECONDS = 300.0  # a first run fetches the jars; the node's own start is bounded by itself


class NodeOwner:
    """The controller's side: starts the node on demand in a thread, stops it on `close`."""

    def __init__(self, release: Release) -> None:
        self._release = release
        self.folder = Path(tempfile.mkdtemp(prefix="scenesift-tests-"))
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="opensearch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the node, if it was started, and remove the folder."""
        self._done.set()
        self._thread.join()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _serve(self) -> None:
        while not (self.folder / "wanted").exists():
            if self._done.wait(0.1):
                return
        try:
            with LocalOpenSearch(self.folder / "node", quick=True, release=self._release) as node:
                self._answer("url", node.url)
                self._done.wait()
        except (JarsError, JavaError) as error:
            self._answer("missing", str(error))
        except LocalClusterError as error:
            self._answer("failed", str(error))

    def _answer(self, name: str, text: str) -> None:
        part = self.folder / f"{name}.part"
        part.write_text(text)
        part.rename(self.folder / name)


def shared_url(folder: Path) -> str:
    """The node's URL, waited for; JarsError where it cannot be had here, else LocalClusterError."""
    (folder / "wanted").touch()
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if (folder / "url").exists():
            return (folder / "url").read_text()
        if (folder / "missing").exists():
            raise JarsError((folder / "missing").read_text())
        if (folder / "failed").exists():
            raise LocalClusterError((folder / "failed").read_text())
        time.sleep(0.1)
    raise LocalClusterError(f"the shared node did not answer within {WAIT_SECONDS:.0f} s")
