"""The contact sheet of a lexicon: its terms, each with the chips that hold most of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from query_service.terms import TermUse
from scenesift.lexicon import example_name, summary
from scenesift.page import data_uri, write_page
from scenestore.entry import Entry

_WORDS = 4
_CAPTIONS = 2

Picture = Callable[[int, Entry], bytes | None]
"""The JPEG of an entry, by its key."""


def write_term_sheet(
    file: Path, kind: str, counts: Mapping[str, int], terms: Sequence[TermUse], picture: Picture
) -> None:
    """Write the sheet; SheetError when the file cannot be written."""
    write_page(
        file,
        "terms.html",
        kind=kind,
        title=f"{len(terms):,} terms" if len(terms) != 1 else "1 term",
        summary=summary(counts),
        cards=[_card(term, picture) for term in terms],
    )


def _card(term: TermUse, picture: Picture) -> dict[str, Any]:
    words = Counter(word for example in term.examples for word in example.entry.top_terms)
    captions = [example.entry.caption for example in term.examples if example.entry.caption]
    return {
        "term": term.term,
        "word": term.word,
        "entries": term.entries,
        "words": words.most_common(_WORDS),
        "captions": list(dict.fromkeys(captions))[:_CAPTIONS],
        "examples": [
            {
                "name": example_name(example),
                "weight": example.weight,
                "picture": data_uri(picture(example.key, example.entry)),
            }
            for example in term.examples
        ],
    }
