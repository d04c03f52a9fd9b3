"""What queries read: document frequencies of a generation, and the postings they touch."""

from __future__ import annotations

from typing import Any

from scenestore.entry import KINDS
from scenestore.generation import Generation
from sgpd.plan import RECALL_SETTINGS

_QUERIES = 128
"""Stored vectors of each kind that stand for queries: the mean is known to some percent."""


def postings_summary(generation: Generation) -> dict[str, dict[str, Any]]:
    """For each kind that there is: its sparsifier, how evenly terms are used, what queries touch.

    Queries are a sample of the stored vectors: chips stand for images, captions for texts. Time
    goes with the number of terms, not of entries.
    """
    asked = {
        "images": generation.reader.segments("chip").sample(_QUERIES),
        "texts": generation.reader.segments("caption").sample(_QUERIES),
    }
    terms = RECALL_SETTINGS[0.99].query_terms
    found: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        segments = generation.reader.segments(kind)
        if not len(segments):
            continue
        sparsifier = generation.bundle.space(kind).sparsifier
        frequencies = segments.frequencies(len(sparsifier.lexicon))
        codes = {
            name: sparsifier.encode_queries(queries, terms)
            for name, queries in asked.items()
            if len(queries)
        }
        found[kind] = {
            "sparsifier": sparsifier.name,
            **frequencies.summary(),
            **frequencies.touched_by(**codes),
        }
    return found
