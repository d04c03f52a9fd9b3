"""SceneSift at full size: OpenSearch nodes, Redis and workers, each one to kill at will."""

import fcntl
import json
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import psutil

from deploy.local import jars
from deploy.local.errors import LocalClusterError
from deploy.local.node import LocalOpenSearch, Place
from deploy.local.ports import free_ports
from deploy.local.redis_server import LocalRedis
from deploy.local.service import START_SECONDS, STOP_SECONDS, Service, new_token, of_token
from deploy.local.worker import LocalWorker

NODES = 3
WORKERS = 2
HEAP = "320m"


@dataclass(frozen=True)
class Layout:
    """The ports of a cluster, and the token that marks its processes."""

    token: str
    nodes: tuple[Place, ...]
    redis: int

    @classmethod
    def new(cls) -> Self:
        """Free ports and a fresh token."""
        ports = iter(free_ports(2 * NODES + 1))
        names = [f"opensearch-{number + 1}" for number in range(NODES)]
        nodes = tuple(Place(name, next(ports), next(ports)) for name in names)
        return cls(new_token(), nodes, next(ports))

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """The layout that was written there; None where there is none."""
        try:
            kept = json.loads(file.read_text())
        except (FileNotFoundError, ValueError):  # killed before anything was started
            return None
        return cls(kept["token"], tuple(Place(**node) for node in kept["nodes"]), kept["redis"])

    def write(self, file: Path) -> None:
        """Keep it, before anything of it is started."""
        file.write_text(json.dumps(asdict(self)))


class LocalCluster:
    """Three OpenSearch nodes, a Redis and workers; as a context manager started and stopped."""

    def __init__(
        self,
        directory: Path,
        *,
        layout: Layout | None = None,
        quick: bool = False,
        outlive: bool = False,
        workers: int = 0,
    ) -> None:
        self.directory = directory.resolve()
        self.layout = layout or Layout.new()
        self.nodes = tuple(
            LocalOpenSearch(
                self.directory / place.name,
                heap=HEAP,
                quick=quick,
                outlive=outlive,
                token=self.layout.token,
                place=place,
                members=self.layout.nodes,
            )
            for place in self.layout.nodes
        )
        self.redis = LocalRedis(
            self.directory / "redis",
            port=self.layout.redis,
            token=self.layout.token,
            outlive=outlive,
        )
        self.workers = tuple(
            LocalWorker(
                self.directory / f"worker-{number + 1}",
                self.settings,
                token=self.layout.token,
                outlive=outlive,
            )
            for number in range(workers)
        )

    @property
    def services(self) -> Sequence[Service]:
        """In the order in which they are started."""
        return (*self.nodes, self.redis, *self.workers)

    @property
    def settings(self) -> Mapping[str, str]:
        """The environment variables that point SceneSift at it."""
        return {
            "SCENESIFT_HOME": str(self.directory / "home"),
            "SCENESIFT_STORE": str(self.directory / "store"),
            "SCENESIFT_REDIS_URL": self.redis.url,
            "SCENESIFT_OPENSEARCH_URL": ",".join(node.url for node in self.nodes),
        }

    def start(self, timeout: float = START_SECONDS) -> None:
        """Start what is not running and return once everything serves; `timeout` in seconds."""
        jars.fetch()
        deadline = time.monotonic() + timeout
        _start((*self.nodes, self.redis), deadline)
        self.wait(deadline)
        _start(self.workers, deadline)

    def wait(self, deadline: float) -> None:
        """Return once all nodes are one cluster that serves all its data."""
        while time.monotonic() < deadline:
            states = [node.health() for node in self.nodes]
            if all(
                state and state["number_of_nodes"] == NODES and state["status"] != "red"
                for state in states
            ):
                return
            time.sleep(0.1)
        raise LocalClusterError(
            f"the nodes did not become one cluster in time: see {self.directory}/*/console.log"
        )

    def stop(self) -> None:
        """Stop everything, in the reverse order."""
        for service in reversed(self.services):
            service.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def _start(services: Sequence[Service], deadline: float) -> None:
    """Start those that do not run, all at once, and wait for them."""
    missing = [service for service in services if not service.running]
    for service in missing:
        service.launch()
    for service in missing:
        service.wait(deadline)


def up(directory: Path, *, quick: bool = False, workers: int = WORKERS) -> LocalCluster:
    """Start in `directory` what of a cluster does not run there yet; write its `env` file."""
    with _alone(directory):
        file = directory / "cluster.json"
        layout = Layout.read(file)
        running = dict(_leaders(layout.token)) if layout else {}
        if layout is None or not running:
            layout = Layout.new()
            layout.write(file)
        cluster = LocalCluster(directory, layout=layout, quick=quick, outlive=True, workers=workers)
        for service in cluster.services:
            if service.name in running:
                service.adopt(running[service.name])
        cluster.start()
        settings = (f"{name}={shlex.quote(value)}" for name, value in cluster.settings.items())
        (directory / "env").write_text("\n".join(settings) + "\n")
    return cluster


def down(directory: Path) -> list[str]:
    """Stop what `up` started in `directory`, even half-way, its data kept; the names of it."""
    if not directory.is_dir():
        return []
    with _alone(directory):
        file = directory / "cluster.json"
        layout = Layout.read(file)
        leaders = dict(_leaders(layout.token)) if layout else {}
        for process in leaders.values():
            process.terminate()
        psutil.wait_procs(list(leaders.values()), STOP_SECONDS)
        for _, process in of_token(layout.token) if layout else ():
            process.kill()
            process.wait()
        file.unlink(missing_ok=True)
        (directory / "env").unlink(missing_ok=True)
        return sorted(leaders)


def _leaders(token: str) -> Iterator[tuple[str, psutil.Process]]:
    """The processes of a cluster that are no children of others of it, by service."""
    found = list(of_token(token))
    ours = {process.pid for _, process in found}
    return ((name, process) for name, process in found if process.ppid() not in ours)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Let no other `up` or `down` work there meanwhile."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
