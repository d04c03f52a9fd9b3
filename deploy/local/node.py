"""One real OpenSearch node: a JVM of our own, on a free port, in a private directory."""

import json
import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.local import jars
from deploy.local.errors import LocalClusterError
from deploy.local.releases import NEWEST, Release

RUNNER = "org.codelibs.opensearch.runner.OpenSearchRunner"
# The runner takes the first free port above the base it is given, and none above 9299.
BASE_PORTS = range(9200, 9280)
ATTEMPTS = 3  # another process may take the port between the runner's look and its bind
STOP_SECONDS = 20.0
# Loopback only, as there is no password; and never read-only because the disk is rather full.
SETTINGS = """\
network.host: 127.0.0.1
cluster.routing.allocation.disk.threshold_enabled: false
"""


class LocalOpenSearch:
    """An OpenSearch node of one JVM; as a context manager it is started and stopped.

    `directory` holds its data and `console.log`; a second start there finds the data again.
    `heap` is the JVM's, as Java writes it. `quick` starts sooner and serves slower: for tests, not
    for figures. The node dies with the thread that started it, unless `outlive` is set.
    """

    def __init__(
        self,
        directory: Path,
        *,
        heap: str = "512m",
        quick: bool = False,
        outlive: bool = False,
        release: Release = NEWEST,
    ) -> None:
        self.directory = directory.resolve()
        self.heap = heap
        self.quick = quick
        self.outlive = outlive
        self.release = release
        self.cluster = f"scenesift-{secrets.token_hex(4)}"
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running node's JVM."""
        if self._process is None:
            raise LocalClusterError("the local OpenSearch node is not running: start it first")
        return self._process.pid

    @property
    def log(self) -> Path:
        """What the node writes to its console."""
        return self.directory / "console.log"

    def start(self, timeout: float = 180.0) -> None:
        """Start the node and return once it answers; `timeout` in seconds."""
        deadline = time.monotonic() + timeout
        command = self._command(self.release.java(), jars.fetch(self.release))
        for attempt in range(ATTEMPTS):
            self._launch(command)
            try:
                self.url = self._wait(deadline)
                return
            except _PortTakenError:
                if attempt == ATTEMPTS - 1:
                    raise
            finally:
                if not self.url:
                    self.stop()

    def stop(self) -> None:
        """Stop the node if it runs: ask, wait a bounded time, then kill; on return it is gone."""
        process, self._process, self.url = self._process, None, ""
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _command(self, program: Path, class_path: Path) -> list[str]:
        leash = [] if self.outlive else _leash()
        java = [str(program), f"-Xms{self.heap}", f"-Xmx{self.heap}", "-XX:+UseSerialGC"]
        if self.quick:  # the first compiler only: 5 s of CPU until the node answers, not 10
            java.append("-XX:TieredStopAtLevel=1")
        java += [*self.release.options, "-cp", f"{class_path}/*", RUNNER]
        java += ["-basePath", str(self.directory), "-numOfNode", "1", "-clusterName", self.cluster]
        return [*leash, *java]

    def _launch(self, command: list[str]) -> None:
        config = self.directory / "node_1" / "config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "opensearch.yml").write_text(SETTINGS)
        with self.log.open("wb") as console:
            self._process = subprocess.Popen(
                [*command, "-baseHttpPort", str(random.choice(BASE_PORTS))],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, deadline: float) -> str:
        """The URL at which this very node is ready, waited for until `deadline`."""
        while time.monotonic() < deadline:
            text = self.log.read_text(errors="replace")
            if self._process is None or self._process.poll() is not None:
                if "BindException" in text or "is unavailable" in text:
                    raise _PortTakenError(f"no free port for OpenSearch: see {self.log}")
                raise LocalClusterError(
                    f"OpenSearch stopped while starting: {_reason(text)}; see {self.log}"
                )
            if port := re.search(r"HTTP Port:\s+(\d+)", text):
                url = f"http://127.0.0.1:{port[1]}"
                health = _health(url)
                # Another node may sit on the port: the name is ours alone.
                if health.get("cluster_name") == self.cluster and health["status"] != "red":
                    return url
            time.sleep(0.1)
        raise LocalClusterError(f"OpenSearch was not ready in time: see {self.log}")


class _PortTakenError(LocalClusterError):
    """Another process took the port first."""


def _leash() -> list[str]:
    """A prefix that has the kernel stop the command when its parent dies (util-linux, Linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _health(url: str) -> dict[str, Any]:
    """The cluster's health, or nothing while nobody answers."""
    try:
        with urllib.request.urlopen(f"{url}/_cluster/health", timeout=5) as answer:
            health: dict[str, Any] = json.load(answer)
    except (OSError, ValueError):
        return {}
    return health


def _reason(console: str) -> str:
    """Why the JVM (which then says little) or the node in it did not start, in one line."""
    lines = [line.strip() for line in console.splitlines() if line.strip()]
    if not console.startswith("Cluster Name:"):
        return " ".join(lines[:3])
    return next((line for line in reversed(lines) if "Exception" in line), "no reason given")[:300]
