"""What all tests share: the run's OpenSearch nodes, and the rule that CI skips nothing."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.errors import JarsError
from deploy.local.releases import NEWEST, OLDEST
from tests.s3_server import KEYS, S3Server, s3_server
from tests.shared_node import NodeOwner, shared_url

IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}
RELEASES = {"newest": NEWEST, "oldest": OLDEST}
NODE_FOLDERS = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    worker_input: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker_input is not None:
        config.stash[NODE_FOLDERS] = worker_input["node_folders"]
        return
    owners = {name: NodeOwner(release) for name, release in RELEASES.items()}
    for owner in owners.values():
        config.add_cleanup(owner.close)
    config.stash[NODE_FOLDERS] = {name: str(owner.folder) for name, owner in owners.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the controller listens."""
    node.workerinput["node_folders"] = node.config.stash[NODE_FOLDERS]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "opensearch" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.opensearch)


@pytest.fixture(scope="session")
def opensearch(request: pytest.FixtureRequest) -> str:
    """URL of the run's one OpenSearch node; tests keep apart by index names of their own."""
    return _url(request.config, "newest")


@pytest.fixture(scope="session")
def oldest_opensearch(request: pytest.FixtureRequest) -> str:
    """URL of a node of the oldest release that is supported, for tests of the engine itself."""
    return _url(request.config, "oldest")


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """The run's S3 server; tests keep apart by buckets of their own."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in KEYS.items():
            environment.setenv(name, value)
        with s3_server() as server:
            yield server


def _url(config: pytest.Config, release: str) -> str:
    try:
        return shared_url(Path(config.stash[NODE_FOLDERS][release]))
    except JarsError as error:
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if IN_CI and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure: a skipped test proves nothing."""
    report.longrepr = f"skipped, which CI forbids: {report.longreprtext or report.longrepr}"
    report.outcome = "failed"
