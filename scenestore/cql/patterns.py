"""LIKE in CQL2's JSON form: % for any characters, _ for one, and \\ before what is meant itself."""

from __future__ import annotations

from typing import Any

from scenestore.cql.comparisons import typed, unfolded
from scenestore.cql.refusal import refusal
from scenestore.expression import Expression, Like, OneOf, Wild

LONGEST = 100
"""Characters of a pattern."""
MOST_AFTER = 6
"""`_` after the first `%`: OpenSearch gives up a pattern that costs too much. Made-up patterns of
the worst kinds within both bounds it took, 8 such `_` it did not (2.19, 3.8)."""


def likeness(what: Any, given: Any, whole: Any) -> Expression:
    """A text as a whole follows the pattern."""
    if not isinstance(unfolded(given)[0], str):
        do = "give one, as in platform LIKE 'landsat-%'"
        raise refusal(whole, "the pattern is no text", do)
    on, ((pattern, _),), folded = typed(what, [given], whole)
    if on.type != "text":
        raise refusal(whole, f"{on.name} is no text", "compare it with <, = or >")
    pattern = str(pattern)
    if len(pattern) > LONGEST:
        raise refusal(whole, "the pattern is long", f"give at most {LONGEST} characters")
    pieces = _pieces(pattern, whole)
    after = pieces[pieces.index(Wild.MANY) :] if Wild.MANY in pieces else ()
    if after.count(Wild.ONE) > MOST_AFTER:
        do = f"give at most {MOST_AFTER}; \\_ is the letter itself"
        raise refusal(whole, "the pattern has many _ after a %", do)
    letters = [piece for piece in pieces if isinstance(piece, str)]
    if len(letters) == len(pieces):  # OpenSearch finds no empty text by an empty pattern
        return OneOf(on, ("".join(letters),), folded)
    return Like(on, pieces, folded)


def _pieces(pattern: str, whole: Any) -> tuple[str | Wild, ...]:
    pieces: list[str | Wild] = []
    letters = iter(pattern)
    for letter in letters:
        match letter:
            case "%":
                pieces.append(Wild.MANY)
            case "_":
                pieces.append(Wild.ONE)
            case "\\":
                meant = next(letters, None)
                if meant is None:
                    raise refusal(whole, "the pattern ends with \\", "write \\\\ for the letter")
                pieces.append(meant)
            case _:
                pieces.append(letter)
    return tuple(pieces)
