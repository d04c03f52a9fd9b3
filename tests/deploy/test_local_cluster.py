"""The local cluster: processes of its own that can be killed one by one and stopped for certain."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from opensearchpy import OpenSearch
from redis import Redis

from deploy.local import cluster
from deploy.local.__main__ import main
from deploy.local.errors import LocalClusterError
from deploy.local.redis_server import LocalRedis
from deploy.local.service import of_token


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    main(["down", "--directory", str(tmp_path)])


def processes(directory: Path) -> dict[str, psutil.Process]:
    """What runs of the cluster in a directory, by service."""
    return dict(of_token(json.loads((directory / "cluster.json").read_text())["token"]))


def env(directory: Path) -> dict[str, str]:
    """What a shell that reads the file has in its environment."""
    words = ["env", "-i", "sh", "-c", f"set -a; . {directory}/env; env"]
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in text.splitlines())


def eventually(question: Any, seconds: float = 60) -> None:
    """Wait until the question is answered by yes."""
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(400)  # three nodes on a busy machine
@pytest.mark.usefixtures("opensearch")
def test_a_cluster_outlives_the_death_of_a_node_and_is_made_whole_again(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(action: str) -> str:
        assert main([action, "--quick", "--directory", str(directory)]) == 0
        return capsys.readouterr().out

    assert "opensearch-3, redis" in call("up")
    first = processes(directory)
    settings = env(directory)
    call("up")
    assert {name: p.pid for name, p in processes(directory).items()} == {
        name: p.pid for name, p in first.items()
    }, "a second `up` leaves alone what runs"

    hosts = settings["SCENESIFT_OPENSEARCH_URL"].split(",")
    nodes = OpenSearch(hosts, max_retries=3, timeout=60)
    index = {"settings": {"number_of_replicas": 1, "number_of_shards": 3}}
    nodes.indices.create(index="kept", body=index, params={"wait_for_active_shards": "all"})
    nodes.index(index="kept", id="1", body={"a": 1}, params={"refresh": "true"})
    first["opensearch-2"].send_signal(signal.SIGKILL)
    first["opensearch-2"].wait(20)
    nodes.index(index="kept", id="2", body={"a": 2}, params={"refresh": "true"})
    eventually(lambda: nodes.count(index="kept")["count"] == 2)
    eventually(lambda: nodes.cluster.health()["number_of_nodes"] == 2)

    call("up")
    again = processes(directory)
    assert again["opensearch-1"].pid == first["opensearch-1"].pid
    assert again["opensearch-2"].pid != first["opensearch-2"].pid
    assert env(directory) == settings, "the addresses stay"
    eventually(lambda: nodes.cluster.health()["status"] == "green", 120)
    assert nodes.count(index="kept")["count"] == 2
    nodes.close()

    assert "opensearch-1, opensearch-2, opensearch-3, redis" in call("down")
    assert not any(process.is_running() for process in again.values())
    assert not (directory / "env").exists()
    assert "Nothing of ours" in call("down")


def test_redis_keeps_what_it_took_when_it_is_killed(tmp_path: Path) -> None:
    with LocalRedis(tmp_path) as server:
        client = Redis.from_url(server.url)
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.set("kept", "1")
        server.kill()
        assert not server.running
        server.start()
        assert client.get("kept") == b"1"
        client.close()


@pytest.mark.usefixtures("opensearch")
def test_down_stops_what_a_start_that_failed_half_way_left(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = shutil.which
    with monkeypatch.context() as without:
        without.setattr(shutil, "which", lambda name: None if "redis" in name else find(name))
        assert main(["up", "--quick", "--directory", str(directory)]) != 0
    assert "apt-get install redis-server" in capsys.readouterr().err
    # The last one was started a moment ago: as it takes over, it has no environment to be known by.
    deadline = time.monotonic() + 10
    while len(left := processes(directory)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(left) == ["opensearch-1", "opensearch-2", "opensearch-3"]
    assert cluster.down(directory) == sorted(left)
    assert not any(process.is_running() for process in left.values())


def test_down_spares_all_that_it_did_not_start(tmp_path: Path) -> None:
    layout = cluster.Layout.new()
    layout.write(tmp_path / "cluster.json")
    stranger = {**os.environ, "LOCAL_CLUSTER": f"{cluster.Layout.new().token} redis"}
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(sleeper, env=stranger) as process:
        assert cluster.down(tmp_path) == []
        assert process.poll() is None
        process.kill()


def test_a_server_that_stops_while_starting_says_why_in_one_line(tmp_path: Path) -> None:
    with LocalRedis(tmp_path / "first") as first:
        second = LocalRedis(tmp_path / "second", port=first.port)
        with pytest.raises(
            LocalClusterError, match=r"redis stopped while starting.*in use"
        ) as said:
            second.start()
    assert "\n" not in str(said.value)
