"""`scenesift serve` as a process: many clients at once, several workers, and its end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.command_line import ROOT, python

MAIN = "from scenesift.cli import main; main()"
SEARCH: dict[str, Any] = {"text": "a red field", "k": 5}
Served = tuple[str, subprocess.Popen[str]]
"""Address and process."""
CLIENTS = 1_000
PATIENCE = 90.0
"""Seconds: a request that takes longer hangs."""


@contextmanager
def served(home: Path, model: Path, *options: object) -> Iterator[Served]:
    """The address of a service, and its process; it must end well when it is told to."""
    arguments = ("serve", "--port", 0, "--home", home, "--model", model, "--threads", 1)
    with (
        tempfile.TemporaryFile("w+") as log,  # a pipe that nobody reads would stop it
        subprocess.Popen(
            [sys.executable, "-c", MAIN, *map(str, (*arguments, *options))],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as process,
    ):
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http://[\d.:]+", line)
        assert address, line
        try:
            yield address[0], process
            process.send_signal(signal.SIGTERM)
            code = process.wait(PATIENCE)
        finally:
            process.kill()
        log.seek(0)
        written = log.read()
        assert code == 0, written
        assert "Traceback" not in written


def test_a_thousand_clients_at_once_get_an_answer_or_are_told_to_come_again(
    served_home: Path, model: Path
) -> None:
    async def ask(address: str, number: int) -> httpx.Response:
        # What a library does between connecting and asking takes a thousand clients in one process
        # longer than a service waits for the head of a request.
        url = httpx.URL(address)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        body = json.dumps({**SEARCH, "text": f"a red field {number % 7}"})
        head = f"POST /search HTTP/1.1\r\nHost: {url.host}\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        lines, _, content = (await reader.read(-1)).partition(b"\r\n\r\n")
        writer.close()
        status, *headers = lines.decode().split("\r\n")
        pairs = {name: value for name, _, value in (line.partition(": ") for line in headers)}
        return httpx.Response(int(status.split()[1]), headers=pairs, content=content)

    async def all_at_once(address: str) -> list[httpx.Response]:
        assert (await ask(address, 0)).status_code == 200
        asked = (ask(address, number) for number in range(CLIENTS))
        answers = await asyncio.wait_for(asyncio.gather(*asked), PATIENCE)
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http:
            (await http.get("/healthz")).raise_for_status()
        assert (await ask(address, 0)).status_code == 200
        return answers

    with served(served_home, model) as (address, process):
        answers = asyncio.run(all_at_once(address))
        counts = Counter(answer.status_code for answer in answers)
        assert set(counts) <= {200, 429, 503}, counts
        assert counts[200] >= 50, counts
        for answer in answers:
            if answer.status_code == 200:
                assert len(answer.json()["hits"]) == 5
            else:
                assert int(answer.headers["retry-after"]) >= 1
        assert process.poll() is None


def test_several_workers_answer_alike_and_let_requests_come_to_their_end(
    served_home: Path, model: Path
) -> None:
    async def ask(address: str, body: dict[str, Any]) -> Any:
        # A client for each: connections are spread over the workers.
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http:
            return (await http.post("/search", json=body)).raise_for_status().json()

    async def ask_many(address: str, body: dict[str, Any]) -> list[Any]:
        return await asyncio.gather(*(ask(address, body) for _ in range(12)))

    async def ask_until_the_end(address: str, process: subprocess.Popen[str]) -> list[Any]:
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http:
            await http.get("/healthz")
            batch = {"searches": [SEARCH] * 32}
            asked = asyncio.create_task(http.post("/search/batch", json=batch))
            await asyncio.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            return list((await asked).raise_for_status().json()["answers"])

    with served(served_home, model, "--workers", 2) as (address, process):
        firsts = asyncio.run(ask_many(address, SEARCH))
        hits = [first["hits"] for first in firsts]
        assert hits == [hits[0]] * len(hits)
        seconds = asyncio.run(ask_many(address, {**SEARCH, "token": firsts[0]["next"]}))
        assert [second["hits"] for second in seconds] == [seconds[0]["hits"]] * len(seconds)
        answers = asyncio.run(ask_until_the_end(address, process))
        assert all("answer" in answer for answer in answers)


def test_a_port_that_is_taken_is_named(served_home: Path, model: Path) -> None:
    with served(served_home, model) as (address, _):
        port = address.rpartition(":")[2]
        arguments = ("serve", "--port", port, "--home", served_home, "--model", model)
        with python(MAIN, *arguments) as second:
            _, errors = second.communicate(timeout=PATIENCE)
        assert second.returncode == 1
        (line,) = errors.splitlines()
        assert f"port {port}" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_without_an_archive_says_so_and_ends_well(
    tmp_path: Path, model: Path, number: signal.Signals
) -> None:
    with served(tmp_path / "nothing", model) as (address, process):
        response = httpx.post(f"{address}/search", json=SEARCH, timeout=PATIENCE)
        assert response.status_code == 503
        assert "run `scenesift index" in response.json()["detail"]
        process.send_signal(number)
        process.wait(PATIENCE)
