"""The local node: a real OpenSearch that starts by code and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.local import jars
from deploy.local.errors import JarsError, LocalClusterError
from deploy.local.node import LocalOpenSearch


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def put(url: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=10) as answer:
        return json.load(answer)


def test_the_shared_node_is_opensearch_3_8_on_loopback(opensearch: str) -> None:
    assert opensearch.startswith("http://127.0.0.1:")
    assert get(opensearch)["version"]["number"].startswith("3.8.")


def test_a_second_node_runs_beside_the_first_and_dies_with_its_killed_parent(
    opensearch: str, tmp_path: Path
) -> None:
    code = """
import sys, time
from pathlib import Path
from deploy.local.node import LocalOpenSearch
with LocalOpenSearch(Path(sys.argv[1]), quick=True) as node:
    print(node.pid, node.url, node.cluster, flush=True)
    time.sleep(600)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid, url, cluster = parent.stdout.readline().split()
    node = psutil.Process(int(pid))
    assert get(url)["cluster_name"] == cluster
    assert get(opensearch)["cluster_name"] != cluster
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    node.wait(20)


@pytest.mark.usefixtures("opensearch")
def test_a_second_start_finds_the_data_again(tmp_path: Path) -> None:
    node = LocalOpenSearch(tmp_path, quick=True)
    with node:
        put(f"{node.url}/kept")
    with node:
        assert "kept" in get(f"{node.url}/_all")


@pytest.mark.usefixtures("opensearch")
def test_a_node_that_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    node = LocalOpenSearch(tmp_path, heap="1k")
    with pytest.raises(LocalClusterError, match="Too small") as caught:
        node.start()
    assert "\n" not in str(caught.value)


def test_without_maven_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JarsError, match="apt-get install maven"):
        jars.fetch()


def test_a_failed_fetch_leaves_no_half_filled_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho '[ERROR] Unknown host'\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(JarsError, match="Unknown host"):
        jars.fetch()
    assert [p.name for p in (tmp_path / "cache" / "scenesift").iterdir()] == ["fetch.lock"]
