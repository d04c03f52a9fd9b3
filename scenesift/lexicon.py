"""The lexicon in use as people and scripts read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from query_service.terms import Example, TermUse
from scenesift import console


def summary(counts: Mapping[str, int]) -> str:
    """What there is, in one line."""
    return (
        f"{counts['terms']:,} terms, {counts['named']:,} with a word, {counts['used']:,} in use by "
        f"{counts['entries']:,} entries"
    )


def terms_json(counts: Mapping[str, int], terms: Sequence[TermUse]) -> dict[str, Any]:
    """What `terms --json` prints."""
    return {**counts, "lexicon": [_term_json(term) for term in terms]}


def print_terms(counts: Mapping[str, int], terms: Sequence[TermUse]) -> None:
    """Each term in a row, and what there is in all."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console.output()
    table = Table(box=box.SIMPLE, pad_edge=False)
    for column in ("term", "word"):
        table.add_column(column, overflow="fold")
    table.add_column("entries", justify="right")
    table.add_column("examples", overflow="fold")
    for term in terms:
        shown = ", ".join(example_name(example) for example in term.examples)
        row = (term.term, term.word or "", f"{term.entries:,}", shown)
        table.add_row(*map(Text, row))
    out.print(table if terms else "no term has that in its name")
    out.print(summary(counts), markup=False)


def example_name(example: Example) -> str:
    """A caption's sentence, or the name of the scene."""
    return example.entry.caption or example.entry.identity.scene


def _term_json(term: TermUse) -> dict[str, Any]:
    return {
        "term": term.term,
        "word": term.word,
        "entries": term.entries,
        "examples": [
            {
                "id": example.entry.identity.id,
                "scene": example.entry.identity.scene,
                "caption": example.entry.caption,
                "words": list(example.entry.top_terms),
                "weight": example.weight,
            }
            for example in term.examples
        ],
    }
