"""Encodes the texts and images that searches ask for: together those that wait, once the same."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray

from query_service.archive import Held
from query_service.errors import TimedOutError
from query_service.observer import NOBODY, Observer
from sgpd.errors import EncoderError, SceneSiftError

if TYPE_CHECKING:
    from sgpd.encoders import Encoder

MOST_AT_ONCE = 64
"""Texts or images in one pass through the model."""
KEPT = 4_096
"""Embeddings that are kept, some 10 MB at most; those used last."""

Vector = NDArray[np.float32]
What = Literal["text", "image"]
Item = str | NDArray[np.uint8]
"""A text, or pixels [h, w, 3]."""
_Key = tuple[str, What, bytes]
"""Digest of a bundle, and of an item."""

_BUSY = "the model is busy; try again in a moment"


class _Embedding(Future[Vector]):
    """The vector [d] of an item, known or still to come."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self.deadline = deadline
        """When the last of those who wait for it has given up."""


@dataclass(frozen=True, eq=False)
class _Task:
    encoder: Encoder
    what: What
    item: Item
    embedding: _Embedding


class Encoding:
    """One thread that runs the models of an archive; callers of any thread wait for it.

    What comes in while the model is busy is encoded together after it; what nobody waits for any
    more by then is not encoded.
    """

    def __init__(
        self,
        encoder: Callable[[str], Encoder],
        timeout: float,
        observer: Observer = NOBODY,
    ) -> None:
        """`encoder` gives the model of a generation; seconds that a caller waits."""
        self._observer = observer
        self._encoder = encoder
        self._timeout = timeout
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._known: OrderedDict[_Key, _Embedding] = OrderedDict()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="encoding", daemon=True)
        self._thread.start()
        self.hits = 0
        """Embeddings that were known."""
        self.misses = 0
        """Embeddings that the model was asked for."""
        self.passes = 0
        """How often the model ran."""

    def encode(self, held: Held, items: Sequence[Item]) -> list[Vector]:
        """Unit vectors [d] of texts and images, by the model of a generation.

        Raises EncoderError, TimedOutError, BundleError where the model is another.
        """
        if not items:
            return []
        encoder = self._encoder(held.name)
        held.generation.bundle.check_encoder(encoder.identity)
        digest = held.generation.bundle.digest
        deadline = time.monotonic() + self._timeout  # for all of them together
        waiting = [self._asked(encoder, digest, item, deadline) for item in items]
        try:
            return [
                embedding.result(max(0.0, deadline - time.monotonic())) for embedding in waiting
            ]
        except TimeoutError as error:
            raise TimedOutError(_BUSY) from error

    def close(self, seconds: float) -> None:
        """End the thread after what it has begun, which is waited for so long at most."""
        self._tasks.put(None)
        self._thread.join(seconds)

    def _asked(self, encoder: Encoder, bundle: str, item: Item, deadline: float) -> _Embedding:
        """The embedding of an item, known or under way or asked for now."""
        what: What = "text" if isinstance(item, str) else "image"
        if not isinstance(item, str):
            item = encoder.prepare(item)
        key = (bundle, what, _digest(item))
        with self._lock:
            known = self._known.get(key)
            self._observer.remembered(what, known is not None)
            if known is not None:
                self._known.move_to_end(key)
                known.deadline = max(known.deadline, deadline)
                self.hits += 1
                return known
            embedding = self._known[key] = _Embedding(deadline)
            self.misses += 1
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        embedding.add_done_callback(lambda done: self._forget(key, done))
        self._observer.encoding(1)
        self._tasks.put(_Task(encoder, what, item, embedding))
        return embedding

    def _forget(self, key: _Key, done: Future[Vector]) -> None:
        """A failure is not kept: the next one may fare better."""
        if done.exception() is not None:
            with self._lock:
                if self._known.get(key) is done:
                    del self._known[key]

    def _run(self) -> None:
        is_open = True
        while is_open:
            tasks = [self._tasks.get()]
            while len(tasks) < MOST_AT_ONCE and not self._tasks.empty():
                tasks.append(self._tasks.get())
            is_open = None not in tasks
            self._observer.encoding(-sum(task is not None for task in tasks))
            for alike in _alike(filter(self._is_awaited, tasks)):
                self._encode(alike)

    def _is_awaited(self, task: _Task | None) -> TypeGuard[_Task]:
        """Whether anybody still waits for a task; where nobody does, it is over."""
        if task is None:
            return False
        if task.embedding.deadline < time.monotonic():
            task.embedding.set_exception(TimedOutError(_BUSY))
            return False
        return True

    def _encode(self, tasks: list[_Task]) -> None:
        """Encode tasks of one model and kind; where that fails, each on its own."""
        encoder, items = tasks[0].encoder, [task.item for task in tasks]
        self.passes += 1
        started = time.perf_counter()
        try:
            if tasks[0].what == "text":
                rows = encoder.encode_texts([item for item in items if isinstance(item, str)])
            else:
                rows = encoder.encode_images([item for item in items if not isinstance(item, str)])
            if len(rows) != len(items):
                raise EncoderError(f"the model gave {len(rows)} embeddings for {len(items)} items")
        except Exception as error:  # of a library, and the thread must outlive it
            if len(tasks) > 1:
                for task in tasks:
                    self._encode([task])
                return
            known = isinstance(error, SceneSiftError)
            tasks[0].embedding.set_exception(
                error if known else EncoderError(f"the model cannot encode this: {error}")
            )
            return
        self._observer.encoded(tasks[0].what, len(tasks), time.perf_counter() - started)
        for task, row in zip(tasks, rows, strict=True):
            task.embedding.set_result(row.copy())  # a view would keep the whole batch


def _alike(tasks: Iterable[_Task]) -> list[list[_Task]]:
    """Tasks by model and kind."""
    groups: dict[tuple[int, What], list[_Task]] = {}
    for task in tasks:
        groups.setdefault((id(task.encoder), task.what), []).append(task)
    return list(groups.values())


def _digest(item: Item) -> bytes:
    if isinstance(item, str):
        return hashlib.sha256(item.encode()).digest()
    shape = repr(item.shape).encode()
    return hashlib.sha256(shape + np.ascontiguousarray(item).tobytes()).digest()
