"""How much of bodies a process holds, all requests together."""

from __future__ import annotations

SMALL_BYTES = 64 << 10
"""Bodies up to this are not counted, so that no upload keeps a search from being asked: their
number is bounded by that of connections (2,048, so 128 MiB at most)."""
CREDIT = 4
"""A body counts as so many times what has come of it, up to what was announced."""


class HeldBytes:
    """Counts bytes of bodies until their requests are answered.

    What was announced is not reserved: eight callers who announce 32 MiB and send nothing would
    keep all others out until `body_seconds` end them. Nor is only counted what has come: of a
    hundred uploads at once most would be refused near their ends. A body counts as `CREDIT` times
    what has come of it: who is to be refused learns it within the first quarter, and who wants to
    hold memory that he did not fill has to send a quarter of it again and again. What goes beyond
    the bound is refused, and never waits: bodies that wait half received for each other's bytes
    would all be given up in the end.
    """

    def __init__(self, most: int) -> None:
        """Bytes at most."""
        self.most = most
        self.held = 0

    def has_room(self, announced: int) -> bool:
        """Whether a body of so many bytes could be taken now."""
        return announced <= SMALL_BYTES or self.held + announced <= self.most

    def take(self, more: int) -> bool:
        """Count so many more bytes; False, and nothing is counted, where that is too much."""
        if self.held + more > self.most:
            return False
        self.held += more
        return True

    def give_back(self, bytes: int) -> None:
        """Count so many bytes less."""
        self.held -= bytes


def counted(came: int, announced: int) -> int:
    """How many bytes a body counts as, of which so many have come."""
    return 0 if came <= SMALL_BYTES else max(came, min(announced, CREDIT * came))
