"""One process at a time maintains a generation, and one that died keeps no other from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.maintenance import LEASE, compact_alone
from scenestore.compaction import FAN_IN
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


def test_who_is_at_it_is_left_alone(generation: Generation) -> None:
    other = Lease(generation.log.ledger, LEASE, seconds=0.5)
    assert other.take()
    with other.held():
        assert compact_alone(generation, lease_seconds=0.5) == 0
    assert compact_alone(generation) == 1
