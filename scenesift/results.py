"""Answers as people and scripts read them: a line, a table, JSON."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from query_service.answer import Answer, Hit, MatchedTerm
from scenesift import console

if TYPE_CHECKING:
    from rich.table import Table

_TERMS_SHOWN = 5
_LEAST_SHARE = 0.01
_WIDE = 160
_SHORT_ID = 10


@dataclass(frozen=True)
class Result:
    """A hit with what it is shown by."""

    hit: Hit
    caption: str | None
    """The entry's own sentence, or the first of its scene's captions."""
    thumbnail: bytes | None = None
    """JPEG of the entry, or of its scene's first chip."""

    @property
    def id(self) -> str:
        """The entry's id."""
        return self.hit.entry.identity.id


def summary(answer: Answer) -> str:
    """How the search was done, in one line."""
    share = answer.scanned / answer.entries if answer.entries else 0.0
    milliseconds = answer.milliseconds
    encoding = milliseconds.get("embedding", 0.0)
    searching = milliseconds.get("total", 0.0) - encoding
    expected = answer.expected_recall
    recall = "not known" if expected is None else f"{expected:.3g}"
    partial = f"; PARTIAL, without {', '.join(answer.missing)}" if answer.missing else ""
    return (
        f"{answer.strategy} search: scored {answer.scanned:,} of {answer.entries:,} vectors "
        f"({100 * share:.3g} %), expected recall {recall}, {searching:.1f} ms and "
        f"{encoding:.1f} ms to encode the query{partial}"
    )


def percent(percentile: float) -> str:
    """A percentile as far as a sample of the archive can tell: never a round 100 by chance."""
    return f"{math.floor(10 * percentile) / 10:.1f}"


def results_table(results: Sequence[Result], explain: bool, width: int) -> Table:
    """Rank, score, percentile, scene, id and caption; the matched terms too when explaining.

    In fewer columns than _WIDE ids are shortened: `--like` takes the scene as well.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("rank", justify="right")
    table.add_column("score", justify="right")
    table.add_column("percentile", justify="right")
    table.add_column("scene", overflow="fold")
    shown = None if width >= _WIDE else _SHORT_ID
    table.add_column("id", overflow="ellipsis", no_wrap=True, max_width=shown, style="dim")
    table.add_column("caption", overflow="fold")
    if explain:
        table.add_column("matched terms", overflow="fold")
    for rank, result in enumerate(results, start=1):
        hit = result.hit
        row = [
            str(rank),
            f"{hit.score:.3f}",
            percent(hit.percentile),
            hit.entry.identity.scene,
            result.id,
            result.caption or "",
        ]
        if explain:
            row.append(terms_line(hit.terms))
        table.add_row(*(Text(cell) for cell in row))
    return table


def _nothing(answer: Answer) -> str:
    """What stands for no hits, and why."""
    is_filtered = answer.strategy == "matches" and not answer.scanned
    return "no hits: nothing passes the filter" if is_filtered else "no hits"


def print_answer(answer: Answer, results: Sequence[Result], explain: bool) -> None:
    """The hits as a table, and how they were found."""
    out = console.output()
    out.print(results_table(results, explain, out.width) if results else _nothing(answer))
    for line in (summary(answer), *(explanation(answer) if explain else ())):
        out.print(line, markup=False)


def terms_line(terms: Sequence[MatchedTerm]) -> str:
    """The strongest words with their share; terms of one word count together."""
    return ", ".join(f"{word} {100 * share:.0f} %" for word, share in strongest_words(terms))


def strongest_words(terms: Sequence[MatchedTerm]) -> list[tuple[str, float]]:
    """Words, or terms without one, with their share, as far as there is much of it."""
    shares: defaultdict[str, float] = defaultdict(float)
    for term in terms:
        shares[term.word or term.term] += term.share
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    return [(word, share) for word, share in ranked[:_TERMS_SHOWN] if share >= _LEAST_SHARE]


def explanation(answer: Answer) -> list[str]:
    """How the answer came about, a line a step."""
    lines = [
        f"query terms: {terms_line(answer.query_terms) or 'none'}",
        f"plan: {answer.strategy}; {answer.reason}",
    ]
    if answer.strategy == "guided":
        lines.append(f"guide: {answer.guide:,} sparse hits")
        opened = ", ".join(
            f"{cell.cell} ({cell.vectors} vectors, {cell.guide} of the guide, "
            f"{cell.normal:.2g} expected above the last hit, {cell.expected:.2g} hits expected)"
            for cell in answer.cells[:_TERMS_SHOWN]
        )
        more = " ..." if len(answer.cells) > _TERMS_SHOWN else ""
        lines.append(f"cells opened: {len(answer.cells)}" + (f": {opened}{more}" if opened else ""))
    elif answer.strategy == "exhaustive":
        lines.append("cells opened: all, the archive was scanned")
    steps = ", ".join(f"{step} {spent:.2f}" for step, spent in answer.milliseconds.items())
    lines.append(f"milliseconds: {steps}")
    reads = answer.reads
    if reads.hits or reads.requests:
        lines.append(
            f"read from the store: {reads.bytes:,} bytes in {reads.requests} requests; "
            f"found in the cache: {reads.hits} of {reads.hits + reads.misses} parts"
        )
    return lines


def answer_json(answer: Answer, results: Sequence[Result], explain: bool) -> dict[str, Any]:
    """The answer as `search --json` prints it."""
    value: dict[str, Any] = {
        "hits": [hit_json(result, explain) for result in results],
        "strategy": answer.strategy,
        "reason": answer.reason,
        "recall": answer.recall,
        "expected_recall": answer.expected_recall,
        "scanned": answer.scanned,
        "entries": answer.entries,
        "missing": list(answer.missing),
        "milliseconds": {step: round(spent, 3) for step, spent in answer.milliseconds.items()},
    }
    if explain:
        value["terms"] = [term.to_json() for term in answer.query_terms]
        value["guide"] = answer.guide
        value["reads"] = answer.reads.to_json()
        value["cells"] = [cell.to_json() for cell in answer.cells]
    return value


def hit_json(result: Result, explain: bool) -> dict[str, Any]:
    """A hit as `--json` prints it."""
    hit = result.hit
    who = hit.entry.identity
    value: dict[str, Any] = {
        "id": result.id,
        "kind": who.kind,
        "collection": who.collection,
        "scene": who.scene,
        "part": who.part,
        "source": hit.entry.source,
        "score": hit.score,
        "percentile": hit.percentile,
        "caption": result.caption,
        "words": list(hit.entry.top_terms),
    }
    if explain:
        value["terms"] = [term.to_json() for term in hit.terms]
    return value
