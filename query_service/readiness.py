"""Whether the service can do its work now, and if not, why."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from sgpd.errors import SceneSiftError

Check = Callable[[], None]
"""Raises SceneSiftError where something does not work."""

CHECK_SECONDS = 2.0
"""How long a check is waited for: those who ask want an answer in a few seconds."""

log = logging.getLogger(__name__)


class Readiness:
    """Runs checks side by side; one that hangs is waited for again, not begun again."""

    def __init__(self, checks: Callable[[], Mapping[str, Check]]) -> None:
        self._checks = checks
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="ready")
        self._running: dict[str, Future[str | None]] = {}
        self._said: dict[str, str | None] = {}

    async def faults(self) -> dict[str, str | None]:
        """What is wrong by check; None where nothing is. Logs what has changed."""
        for name, check in self._checks().items():
            if name not in self._running:
                self._running[name] = self._threads.submit(_fault, check)
        running = {name: asyncio.wrap_future(task) for name, task in self._running.items()}
        await asyncio.wait(running.values(), timeout=CHECK_SECONDS)
        found: dict[str, str | None] = {}
        for name, task in running.items():
            if task.done():
                self._running.pop(name, None)
                found[name] = task.result()
            else:
                found[name] = f"no answer within {CHECK_SECONDS:g} s"
        for name, fault in found.items():
            if fault != self._said.get(name):
                log.log(
                    logging.WARNING if fault else logging.INFO,
                    "%s: %s",
                    name,
                    fault or "works again",
                )
        self._said = found
        return found

    def close(self) -> None:
        """Begin no more checks."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _fault(check: Check) -> str | None:
    try:
        check()
    except SceneSiftError as error:
        return str(error)
    except Exception as error:
        log.exception("a check failed, which is a fault of the program")
        return f"unexpected {type(error).__name__}"
    return None
