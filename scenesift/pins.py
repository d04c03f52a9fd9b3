"""Pins: searches hold on to the generation they began on, and the next ones follow a switch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from query_service.search import Searcher
from scenesift.errors import DroppedError
from scenesift.generations import Generations
from scenestore.errors import StoreError
from scenestore.generation import Generation
from scenestore.reader import FOLLOW_SECONDS


class Pin:
    """An opened generation with its search pipeline."""

    def __init__(self, generation: Generation, searcher: Searcher) -> None:
        self.generation = generation
        self.searcher = searcher
        self.users = 0

    @property
    def name(self) -> str:
        """The generation's."""
        return self.generation.log.generation


class Pins:
    """The generations that one process has open; safe to share among threads.

    Which one is live is asked at most FOLLOW_SECONDS after a switch. One that is live no more stays
    open as long as it is the previous one, or in use.
    """

    def __init__(
        self,
        generations: Callable[[], Generations],
        live: Callable[[], Generation],
        searcher: Callable[[Generation], Searcher],
    ) -> None:
        """`live` opens the live generation, or says what to run where there is none."""
        self._generations = generations
        self._open_live = live
        self._searcher = searcher
        self._lock = threading.RLock()
        self._following = threading.Lock()
        self._pins: dict[str, Pin] = {}
        self._live: Pin | None = None
        self._asked = 0.0

    @property
    def live(self) -> Pin | None:
        """The pin of the live generation, as far as it was followed; None before the first."""
        return self._live

    def current(self) -> Pin:
        """The live generation, followed if it was long ago."""
        is_due = self._live is None or self._is_due()
        # One thread opens the next generation while the others go on with the last.
        if is_due and self._following.acquire(blocking=self._live is None):
            try:
                if self._live is None or self._is_due():
                    self.follow()
            finally:
                self._following.release()
        assert self._live is not None
        return self._live

    def _is_due(self) -> bool:
        return time.monotonic() - self._asked > FOLLOW_SECONDS

    def follow(self) -> Pin:
        """The live generation as of now."""
        asked = time.monotonic()
        if self._live is None or self._generations().live_name() != self._live.name:
            self.hold(self._open_live())
        self._asked = asked
        assert self._live is not None
        return self._live

    def hold(self, generation: Generation) -> None:
        """Take over the live generation, which the caller has opened."""
        name = generation.log.generation
        pin = Pin(generation, self._searcher(generation))
        with self._lock:
            last, self._live = self._live, pin
            replaced = self._pins.pop(name, None)
            self._pins[name] = pin
            kept = {name, *([last.name] if last else [])}
            old = [self._pins.pop(other) for other in list(self._pins) if other not in kept]
        for other in [*old, *([replaced] if replaced else [])]:
            self._let_go(other)
        self._asked = time.monotonic()

    @contextmanager
    def held(self, name: str | None = None) -> Iterator[Pin]:
        """A generation to search from start to end: the one of that name, else the live one.

        One that was live before and is still there is opened again. DroppedError where it was
        dropped.
        """
        self.current()
        if name is not None and name not in self._pins:
            self._reopen(name)
        with self._lock:
            live = self._live
            assert live is not None
            pin = live if name in (None, live.name) else self._pins.get(str(name))
            if pin is None:
                raise _dropped(str(name))
            pin.users += 1
        try:
            yield pin
        except StoreError as error:
            if self._generations().is_whole(pin.name):
                raise
            raise _dropped(pin.name) from error
        finally:
            with self._lock:
                pin.users -= 1
            self._let_go(pin)

    def _reopen(self, name: str) -> None:
        """Open a generation that this process has not open, or no more: another may have had it."""
        generations = self._generations()
        if name not in generations.names() or not generations.is_whole(name):
            raise _dropped(name)
        generation = generations.open(name)
        pin = Pin(generation, self._searcher(generation))
        with self._lock:
            kept = self._pins.setdefault(name, pin)
        if kept is not pin:
            generation.documents.close()

    def close(self) -> None:
        """Give back all that is open."""
        with self._lock:
            pins, self._pins, self._live = list(self._pins.values()), {}, None
        for pin in pins:
            pin.generation.documents.close()

    def _let_go(self, pin: Pin) -> None:
        """Close a pin that nobody holds any more."""
        with self._lock:
            is_idle = not pin.users and self._pins.get(pin.name) is not pin
        if is_idle:
            pin.generation.documents.close()


def _dropped(name: str) -> DroppedError:
    return DroppedError(
        f"generation {name} was dropped while it was searched; search again: the live one answers"
    )
