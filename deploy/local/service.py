"""A server process of our own: started, waited for, stopped, killed, and told from all others."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

from deploy.local.errors import LocalClusterError

STOP_SECONDS = 20.0
START_SECONDS = 180.0
_MARK = "LOCAL_CLUSTER"
"""Environment variable of everything that we start: `TOKEN SERVICE`, inherited by its children."""


class Service(ABC):
    """A server of one process; as a context manager it is started and stopped.

    `directory` holds its data and `console.log`; a second start there finds the data again. The
    process dies with the thread that started it, unless `outlive` is set. `token` marks the
    processes that belong together.
    """

    def __init__(
        self, name: str, directory: Path, *, token: str | None = None, outlive: bool = False
    ) -> None:
        self.name = name
        self.directory = directory.resolve()
        self.token = token or new_token()
        self.outlive = outlive
        self._process: psutil.Process | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """What to run."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves by now."""

    def environment(self) -> Mapping[str, str]:
        """What the command finds in its environment beside our own."""
        return {}

    def reason(self, console: str) -> str:
        """Why it stopped while starting, from what it wrote, in one line."""
        return " ".join(console.split())[-300:] or "it gave no reason"

    @property
    def log(self) -> Path:
        """What it writes to its console."""
        return self.directory / "console.log"

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and _is_alive(self._process)

    @property
    def pid(self) -> int:
        """Process id."""
        if self._process is None:
            raise LocalClusterError(f"the local {self.name} is not running: start it first")
        return self._process.pid

    def start(self, timeout: float = START_SECONDS) -> None:
        """Start it and return once it serves; `timeout` in seconds."""
        self.launch()
        self.wait(time.monotonic() + timeout)

    def launch(self) -> None:
        """Start its process, which serves some time later."""
        self.directory.mkdir(parents=True, exist_ok=True)
        leash = [] if self.outlive else _leash()
        mark = {_MARK: f"{self.token} {self.name}"}
        with self.log.open("wb") as console:
            self._process = psutil.Popen(
                [*leash, *self.command()],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment(), **mark},
                start_new_session=True,
            )

    def wait(self, deadline: float) -> None:
        """Return once it serves; what does not until `deadline` (monotonic) is stopped."""
        try:
            while time.monotonic() < deadline:
                if not self.running:
                    said = self.reason(self.log.read_text(errors="replace"))
                    raise LocalClusterError(
                        f"{self.name} stopped while starting: {said}; see {self.log}"
                    )
                if self.answers():
                    return
                time.sleep(0.1)
            raise LocalClusterError(f"{self.name} was not ready in time: see {self.log}")
        except BaseException:
            self.stop()
            raise

    def adopt(self, process: psutil.Process) -> None:
        """Take a process that an earlier run of ours started for this service."""
        self._process = process

    def stop(self) -> None:
        """Stop it if it runs: ask, wait a bounded time, then kill; on return it is gone."""
        if self._process is None:
            return
        with suppress(psutil.NoSuchProcess):
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Kill it and its children at once, as a power cut would; on return it is gone."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def new_token() -> str:
    """A name that nobody else has."""
    return f"scenesift-{secrets.token_hex(4)}"


def of_token(token: str) -> Iterator[tuple[str, psutil.Process]]:
    """Every running process that was started with the token, children too, by service."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            marked, _, service = process.environ().get(_MARK, "").partition(" ")
            if marked == token and _is_alive(process):
                yield service, process


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _leash() -> list[str]:
    """A prefix that has the kernel stop the command when its parent dies (util-linux, Linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []
