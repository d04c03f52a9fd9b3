"""A real OpenSearch node: a JVM of our own, on free ports, in a private directory."""

import json
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local import jars
from deploy.local.errors import LocalClusterError
from deploy.local.ports import free_ports
from deploy.local.releases import NEWEST, Release
from deploy.local.service import START_SECONDS, Service

_ATTEMPTS = 3  # another process may take a port between our look and the node's bind
# Loopback only, as there is no password; and never read-only because the disk is rather full.
_SETTINGS = ("network.host=127.0.0.1", "cluster.routing.allocation.disk.threshold_enabled=false")


@dataclass(frozen=True)
class Place:
    """Where a node answers."""

    name: str
    http: int
    """Port for clients."""
    transport: int
    """Port for other nodes."""


class LocalOpenSearch(Service):
    """An OpenSearch node of one JVM, alone or at its place in a cluster of several.

    `heap` is the JVM's, as Java writes it. `quick` starts sooner and serves slower: for tests, not
    for figures. Alone it finds ports of its own; in `members`, `place` among them, it keeps those.
    """

    def __init__(
        self,
        directory: Path,
        *,
        heap: str = "512m",
        quick: bool = False,
        outlive: bool = False,
        release: Release = NEWEST,
        token: str | None = None,
        place: Place | None = None,
        members: Sequence[Place] = (),
    ) -> None:
        name = place.name if place else "opensearch"
        super().__init__(name, directory, token=token, outlive=outlive)
        self.heap = heap
        self.quick = quick
        self.release = release
        self.members = members
        self._place = place

    @property
    def cluster(self) -> str:
        """Name of its cluster, which nobody else has."""
        return self.token

    @property
    def url(self) -> str:
        """Where it answers; '' before the first start of a node alone."""
        return f"http://127.0.0.1:{self._place.http}" if self._place else ""

    def start(self, timeout: float = START_SECONDS) -> None:
        """Start the node and return once it answers; `timeout` in seconds."""
        jars.fetch(self.release)
        deadline = time.monotonic() + timeout
        for attempt in range(_ATTEMPTS):
            if not self.members:
                self._place = Place(self.name, *free_ports(2))
            self.launch()
            try:
                return self.wait(deadline)
            except LocalClusterError:
                if not self._port_was_taken or attempt == _ATTEMPTS - 1:
                    raise

    def command(self) -> Sequence[str]:
        """Java, with the settings of the node."""
        assert self._place is not None, "a node that is launched has its ports"
        folder = jars.fetch(self.release)
        java = [str(self.release.java()), f"-Xms{self.heap}", f"-Xmx{self.heap}"]
        java += ["-XX:+UseSerialGC"]
        if self.quick:  # the first compiler only: 5 s of CPU until the node answers, not 10
            java.append("-XX:TieredStopAtLevel=1")
        java += [*self.release.options, "-cp", jars.class_path(folder), "LocalNode"]
        settings = [f"cluster.name={self.cluster}", f"node.name={self._place.name}"]
        settings += [f"http.port={self._place.http}", f"transport.port={self._place.transport}"]
        return [*java, str(self.directory), *_SETTINGS, *settings, *self._discovery()]

    def _discovery(self) -> list[str]:
        if not self.members:
            return ["discovery.type=single-node"]
        seeds = ",".join(f"127.0.0.1:{member.transport}" for member in self.members)
        names = ",".join(member.name for member in self.members)
        return [
            "discovery.type=zen",
            f"discovery.seed_hosts={seeds}",
            f"cluster.initial_cluster_manager_nodes={names}",
        ]

    def answers(self) -> bool:
        """Whether it knows the state of its cluster, and alone has found its data."""
        health = self.health()
        return bool(health) and (bool(self.members) or health["status"] != "red")

    def health(self) -> dict[str, Any]:
        """Its cluster's health, or nothing while there is none to tell."""
        try:
            with urllib.request.urlopen(f"{self.url}/_cluster/health", timeout=5) as answer:
                health: dict[str, Any] = json.load(answer)
        except (OSError, ValueError):
            return {}
        # Another node may sit on the port: the name is ours alone.
        return health if health.get("cluster_name") == self.cluster else {}

    def reason(self, console: str) -> str:
        """Why the JVM (which then says little) or the node in it did not start, in one line."""
        lines = [line.strip() for line in console.splitlines() if line.strip()]
        if "Cluster Name:" not in console:
            return " ".join(lines[:3])
        found = (line for line in reversed(lines) if "Exception" in line)
        return next(found, "no reason given")[:300]

    @property
    def _port_was_taken(self) -> bool:
        return "BindException" in self.log.read_text(errors="replace")
