"""Pins: searches hold on to the generation they began on, and the next ones follow a switch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from query_service.search import Searcher
from scenesift.errors import DroppedError
from scenesift.generations import Generations, number
from scenestore.errors import StoreError
from scenestore.generation import Generation
from scenestore.shared import Shared

MOST_REOPENED = 2
"""Generations, beside the live and the previous one, that stay open for pages of old searches."""
REOPENED_SECONDS = 300.0
"""How long such a one stays open after it was last used."""


class Pin:
    """An opened generation with its search pipeline."""

    def __init__(self, generation: Generation, searcher: Searcher) -> None:
        self.generation = generation
        self.searcher = searcher
        self.users = 0
        self.used = time.monotonic()
        """When somebody last began or ended to use it."""

    @property
    def name(self) -> str:
        """The generation's."""
        return self.generation.log.generation


class Pins:
    """The generations that one process has open; safe to share among threads.

    Which one is live is asked at most FOLLOW_SECONDS after a switch. One that is live no more stays
    open as long as it is the previous one, or in use, or among the MOST_REOPENED that were used
    last and within REOPENED_SECONDS.
    """

    def __init__(
        self,
        generations: Callable[[], Generations],
        live: Callable[[], Generation],
        searcher: Callable[[Generation], Searcher],
        prepare: Callable[[Generation], None] = lambda generation: None,
    ) -> None:
        """`live` opens the live generation, or says what to run where there is none.

        `prepare` is called with one that takes another's place, while that is still searched.
        """
        self._generations = generations
        self._open_live = live
        self._searcher = searcher
        self._prepare = prepare
        self._lock = threading.RLock()
        self._pins: dict[str, Pin] = {}
        self._kept: set[str] = set()
        """Names of the live generation and of the one before it."""
        self._live = Shared(self._followed)

    @property
    def live(self) -> Pin | None:
        """The pin of the live generation, as far as it was followed; None before the first."""
        return self._live.known

    @property
    def opened(self) -> list[str]:
        """Names of the generations that are open, sorted."""
        return sorted(self._pins)

    def current(self) -> Pin:
        """The live generation, followed if it was long ago."""
        return self._live.current()

    def follow(self) -> Pin:
        """The live generation as of now."""
        return self._live.now()

    def _followed(self) -> Pin:
        live = self.live
        if live is not None and self._generations().live_name_after(live.generation) == live.name:
            return live
        generation = self._open_live()
        if live is not None:
            self._prepare(generation)
        return self.hold(generation)

    def hold(self, generation: Generation) -> Pin:
        """Take over the live generation, which the caller has opened."""
        name = generation.log.generation
        pin = Pin(generation, self._searcher(generation))
        with self._lock:
            last = self.live
            self._live.keep(pin)
            replaced = self._pins.pop(name, None)
            self._pins[name] = pin
            self._kept = {name, *([last.name] if last else [])}
        self._close_surplus()
        if replaced:
            self._let_go(replaced)
        return pin

    @contextmanager
    def held(self, name: str | None = None) -> Iterator[Pin]:
        """A generation to search from start to end: the one of that name, else the live one.

        One that was live before and is still there is opened again. DroppedError where it was
        dropped.
        """
        self.current()
        pin = self._taken(name)
        if pin is None:
            pin = self._reopened(str(name))
        try:
            yield pin
        except StoreError as error:
            if self._generations().is_whole(pin.name):
                raise
            raise _dropped(pin.name) from error
        finally:
            with self._lock:
                pin.users -= 1
                pin.used = time.monotonic()
            self._let_go(pin)
            self._close_surplus()

    def _taken(self, name: str | None) -> Pin | None:
        """The pin of a generation that is open, in use by one more; the live one's without name."""
        with self._lock:
            live = self.live
            assert live is not None
            pin = live if name in (None, live.name) else self._pins.get(str(name))
            return None if pin is None else _in_use(pin)

    def _reopened(self, name: str) -> Pin:
        """The same of one that this process has not open, or no more: another may have had it."""
        generations = self._generations()
        if not number(name) or not generations.is_whole(name):
            raise _dropped(name)
        generation = generations.open(name)
        pin = Pin(generation, self._searcher(generation))
        with self._lock:
            kept = _in_use(self._pins.setdefault(name, pin))
        if kept is not pin:
            generation.documents.close()
        return kept

    def close(self) -> None:
        """Give back all that is open."""
        with self._lock:
            pins, self._pins = list(self._pins.values()), {}
            self._live.forget()
        for pin in pins:
            pin.generation.documents.close()

    def _close_surplus(self) -> None:
        """Close what was opened again for pages of old searches and is too much, or too old."""
        now = time.monotonic()
        with self._lock:
            others = [pin for name, pin in self._pins.items() if name not in self._kept]
            others.sort(key=lambda pin: pin.used, reverse=True)
            surplus = [
                pin
                for place, pin in enumerate(others)
                if not pin.users and (place >= MOST_REOPENED or now - pin.used > REOPENED_SECONDS)
            ]
            for pin in surplus:
                del self._pins[pin.name]
        for pin in surplus:
            self._let_go(pin)

    def _let_go(self, pin: Pin) -> None:
        """Close a pin that nobody holds any more."""
        with self._lock:
            is_idle = not pin.users and self._pins.get(pin.name) is not pin
        if is_idle:
            pin.generation.documents.close()


def _in_use(pin: Pin) -> Pin:
    pin.users += 1
    pin.used = time.monotonic()
    return pin


def _dropped(name: str) -> DroppedError:
    return DroppedError(
        f"generation {name} was dropped while it was searched; search again: the live one answers"
    )
