"""Maintenance: work on a whole generation that one process does at a time, by lease."""

from __future__ import annotations

from scenestore.compaction import collect_garbage, compact
from scenestore.generation import Generation
from scenestore.lease import SECONDS, Lease

LEASE = "lease-maintenance"


def compact_alone(generation: Generation, lease_seconds: float = SECONDS) -> int:
    """Merge full tiers until there is none, unless another process maintains; how many there were.

    Where the last one died at it, that is found out by watching its lease so long.

    Two that overlap all the same do no harm: the log takes only one of two segments of a batch.
    """
    lease = Lease(generation.log.ledger, LEASE, lease_seconds)
    if not lease.wait():
        return 0
    merged = 0
    with lease.held():
        while compact(generation):
            lease.check()
            merged += 1
        collect_garbage(generation)
    return merged
