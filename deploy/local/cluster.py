"""A node that outlives the command that started it: `make cluster` and `make cluster-down`."""

import json
from pathlib import Path

import psutil

from deploy.local.node import STOP_SECONDS, LocalOpenSearch


def up(directory: Path) -> str:
    """Start a node in `directory` unless ours runs there; write its `env` file, return its URL."""
    state = directory / "node.json"
    if _running(state) is not None:
        url: str = json.loads(state.read_text())["url"]
        return url
    node = LocalOpenSearch(directory / "opensearch", outlive=True)
    node.start()
    (directory / "env").write_text(f"SCENESIFT_OPENSEARCH_URL={node.url}\n")
    state.write_text(json.dumps({"pid": node.pid, "cluster": node.cluster, "url": node.url}))
    return node.url


def down(directory: Path) -> bool:
    """Stop the node that `up` started in `directory`, its data kept; False if none runs."""
    state = directory / "node.json"
    process = _running(state)
    if process is not None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait()
    state.unlink(missing_ok=True)
    (directory / "env").unlink(missing_ok=True)
    return process is not None


def _running(state: Path) -> psutil.Process | None:
    """The recorded process, if it is still ours: a pid may have gone to another since."""
    try:
        record = json.loads(state.read_text())
        process = psutil.Process(record["pid"])
        return process if record["cluster"] in process.cmdline() else None
    except (FileNotFoundError, psutil.NoSuchProcess, psutil.AccessDenied):
        return None
