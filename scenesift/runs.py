"""TREC run files: rankings for tools such as trec_eval and ir_measures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from scenesift.errors import EvaluationError

Ranked = Sequence[tuple[str, float]]
"""Documents and scores, best first."""


def write_run(file: Path, tag: str, rankings: Sequence[tuple[str, Ranked]]) -> None:
    """One line a hit: query, Q0, document, rank from 1, score, tag."""
    _write(
        file,
        (
            f"{_name(query)} Q0 {_name(document)} {rank} {score:.7f} {tag}"
            for query, ranked in rankings
            for rank, (document, score) in enumerate(ranked, start=1)
        ),
    )


def write_qrels(file: Path, positives: Sequence[tuple[str, Sequence[str]]]) -> None:
    """One line a query and document that answers it."""
    _write(
        file,
        (
            f"{_name(query)} 0 {_name(document)} 1"
            for query, documents in positives
            for document in documents
        ),
    )


def _name(text: str) -> str:
    """A name without white space, which ends a field."""
    return quote(text, safe="/#:,()[]'!@&=+$~*")


def _write(file: Path, lines: object) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in lines)  # type: ignore[attr-defined]
    except OSError as error:
        raise EvaluationError(f"{file}: cannot be written: {error.strerror}") from error
