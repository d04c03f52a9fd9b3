"""What all paths of the service share, from its start to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from query_service.archive import ServedArchive
from query_service.encoding import Encoding
from query_service.facts import Facts
from query_service.key_ring import KeyRing
from query_service.metrics import Metrics
from query_service.readiness import Readiness
from query_service.settings import ServiceSettings
from query_service.work import WorkPool
from sgpd.errors import SceneSiftError

log = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0
"""What threads are given to end. The server has let requests come to theirs before: what is under
way then is for nobody any more."""


class Service:
    """The archive, and the threads that work on it; there while the app runs."""

    archive: ServedArchive
    encoding: Encoding
    work: WorkPool

    def __init__(
        self, open_archive: Callable[[], ServedArchive], settings: ServiceSettings
    ) -> None:
        self.settings = settings
        self.metrics = Metrics(Facts(lambda: self.archive.facts()))
        self.readiness = Readiness(lambda: self.archive.checks())
        self.ring = KeyRing(lambda: self.archive.keys())
        self._open_archive = open_archive

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Open what the service works with; at the end let requests come to theirs, and close."""
        settings = self.settings
        self.archive = await asyncio.to_thread(self._open_archive)
        self.encoding = Encoding(self.archive.encoder, settings.timeout, self.metrics)
        self.work = WorkPool(settings.threads, settings.waiting, settings.timeout, self.metrics)
        warming = asyncio.create_task(asyncio.to_thread(self._warm))
        try:
            yield
        finally:
            warming.cancel()
            await self.work.close(CLOSE_SECONDS)
            self.readiness.close()
            self.ring.close()
            await asyncio.to_thread(self._close)

    def _warm(self) -> None:
        """Load the model before a search asks for it, or say at once what stands in the way."""
        try:
            with self.archive.held() as held:
                self.archive.encoder(held.name)
        except SceneSiftError as error:
            log.warning("no search can be answered yet: %s", error)

    def _close(self) -> None:
        self.encoding.close(CLOSE_SECONDS)
        self.archive.close()


def service_of(request: Request) -> Service:
    """The service of the app that a request came to."""
    service: Service = request.app.state.service
    return service


async def _service_of(request: Request) -> Service:
    """The same on the event loop: a plain function would be called in a thread, each time."""
    return service_of(request)


ServiceOf = Annotated[Service, Depends(_service_of)]
