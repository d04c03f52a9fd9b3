"""The life of `scenesift serve` as processes: they are replaced where they die, and always end."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.command_line import ROOT

MAIN = "from scenesift.cli import main; main()"
SEARCH = {"text": "a red field", "k": 5}
PATIENCE = 90.0
"""Seconds: what takes longer hangs."""


class Running:
    """A service as processes, and what it logs."""

    def __init__(self, process: subprocess.Popen[str], address: str, log: Path) -> None:
        self.process = process
        self.address = address
        self._log = log

    def lines(self) -> list[dict[str, Any]]:
        """What was logged so far."""
        whole = self._log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def said(self, pattern: str, *levels: str) -> list[str]:
        """Messages like that, of those levels."""
        lines = (line for line in self.lines() if not levels or line["level"] in levels)
        return [line["message"] for line in lines if re.search(pattern, line["message"])]

    def traceback(self) -> str:
        """From the first one on; "" where there is none."""
        return "".join(self._log.read_text().partition("Traceback")[1:])

    def pids(self) -> list[int]:
        """Of the processes that serve, or did, in their order."""
        begun = self.said(r"Started server process \[\d+\]")
        return [int(re.findall(r"\d+", message)[-1]) for message in begun]

    def search(self) -> None:
        """One search, over a connection of its own."""
        httpx.post(f"{self.address}/search", json=SEARCH, timeout=PATIENCE).raise_for_status()


@contextmanager
def running(home: Path, folder: Path, *options: object, **variables: str) -> Iterator[Running]:
    """A service; processes of it that a test has left are killed."""
    folder.mkdir()
    arguments = ("serve", "--port", 0, "--home", home, "--threads", 1, "--log-format", "json")
    log = folder / "log"
    with (
        log.open("w") as file,
        subprocess.Popen(
            [sys.executable, "-c", MAIN, *map(str, (*arguments, *options))],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TMPDIR": str(folder),
                "SCENESIFT_SERVE_TIMEOUT": str(PATIENCE),  # models are loaded side by side
                **variables,
            },
        ) as process,
    ):
        assert process.stdout is not None
        address = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert address
        service = Running(process, address[0], log)
        try:
            yield service
        finally:
            process.kill()
            for pid in service.pids():
                if pid != process.pid and is_alive(pid):
                    os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, which is more than an entry of one that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(is_so: Callable[[], object]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "it does not come to be"
        time.sleep(0.05)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_never_answers_does_not_keep_the_processes(
    served_home: Path, model: Path, tmp_path: Path, workers: int
) -> None:
    """Who opens a pipe that nobody writes to waits for ever, and cannot be told to stop."""
    home = Path(shutil.copytree(served_home, tmp_path / "home"))
    for file in [*home.glob("bundles/*/manifest.json")]:
        file.unlink()
        os.mkfifo(file)
    options = ["--model", model, "--workers", workers]
    with running(home, tmp_path / "run", *options, SCENESIFT_SERVE_DRAIN="0.5") as service:
        until(lambda: len(service.pids()) == workers)
        host, port = service.address.removeprefix("http://").split(":")
        body = json.dumps(SEARCH)
        head = f"POST /search HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        asking = [socket.create_connection((host, int(port))) for _ in range(8)]
        for caller in asking:
            caller.sendall((head + body).encode())
        page = httpx.get(f"{service.address}/metrics", timeout=PATIENCE).text
        while "requests_in_progress 9.0" not in page:  # with this one
            page = httpx.get(f"{service.address}/metrics", timeout=PATIENCE).text
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE) == 0
        assert len(service.said("those under way have 0.5 s")) == workers
        left = service.said("ends without waiting for what hangs", "WARNING")
        # Several are ended by the signal once they are done; one alone has to end by itself.
        assert workers > 1 or re.search("search_0", left[0])
        assert not [pid for pid in service.pids() if is_alive(pid)]
        assert not list((tmp_path / "run").glob("scenesift-metrics-*"))
        for caller in asking:
            caller.settimeout(PATIENCE)
            with http.client.HTTPResponse(caller) as answer:
                answer.begin()
                assert (answer.status, answer.getheader("retry-after")) == (503, "1")
            caller.close()
        assert not [line for line in service.lines() if "traceback" in line]


def test_a_worker_that_was_killed_is_replaced_and_the_log_says_how_it_ended(
    served_home: Path, model: Path, tmp_path: Path
) -> None:
    options = ["--model", model, "--workers", 2]
    with running(served_home, tmp_path / "run", *options) as service:
        service.search()
        until(lambda: len(service.pids()) == 2)
        killed, other = service.pids()
        os.kill(killed, signal.SIGKILL)
        (line,) = _awaited(lambda: service.said(f"process {killed} ", "WARNING", "ERROR"))
        assert "SIGKILL" in line
        assert "another takes its place" in line
        until(lambda: len(service.pids()) == 3)
        os.kill(other, signal.SIGTERM)
        (line,) = _awaited(lambda: service.said(f"process {other} ", "WARNING", "ERROR"))
        assert "SIGTERM" in line
        until(lambda: len(service.pids()) == 4)
        service.search()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE) == 0
        assert not [pid for pid in service.pids() if is_alive(pid)]


def _awaited(found: Callable[[], list[str]]) -> list[str]:
    until(found)
    return found()


def test_a_hangup_replaces_the_workers_while_searches_go_on(
    served_home: Path, model: Path, tmp_path: Path
) -> None:
    options = ["--model", model, "--workers", 2]
    with running(served_home, tmp_path / "run", *options) as service:
        service.search()
        until(lambda: len(service.pids()) == 2)
        old = service.pids()
        service.process.send_signal(signal.SIGHUP)
        while any(is_alive(pid) for pid in old):
            service.search()
        assert len(service.pids()) == 4
        service.search()
        assert not service.said("worker process", "WARNING", "ERROR")
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE) == 0


def test_workers_end_when_their_parent_was_killed(
    served_home: Path, model: Path, tmp_path: Path
) -> None:
    options = ["--model", model, "--workers", 2]
    with running(served_home, tmp_path / "run", *options) as service:
        httpx.get(f"{service.address}/healthz", timeout=PATIENCE).raise_for_status()
        until(lambda: len(service.pids()) == 2)
        service.process.kill()
        until(lambda: not [pid for pid in service.pids() if is_alive(pid)])
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{service.address}/healthz", timeout=PATIENCE)


def test_workers_learn_of_ctrl_c_by_their_parent_alone(
    served_home: Path, model: Path, tmp_path: Path
) -> None:
    with running(served_home, tmp_path / "run", "--model", model, "--workers", 2) as service:
        service.search()
        until(lambda: len(service.pids()) == 2)
        for pid in service.pids():
            os.kill(pid, signal.SIGINT)  # a terminal sends it to all of them
        for _ in range(50):  # one that took it would end meanwhile
            service.search()
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(PATIENCE) == 0
        assert len(service.pids()) == 2
        assert not service.traceback()
