"""The same commands with the index on a real OpenSearch node."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from tests.cli.command_line import CommandLine
from tests.shards import lose_shards

SEARCHES = [
    ("search", "a red field", "-k", 7, "--strategy", "exhaustive"),
    ("search", "a red field", "-k", 7, "--strategy", "guided"),
    ("search", "--like", "blue/blue2.png"),
    ("search", "a green field", "--kind", "caption", "--collection", "default"),
]


WORDS = [
    ("terms", "--examples", 4),
    ("terms", "--kind", "caption"),
    ("explain", "red/red4.png", "-k", 0),
    ("explain", "--text", "a blue field"),
]


def hits(answer: dict[str, Any]) -> list[tuple[str, float]]:
    return [(hit["id"], hit["score"]) for hit in answer["hits"]]


class Node:
    """The node, and the prefix that a test has of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.prefix = f"cli-{secrets.token_hex(4)}"
        self._client = OpenSearch(url)

    def indices(self) -> list[str]:
        """Names of the indices with the prefix."""
        return sorted(self._client.indices.get(index=f"{self.prefix}-*"))

    def named(self, alias: str) -> list[str]:
        """Names of the indices that an alias stands for."""
        return sorted(self._client.indices.get_alias(name=alias))

    def clear(self) -> None:
        """Remove them."""
        for index in self.indices():
            self._client.indices.delete(index=index)


@pytest.fixture
def node(opensearch: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    mine = Node(opensearch)
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_PREFIX", mine.prefix)
    yield mine
    mine.clear()


def test_an_archive_moves_to_opensearch_and_answers_the_same(
    indexed: CommandLine,
    images: Path,
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = [hits(indexed.json(*search)) for search in SEARCHES]
    words = [indexed.json(*asked) for asked in WORDS]
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_URL", node.url)
    assert "scenesift rebuild" in indexed.refused("search", "a red field")
    indexed("rebuild")
    assert not (indexed.home / "embedded").exists()
    assert [hits(indexed.json(*search)) for search in SEARCHES] == before
    assert [indexed.json(*asked) for asked in WORDS] == words
    assert indexed.json("info")["engine"] == "opensearch"
    assert indexed.json("audit")["clean"]
    calibrated = indexed.json("calibrate")
    assert len(calibrated["promises"]) == 4 * 3 * 2  # directions, k, targets
    assert calibrated["costs"]["chip"]["request"] > 0
    assert indexed.json("info")["calibration"]["made"] == calibrated["made"]
    assert indexed.json("index", images)["unchanged"] == 24
    indexed("delete", "red/red3.png")
    monkeypatch.delenv("SCENESIFT_OPENSEARCH_URL")
    assert "scenesift rebuild" in indexed.refused("search", "a red field")
    indexed("rebuild")
    assert indexed.json("info")["entries"] == {"chip": 23, "caption": 46}


def test_an_archive_begun_on_opensearch_follows_a_new_bundle(
    fitted: CommandLine, images: Path, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_URL", node.url)
    fitted("index", images)
    before = hits(fitted.json(*SEARCHES[0]))
    fitted("fit", images, "--prototypes", 6, "--cells", 2)
    fitted("rebuild")
    assert fitted.json("info")["generation"] == "g2"
    assert hits(fitted.json(*SEARCHES[0])) == before
    left = node.indices()
    assert left
    assert not [name for name in left if name.startswith(f"{node.prefix}-g1-")]
    assert node.named(f"{node.prefix}-chip") == [f"{node.prefix}-g2-chip-1"]


def test_an_evaluation_gives_the_same_figures_and_leaves_nothing(
    fitted: CommandLine, images: Path, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("evaluate", images, "--captions", images / "captions.jsonl", "--split", "val")
    embedded = fitted.json(*arguments, "--strategy", "guided")
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_URL", node.url)
    assert fitted.json(*arguments, "--strategy", "guided") == embedded
    assert node.indices() == []


@pytest.mark.parametrize("sparsifier", ["autoencoder", "caption-words"])
def test_learned_codes_are_searched_alike_on_both_engines(
    run: CommandLine, images: Path, node: Node, sparsifier: str
) -> None:
    run("fit", images, "--sparsifier", sparsifier, "--prototypes", 24, "--cells", 4)
    run("index", images)
    here = [run.json(*search, "--explain") for search in SEARCHES]
    postings = run.json("info")["postings"]
    assert postings["chip"]["sparsifier"] == sparsifier
    there = CommandLine(run.home.parent / "there")
    there("fit", images, "--sparsifier", sparsifier, "--prototypes", 24, "--cells", 4)
    there("index", images, "--opensearch-url", node.url)
    for search, answer in zip(SEARCHES, here, strict=True):
        found = there.json(*search, "--explain", "--opensearch-url", node.url)
        assert hits(found) == hits(answer)
        assert found["guide"] == answer["guide"]
    assert here[1]["guide"] > 0
    assert here[1]["terms"]
    assert there.json("info", "--opensearch-url", node.url)["postings"] == postings
    assert there.json("audit", "--opensearch-url", node.url)["findings"] == []


def test_a_search_fails_when_a_shard_does_or_leaves_it_out_and_says_so(
    fitted: CommandLine, images: Path, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_URL", node.url)
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_SHARDS", "3")
    fitted("index", images)
    for asked in SEARCHES[:2]:
        whole = fitted.json(*asked, "--partial")
        assert whole["missing"] == []
        assert whole == fitted.json(*asked) | {"milliseconds": whole["milliseconds"]}
    alias = f"{node.prefix}-g1-chip"
    lose_shards(OpenSearch(node.url), alias, [1])
    for asked in (*SEARCHES[:2], ("search", "a red field", "--collection", "default")):
        said = fitted.refused(*asked)
        assert re.search(rf"cannot search shard 1 of {alias}-1 .*--partial", said)
        partial = fitted.json(*asked, "-k", 24, "--partial")
        assert partial["missing"] == [f"1 of 3 shards of {alias}"]
        assert partial["expected_recall"] is None
        assert 0 < len(partial["hits"]) < 24
    assert f"PARTIAL, without 1 of 3 shards of {alias}" in fitted(*SEARCHES[0], "--partial").output
