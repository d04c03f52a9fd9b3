"""What the service needs of an archive; the top provides it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from query_service.keys import Key
from query_service.readiness import Check
from query_service.search import Searcher
from scenestore.entry import Entry
from scenestore.generation import Generation

if TYPE_CHECKING:
    from prometheus_client import Metric

    from sgpd.encoders import Encoder


class Held(Protocol):
    """A generation that stays open while it is held."""

    @property
    def name(self) -> str:
        """The generation's."""

    @property
    def generation(self) -> Generation:
        """The generation itself."""

    @property
    def searcher(self) -> Searcher:
        """The search pipeline on it."""


class ServedArchive(Protocol):
    """An archive as the service reads it; safe to share among threads.

    Every call may raise SceneSiftError: an engine may be away, or nothing indexed yet.
    """

    @property
    def engine(self) -> str:
        """Name of the engine that serves it: `embedded` or `opensearch`."""

    @property
    def collections(self) -> Sequence[str]:
        """Names of all collections, sorted."""

    def held(self, generation: str | None = None) -> AbstractContextManager[Held]:
        """A generation to work with from start to end: the one of that name, else the live one.

        GoneError where it was dropped.
        """

    def encoder(self, generation: str) -> Encoder:
        """The model that a generation was made with, loaded when it is first asked for."""

    def read_image(self, content: bytes, most_pixels: int) -> NDArray[np.uint8]:
        """The pixels [h, w, 3], RGB, of an image file's content; RequestError where it is none."""

    def keys(self) -> Collection[Key]:
        """The keys that let a request in."""

    def checks(self) -> Mapping[str, Check]:
        """What must work for searches to, by name."""

    def facts(self) -> Iterable[Metric]:
        """What is known of the archive, for Prometheus; what cannot be known now is left out."""

    def scene_pixels(self, entry: Entry, most_pixels: int) -> NDArray[np.uint8] | None:
        """The pixels [h, w, 3] of an entry's scene; None where its file is not to be read here."""

    def close(self) -> None:
        """Give back files and connections."""
