"""What is known of the archive, for Prometheus; read in the background: a scrape is quick."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

KEPT_SECONDS = 15.0
"""How old facts may be before they are read again."""
_WAIT_SECONDS = 2.0
"""How long a scrape waits for them; then it gets those of before."""

log = logging.getLogger(__name__)


class Facts(Collector):
    """Collects gauges that `read` gives; whatever that does, a scrape comes to its end."""

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        """`read` may take its time, and leaves out what it cannot know now."""
        self._read = read
        self._kept: list[Metric] = []
        self._when: float | None = None
        self._lock = threading.Lock()
        self._fresh = threading.Event()
        self._is_reading = False

    def describe(self) -> list[Metric]:
        """Nothing: what there is shows when it is read."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The facts as last read, and their age."""
        with self._lock:
            is_old = self._when is None or time.monotonic() - self._when > KEPT_SECONDS
            if is_old and not self._is_reading:
                self._is_reading = True
                self._fresh.clear()
                threading.Thread(target=self._refresh, name="facts", daemon=True).start()
        if is_old:
            self._fresh.wait(_WAIT_SECONDS)
        with self._lock:
            kept, when = self._kept, self._when
        yield from kept
        if when is not None:
            age = time.monotonic() - when
            yield gauge("facts_age_seconds", "Age of what is known of the archive.", [((), age)])

    def _refresh(self) -> None:
        began = time.monotonic()
        try:
            kept = list(self._read())
            with self._lock:
                self._kept, self._when = kept, began
        except Exception:
            log.exception("the archive's facts cannot be read, which is a fault of the program")
        finally:
            with self._lock:
                self._is_reading = False
            self._fresh.set()


def gauge(
    name: str,
    what: str,
    values: Iterable[tuple[tuple[str, ...], float]],
    labels: tuple[str, ...] = (),
) -> GaugeMetricFamily:
    """A gauge with its values by label."""
    family = GaugeMetricFamily(f"scenesift_{name}", what, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family
