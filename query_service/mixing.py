"""One query vector of all that a question has.

Every part is a unit vector. The good ones are averaged, the bad ones are averaged and weigh half as
much against them, and the sum is brought back to length 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from query_service.archive import Held
from query_service.encoding import Encoding, Item
from query_service.question import Question
from query_service.request import RequestError
from sgpd.calibration import WRITTEN, Asked

AGAINST = 0.5
"""Weight of what is kept away from, against that of what is looked for: docs/decisions/0019."""
_SHORTEST = 1e-3
"""A sum so short points nowhere: the parts cancel out."""


@dataclass(frozen=True, eq=False)
class Query:
    """What is searched by."""

    vector: NDArray[np.float32]
    """Shape [d], of length 1."""
    asked: Asked | None
    """What it is, where it is one thing; None for a mixture, which no calibration covers."""
    without: tuple[tuple[str, str], ...] = ()
    """Scenes of the examples, as (collection, scene): hits leave them out."""


def query_of(
    question: Question,
    held: Held,
    encoding: Encoding,
    read_image: Callable[[bytes], NDArray[np.uint8]],
) -> Query:
    """The query that a question means on a generation. Raises SceneSiftError."""
    examples = held.searcher.vectors([*question.like, *question.unlike])
    wanted: list[Item] = [question.text] if question.text else []
    if question.image is not None:
        wanted.append(read_image(question.image))
    vectors = encoding.encode(held, [*wanted, *question.minus])
    good = [*vectors[: len(wanted)], *(examples[id][0] for id in question.like)]
    bad = [*vectors[len(wanted) :], *(examples[id][0] for id in question.unlike)]
    scenes = (entry.identity for _, entry in examples.values())
    without = tuple(dict.fromkeys((who.collection, who.scene) for who in scenes))
    if question.is_mixed:
        return Query(_mixed(good, bad), None, without)
    asked: Asked = "text" if question.text else "image"
    if question.like:
        asked = WRITTEN[examples[question.like[0]][1].identity.kind]
    return Query(good[0], asked, without)


def _mixed(good: list[NDArray[np.float32]], bad: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    total = np.mean(good, axis=0, dtype=np.float64)
    if bad:
        total -= AGAINST * np.mean(bad, axis=0, dtype=np.float64)
    length = float(np.linalg.norm(total))
    if length < _SHORTEST:
        raise RequestError("what is looked for and what is kept away from cancel out; change one")
    return np.asarray(total / length, np.float32)
