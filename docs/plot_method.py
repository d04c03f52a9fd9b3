"""Draw the plots and write the tables of method.md: `python -m docs.plot_method`.

The runs are kept in docs/data: what `python -m benchmarks run selector --json` and
`… run selector-unseen --json` print.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

HERE = Path(__file__).parent
PAGE = HERE / "method.md"
RUNS = {name: HERE / "data" / f"{name}.json" for name in ("selector", "selector-unseen")}

_TITLES = {"text_to_image": "Text to image", "image_to_image": "Image to image"}
_WAYS = {
    "ours": ("guide, then cells", "#0b6e8a", 2.6, "-"),
    "guide_only": ("guide only", "#3fa7c4", 1.6, "-"),
    "ivf_best": ("best IVF", "#b3432b", 2.2, "-"),
    "ivf": ("IVF, the same cells", "#d98b77", 1.6, "-"),
    "centroid": ("cells by centroid, learned", "#8a8a8a", 1.3, "--"),
    "overlap": ("cells by overlap", "#8a8a8a", 1.3, ":"),
}
"""Label, colour, width and style of each way."""
_ROWS = {
    "ours": "**guide, then cells by both**",
    "ours by expectation": "the same, cells by n Q(z) alone",
    "ours by model": "the same, cells by the model alone",
    "guide_only": "guide with patience, no cells",
    "overlap": "cells by overlap",
    "centroid": "cells by centroid, learned",
    "ivf_best": "best IVF",
    "ivf": "IVF, the same cells",
    "oracle": "oracle, the same cells",
}
_LEFT_OUT = {"selector-unseen": ("ivf_best",)}
"""Its cells have seen all of the archive there, unlike the codebook."""
_RULES = {
    "both": ("square root of the product", "#0b6e8a"),
    "model": ("learned model", "#7a5ba6"),
    "expectation": ("n Q(z)", "#d08a1d"),
}
_INK = "#333333"
_MOST, _LEAST = 20.0, 0.1
"""Percent missed that are shown."""


def draw(measured: Mapping[str, Any], folder: Path) -> None:
    """Write the plots as SVG into a folder."""
    matplotlib.rcParams.update(
        {
            "svg.hashsalt": "scenesift",  # the same file for the same figures
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": _INK,
            "axes.labelcolor": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
            "text.color": _INK,
        }
    )
    plots = {"selector-recall": _recall(measured), "selector-reliability": _reliability(measured)}
    for name, figure in plots.items():
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, facecolor="white")


def with_tables(page: str, runs: Mapping[str, Mapping[str, Any]]) -> str:
    """The page with a table for each run between its marks."""
    for name, measured in runs.items():
        start, stop = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if start not in page or stop not in page:
            raise SystemExit(f"{PAGE.name}: has no marks for {name}")
        before, after = page.split(start)[0], page.split(stop)[1]
        table = "\n".join(_table(measured, _LEFT_OUT.get(name, ())))
        page = f"{before}{start}{table}\n{stop}{after}"
    return page


def _table(measured: Mapping[str, Any], left_out: Collection[str]) -> Iterator[str]:
    details = measured["details"]
    yield (
        f"| % of {measured['entries']:,} chips scored | text, 0.95 | 0.99 | image, 0.95 | 0.99 |"
    )
    yield "|---|---|---|---|---|"
    for way, label in _ROWS.items():
        if way in left_out:
            continue
        cells = [
            f"{row['scored']:.3f} ({row['recall']:.3f})"
            for direction in _TITLES
            for row in details[direction][way].values()
        ]
        yield f"| {label} | {' | '.join(cells)} |"


def _recall(measured: Mapping[str, Any]) -> Figure:
    """What is missed against what is scored."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes: Sequence[Axes] = figure.subplots(1, 2, sharey=True)
    for axis, (direction, title) in zip(axes, _TITLES.items(), strict=True):
        curves, details = measured["curves"][direction], measured["details"][direction]
        shown: list[float] = []
        for name, (label, colour, width, style) in _WAYS.items():
            points = [(share, 100 * (1 - recall)) for share, recall in curves[name] if recall < 1]
            axis.plot(*zip(*points, strict=True), style, color=colour, lw=width, label=label)
            shown += [share for share, missed in points if _LEAST <= missed <= _MOST]
        oracle = [(row["scored"], 100 * (1 - row["recall"])) for row in details["oracle"].values()]
        shares, missed = zip(*oracle, strict=True)
        axis.plot(shares, missed, "x", ms=6, color=_INK, label="oracle: only cells with hits")
        for target in (5, 1):
            axis.axhline(target, color="#cccccc", lw=0.8, zorder=0)
        axis.set(title=title, xscale="log", yscale="log")
        axis.set_ylim(_MOST, _LEAST)
        axis.set_xlim(0.9 * min(shown), 1.1 * max(shown))
        axis.set_xlabel("vectors scored, % of the chips")
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
            scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            scale.set_minor_formatter(NullFormatter())
    axes[0].set_ylabel("of the true ten missed, %")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _reliability(measured: Mapping[str, Any]) -> Figure:
    """Expected against true missed hits of cells."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    axes: Sequence[Axes] = figure.subplots(1, 2, sharey=True)
    for axis, (direction, title) in zip(axes, _TITLES.items(), strict=True):
        axis.plot([1e-5, 10], [1e-5, 10], color="#cccccc", lw=0.8, zorder=0)
        for rule, (label, colour) in _RULES.items():
            bins = [bin for bin in measured["reliability"][direction][rule] if bin[1] > 0]
            expected, true, _ = zip(*bins, strict=True)
            axis.plot(expected, true, "o-", ms=4, lw=1.4, color=colour, label=label)
        axis.set(title=title, xscale="log", yscale="log", xlabel="missed hits expected in a cell")
        axis.set(xlim=(5e-5, 10), ylim=(5e-5, 10))
    axes[0].set_ylabel("missed hits that were in it")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure


if __name__ == "__main__":
    runs = {name: json.loads(file.read_text()) for name, file in RUNS.items()}
    draw(runs["selector"], HERE / "images")
    PAGE.write_text(with_tables(PAGE.read_text(), runs))
