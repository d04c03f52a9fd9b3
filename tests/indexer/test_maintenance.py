"""One process at a time maintains a generation, and one that died keeps no other from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.maintenance import CHORES_LEASE, LEASE, compact_alone
from scenestore.compaction import FAN_IN
from scenestore.errors import LostError
from scenestore.generation import Generation
from scenestore.lease import Lease
from tests.builders import embedded_generation, publish
from tests.vectors import clustered


@pytest.fixture
def generation(tmp_path: Path) -> Generation:
    """One full tier of batches."""
    generation = embedded_generation(tmp_path)
    for number in range(FAN_IN):
        publish(generation, [f"s{number}"], clustered(1, seed=number))
    return generation


def test_a_full_tier_is_compacted_once(generation: Generation) -> None:
    assert compact_alone(generation) == 1
    assert compact_alone(generation) == 0


def test_who_died_at_it_keeps_nobody_from_it(generation: Generation) -> None:
    assert Lease(generation.log.ledger, LEASE).take()  # and its counter never moves again
    assert compact_alone(generation, lease_seconds=0.5) == 1


def test_who_stood_still_and_lost_the_lease_logs_no_segment(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that it wrote may have been collected meanwhile."""
    publish_folder = generation.store.publish

    def stand_still(draft: Path, name: str) -> None:
        publish_folder(draft, name)
        other = Lease(generation.log.ledger, LEASE, seconds=0.0)
        assert not other.take()
        assert other.take()
        generation.store.remove(name)

    monkeypatch.setattr("scenestore.lease.RAISES", 0.001)
    monkeypatch.setattr(generation.store, "publish", stand_still)
    with pytest.raises(LostError, match="no longer held by this process"):
        compact_alone(generation)
    assert generation.reader.head(fresh=True).segments == ()
    assert len(generation.reader.segments("chip")) == FAN_IN


def test_while_a_chore_is_done_segments_are_merged_and_none_is_collected(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected: list[Generation] = []
    monkeypatch.setattr("indexer.maintenance.collect_garbage", collected.append)
    chore = Lease(generation.log.ledger, CHORES_LEASE, seconds=0.5)
    assert chore.take()
    with chore.held():
        assert compact_alone(generation, lease_seconds=0.5) == 1
        assert not collected
    assert compact_alone(generation) == 0
    assert collected == [generation]


def test_who_is_at_it_is_left_alone(generation: Generation) -> None:
    other = Lease(generation.log.ledger, LEASE, seconds=0.5)
    assert other.take()
    with other.held():
        assert compact_alone(generation, lease_seconds=0.5) == 0
    assert compact_alone(generation) == 1
