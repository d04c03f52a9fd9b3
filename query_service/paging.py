"""Page tokens: where a search goes on, and all that is needed for it; nothing is kept here.

A token holds the query's vector, since a model gives the same text slightly different numbers in
another batch or process, and a page must rank as the one before did. So the text or the image need
not be sent again; the conditions must be.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from query_service.mixing import Query
from query_service.request import After, RequestError, SearchRequest
from query_service.spelling import content_of, spelt
from scenestore.cql.form import is_text

_FOREIGN = "the token is not one of ours; take it from the answer whose next page it is"


@dataclass(frozen=True, eq=False)
class Token:
    """The end of a page."""

    generation: str
    question: str
    """Digest."""
    conditions: str
    """Digest of all that is asked beside the question and the size of a page."""
    after: After
    query: Query
    matched: int | None = None
    """Scenes that passed the filter at the first page, where they were counted."""

    def spell(self) -> str:
        """It as URLs take it."""
        head = {
            "g": self.generation,
            "q": self.question,
            "c": self.conditions,
            "s": self.after.score,
            "k": self.after.key,
            "r": self.after.rank,
            "a": self.query.asked,
            "w": self.query.without,
            **({} if self.matched is None else {"m": self.matched}),
        }
        content = json.dumps(head).encode() + b"\n" + self.query.vector.astype("<f4").tobytes()
        return spelt(content)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The token that a text spells; RequestError where it spells none."""
        try:
            head, _, vector = content_of(text).partition(b"\n")
            return cls._of(json.loads(head), np.frombuffer(vector, "<f4"))
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise RequestError(_FOREIGN) from error

    @classmethod
    def _of(cls, head: dict[str, Any], vector: Any) -> Self:
        score, key, rank, asked = head["s"], head["k"], head["r"], head["a"]
        matched = head.get("m")
        names = [head["g"], head["q"], head["c"], *(name for scene in head["w"] for name in scene)]
        fits = (
            all(isinstance(name, str) and is_text(name) for name in names)
            and type(score) is float
            and type(key) is type(rank) is int
            and asked in ("text", "image", None)
            and 0 <= key < 1 << 63
            and rank > 0
            and (matched is None or (type(matched) is int and 0 <= matched < 1 << 63))
            and math.isfinite(score)
            and abs(float(np.linalg.norm(vector)) - 1) < 0.01
        )
        if not fits:
            raise ValueError
        without = tuple((str(collection), str(scene)) for collection, scene in head["w"])
        query = Query(vector.astype(np.float32), asked, without)
        return cls(head["g"], head["q"], head["c"], After(score, key, rank), query, matched)

    def check(self, conditions: str, question: str | None) -> None:
        """Raise RequestError where it goes on from another search."""
        if conditions != self.conditions or question not in (None, self.question):
            raise RequestError(
                "the token is of another search; give the same conditions as for the page before"
            )


def conditions_digest(request: SearchRequest) -> str:
    """Tells the conditions of a search from others; the size of a page may change."""
    same = replace(request, k=1, after=None, embedding=None, text="-", embedded=None)
    where = replace(same.where, without_scenes=())
    return hashlib.sha256(repr(replace(same, where=where)).encode()).hexdigest()[:16]
