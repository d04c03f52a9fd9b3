"""Explanations of entries and queries as people and scripts read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from query_service.answer import MatchedTerm
from query_service.explain import Explanation
from scenesift import console
from scenesift.results import Result, hit_json, percent, terms_line
from scenestore.entry import Entry

if TYPE_CHECKING:
    from rich.table import Table

_TERMS_SHOWN = 12


def explanation_json(
    about: Explanation, query: str | None, neighbours: Sequence[Result]
) -> dict[str, Any]:
    """What `explain --json` prints: of an entry, or of the query of that name."""
    cell = about.cell
    value: dict[str, Any] = {
        **(_who(about.entry) if about.entry else {"query": query}),
        "words": list(about.words),
        "terms": [term.to_json() for term in about.terms],
        "cell": {"cell": cell.cell, "vectors": cell.vectors, "words": list(cell.words)},
    }
    if about.entry:
        value["neighbours"] = [hit_json(result, explain=True) for result in neighbours]
    return value


def print_explanation(about: Explanation, query: str | None, neighbours: Sequence[Result]) -> None:
    """The facts a line each, the code as a table, and the neighbours as another."""
    facts = {
        **(_shown(about.entry) if about.entry else {"query": query}),
        "words": ", ".join(about.words),
        "cell": f"{about.cell.cell} ({about.cell.vectors:,} vectors)"
        + (f": {', '.join(about.cell.words)}" if about.cell.words else ""),
    }
    console.print_facts({name: value for name, value in facts.items() if value})
    out = console.output()
    out.print(_code_table(about.terms) if about.terms else "no terms")
    if len(about.terms) > _TERMS_SHOWN:
        out.print(f"and {len(about.terms) - _TERMS_SHOWN} weaker terms: see --json")
    if neighbours:
        out.print(_neighbours_table(neighbours))


def _who(entry: Entry) -> dict[str, Any]:
    who = entry.identity
    return {
        "id": who.id,
        "kind": who.kind,
        "collection": who.collection,
        "scene": who.scene,
        "part": who.part,
        "caption": entry.caption,
    }


def _shown(entry: Entry) -> dict[str, Any]:
    who = entry.identity
    return {
        "scene": who.scene,
        "entry": f"{who.kind} of collection {who.collection}",
        "id": who.id,
        "caption": entry.caption,
    }


def _code_table(terms: Sequence[MatchedTerm]) -> Table:
    """The strongest terms of a code: name, word, weight and share."""
    from rich.text import Text

    table = _table("code", "word", "weight", "share")
    for term in terms[:_TERMS_SHOWN]:
        row = (term.term, term.word or "", f"{term.weight:.4f}", f"{100 * term.share:.0f} %")
        table.add_row(*map(Text, row))
    return table


def _neighbours_table(neighbours: Sequence[Result]) -> Table:
    """Score, percentile, scene, plain words and shared terms of each neighbour."""
    from rich.text import Text

    table = _table("neighbour", "score", "percentile", "words", "shared terms")
    for result in neighbours:
        hit = result.hit
        row = (
            hit.entry.caption or hit.entry.identity.scene,
            f"{hit.score:.3f}",
            percent(hit.percentile),
            ", ".join(hit.entry.top_terms),
            terms_line(hit.terms) or "none",
        )
        table.add_row(*map(Text, row))
    return table


def _table(first: str, *others: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in others:
        numeric = name in ("weight", "share", "score", "percentile")
        table.add_column(name, overflow="fold", justify="right" if numeric else "left")
    return table
