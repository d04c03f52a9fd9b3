"""Percent of the corpus scored for recall@10 = 0.99, guide and cells; baseline: the best IVF.

Every way of searching walks its settings from cheap to thorough. The cheapest that reaches the
target on the calibration split is measured on the report split. What is scored counts the guide's
documents; products with centroids and prototypes are given beside it, as `before`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import guided, ivf
from benchmarks.asked import Asked, ask
from benchmarks.coded import Coded, coded
from benchmarks.corpus import SIZES, Corpus, Split, open_corpus
from benchmarks.paths import Path
from benchmarks.registry import Options
from sgpd.neighbours import FOR_A_QUERY
from sgpd.perceptron import Perceptron
from sgpd.selector import Selector

NAME = "selector"
TARGETS = (0.95, 0.99)
DIRECTIONS = {"text_to_image": "rsicd", "image_to_image": "image"}
"""The kind of query that each direction is fitted, calibrated and reported on."""
ONLY_REPORTED = ("caption", "template")
"""Kinds of text on which the settings of `text_to_image` are tried as they are."""

_MOST: Mapping[Split, int] = {"fit": 1_000, "calibration": 1_100, "report": 1_100}
_MOST_ONLY_REPORTED = 500
_RELIABILITY_AT = 50
"""Patience after which expected and true missed hits are compared."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A coded corpus, the models fitted on its fit split, and the baselines."""

    corpus: Corpus
    archive: Coded
    selector: Selector
    by_centroid: Perceptron
    inverted: Mapping[int, ivf.Ivf]

    @classmethod
    def prepare(cls, corpus: Corpus, only_even_classes: bool) -> Trial:
        """Make or read what does not depend on the queries of calibration and report."""
        archive = coded(corpus, only_even_classes)
        counts = [count for count in ivf.CELL_COUNTS if 8 * count <= len(corpus.chips)]
        inverted = {count: ivf.inverted_file(corpus, count) for count in counts}
        fit = [_asked(corpus, archive, kind, "fit") for kind in DIRECTIONS.values()]
        selector = guided.selector_of(archive, fit)
        return cls(corpus, archive, selector, guided.centroid_model(archive, fit), inverted)

    def asked(self, kind: str, split: Split) -> Asked:
        """The queries of a kind and split."""
        return _asked(self.corpus, self.archive, kind, split)

    def ways(self, asked: Asked) -> dict[str, Path]:
        """All ways of searching, by the names of the table."""
        own = ivf.Ivf(self.archive.space.cells.centroids, self.archive.cells)
        rules = guided.ours(self.archive, asked, self.selector)
        return {
            "ivf": ivf.fixed(own, asked),
            "ivf_best": Path.join(
                [
                    path
                    for count, inverted in {len(own.centroids): own, **self.inverted}.items()
                    for path in ivf.paths(inverted, asked, f"{count} cells, ")
                ]
            ),
            "centroid": guided.by_centroid(self.archive, asked, self.by_centroid),
            "overlap": guided.overlap(self.archive, asked),
            "guide_only": guided.guide_only(self.archive, asked),
            "ours": rules.pop("both"),
            **{f"ours by {rule}": path for rule, path in rules.items()},
        }

    def oracle(self, asked: Asked, target: float) -> dict[str, Any]:
        """Cells that hold hits, and no others."""
        return guided.oracle(self.archive, asked, target)


def run(options: Options) -> dict[str, Any]:
    """Measure all ways of searching in both directions."""
    return measure(options)


def measure(options: Options, only_even_classes: bool = False) -> dict[str, Any]:
    """The same, on a codebook that has seen all of the corpus or every other class of it."""
    corpus = open_corpus(options.data, options.size or SIZES[-1])
    trial = Trial.prepare(corpus, only_even_classes)
    entries = len(trial.corpus.chips)
    table: dict[str, Any] = {}
    details: dict[str, Any] = {}
    curves: dict[str, Any] = {}
    reliability: dict[str, Any] = {}
    for direction, kind in DIRECTIONS.items():
        ways = trial.ways(trial.asked(kind, "calibration"))
        chosen = {
            (name, target): path.cheapest(target)
            for name, path in ways.items()
            for target in TARGETS
        }
        kinds = [kind, *(ONLY_REPORTED if kind == "rsicd" else ())]
        for other in kinds:
            asked = trial.asked(other, "report")
            reported = trial.ways(asked)
            rows = {
                name: {
                    str(target): reported[name].measured(chosen[name, target], entries)
                    for target in TARGETS
                }
                for name in reported
            }
            rows["oracle"] = {str(target): trial.oracle(asked, target) for target in TARGETS}
            details[direction if other == kind else other] = rows
            if other == kind:
                reliability[direction] = guided.reliability(
                    trial.archive, asked, trial.selector, _RELIABILITY_AT
                )
            curves[direction if other == kind else other] = {
                name: path.curve(entries) for name, path in reported.items()
            }
            _progress(f"{other}: {len(asked)} queries, {asked.postings:.4f} postings an entry")
        table[direction] = {
            name: {target: row["scored"] for target, row in by_target.items()}
            for name, by_target in details[direction].items()
        }
    ratios = {
        direction: {
            baseline: rows["ours"]["0.99"] / rows[baseline]["0.99"]
            for baseline in ("ivf_best", "ivf")
        }
        for direction, rows in table.items()
    }
    figure, baseline = (
        sum(rows[name]["0.99"] for rows in table.values()) / len(table)
        for name in ("ours", "ivf_best")
    )
    return {
        "figure": figure,
        "baseline": baseline,
        "ratio": figure / baseline,
        "unit": "percent of the chips scored, mean of both directions",
        **table,
        "ratios": ratios,
        "details": details,
        "curves": curves,
        "reliability": reliability,
        **trial.corpus.describe(),
        "before": _before(trial),
    }


def _asked(corpus: Corpus, archive: Coded, kind: str, split: Split) -> Asked:
    most = _MOST_ONLY_REPORTED if kind in ONLY_REPORTED else _MOST[split]
    return ask(corpus, archive, corpus.queries[kind].part(split), most)


def _before(trial: Trial) -> dict[str, Any]:
    """Products a query before anything is scored, in percent of the entries."""
    entries, space = len(trial.corpus.chips), trial.archive.space
    return {
        "ours, cells": 100 * len(space.cells) / entries,
        "ours, prototypes": 100 * min(FOR_A_QUERY, len(space.sparsifier.lexicon)) / entries,
        **{f"ivf, {count} cells": 100 * count / entries for count in trial.inverted},
    }


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
