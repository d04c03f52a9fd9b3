"""Commission: have a worker do a chore, follow it through the ledger, and get its report.

Whoever waits may be stopped: the worker goes on, and the same command follows it. A worker that
dies at it is found out by its beat, and the chore is asked for again.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from indexer.chore import Chore, ChoreHint, Chores
from indexer.errors import ChoreError
from indexer.idleness import NOTICE_SECONDS, Idleness
from indexer.kept import Kept
from indexer.patience import patiently
from indexer.progress import Progress
from scenestore.errors import ConflictError
from sgpd.say import Say

ATTEMPTS = 5
"""Attempts after which a chore has failed: workers died at it, or were told to end."""
_RACES = 100
_ASK_AGAIN = 5.0
"""Seconds after which a chore that no worker has is asked for again, where no message waits: it was
lost, or came while another process maintained."""


class ChoreQueue(Protocol):
    """Messages to workers; may lose and repeat them. Raises UnavailableError when it is away."""

    def ask(self, hint: ChoreHint) -> None:
        """Let some worker have a hint."""

    def asked(self) -> int:
        """How many messages for maintenance no worker has taken yet."""

    @property
    def maintenance(self) -> str:
        """What people call the queue, and where it is."""


@dataclass(frozen=True)
class CommissionSettings:
    """Times of a commission."""

    poll_seconds: float = 0.25
    patience: float = 120.0
    """Seconds to go on while the ledger or the queue does not answer."""
    notice_seconds: float = NOTICE_SECONDS


_DEFAULTS = CommissionSettings()


def commission(
    chores: Chores,
    queue: ChoreQueue,
    chore: Chore,
    *,
    say: Say,
    progress: Progress | None = None,
    settings: CommissionSettings = _DEFAULTS,
) -> Chore:
    """Have a chore done; returns it as it ended, with its report.

    One that is under way and asks for the same is followed; one that asks for something else is
    waited for first. Raises ChoreError where it failed, with the reason.
    """
    while True:
        kept = patiently(lambda: _begun(chores, chore), settings.patience)
        ended = _Following(chores, queue, kept, say, progress, settings).to_the_end()
        if ended.is_like(chore):
            break
    if ended.state == "failed":
        raise ChoreError(f"{ended.what}: {ended.reason}")
    return ended


def _begun(chores: Chores, chore: Chore) -> Kept[Chore]:
    """The one under way, else ours, begun."""
    for _ in range(_RACES):
        known = chores.under_way(chore.what)
        if known is not None:
            return known
        with suppress(ConflictError):  # another began one
            return chores.begin(chore)
    raise ConflictError(f"{chore.what} could not be begun: too many at once; run again")


class _Following:
    """One chore, as it is seen from outside."""

    def __init__(
        self,
        chores: Chores,
        queue: ChoreQueue,
        kept: Kept[Chore],
        say: Say,
        progress: Progress | None,
        settings: CommissionSettings,
    ) -> None:
        self._chores = chores
        self._queue = queue
        self._kept = kept
        self._say = say
        self._progress = progress
        self._settings = settings
        self._since = time.monotonic()
        """When it was seen to change, or asked for."""
        self._asked: int | None = None
        """The attempt that a message was sent for."""
        self._said = 0
        self._began = time.monotonic()
        self._idleness = Idleness(settings.notice_seconds, say)

    def to_the_end(self) -> Chore:
        while True:
            chore = patiently(self._look, self._settings.patience)
            self._tell(chore)
            if chore.is_over:
                return chore
            time.sleep(self._settings.poll_seconds)

    def _look(self) -> Chore:
        """The chore as of now; see that somebody does it."""
        found = self._chores.read(self._kept.value.id)
        if found is None:
            raise ChoreError(
                f"two more of {self._kept.value.what} were begun before the report of this one was "
                "read; run the same command again"
            )
        if found.version != self._kept.version:
            self._kept, self._since = found, time.monotonic()
        chore = found.value
        if chore.state == "claimed":
            self._idleness.end()
            if self._still > chore.stall_seconds:
                dead = f"its worker {chore.worker} died, or stood still"
                self._change(replace(chore, state="planned", reason=dead))
        elif chore.state == "planned":
            if chore.attempt >= ATTEMPTS:
                reason = f"given up after {chore.attempt} attempts, the last time: {chore.reason}"
                self._change(replace(chore, state="failed", reason=reason))
            elif self._is_to_ask(chore):
                self._ask(chore)
            self._idleness.look(self._queue.asked, self._queue.maintenance)
        return self._kept.value

    @property
    def _still(self) -> float:
        return time.monotonic() - self._since

    def _is_to_ask(self, chore: Chore) -> bool:
        if self._asked != chore.attempt:
            return True
        return self._still > _ASK_AGAIN and not self._queue.asked()

    def _ask(self, chore: Chore) -> None:
        self._queue.ask(ChoreHint.of(chore))
        self._asked, self._since = chore.attempt, time.monotonic()

    def _change(self, chore: Chore) -> None:
        try:
            self._kept = self._chores.write(chore, self._kept.version)
        except ConflictError:  # it beats again, or another who follows it wrote this
            return

    def _tell(self, chore: Chore) -> None:
        for line in chore.said[self._said :]:
            self._say(line)
        self._said = len(chore.said)
        if self._progress is not None and chore.total:
            rate = chore.done / max(time.monotonic() - self._began, 1e-9)
            self._progress(chore.done, chore.total, rate)
