"""mR of dense and caption words together where half of the images have captions; baseline: dense.

Texts are asked for chips, each a whole image. BM25 over an image's captions is joined with the
dense score by reciprocal ranks, or as a weighted sum. Its weight is chosen on UC Merced's training
images (which the bundled model has seen), all is measured on its validation images. A query is a
caption; what is indexed are the other captions of the images, none in the words of the query.
EuroSAT's images have no captions. R@k asks for the caption's own image; P@10 counts images of its
class among ten, its own left out. `--size` is that of the corpus that EuroSAT's and the training
images come from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.bm25 import Captions
from benchmarks.corpus import CACHE, MODEL, Corpus, open_corpus
from benchmarks.crops import Cut, Source, embed_crops
from benchmarks.registry import Options
from examples.bundled_model.vocabulary import EUROSAT_PHRASES, class_texts
from sgpd.embeddings import checked
from sgpd.encoders import Encoder, load

NAME = "fusion"
CUTS = (1, 5, 10)
WEIGHTS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
_RANKS = 60
"""Added to a rank in its reciprocal, as is usual."""
_SIZE = 100_000
_WHOLE = Cut(crops=1, least=1.0, metres=76.8)
_TEXTS_A_CLASS = 40
ALIKE: Mapping[str, tuple[str, ...]] = {
    "Forest": ("forest",),
    "River": ("river",),
    "Highway": ("freeway",),
    "Residential": ("denseresidential", "mediumresidential", "sparseresidential"),
    "AnnualCrop": ("agricultural",),
    "PermanentCrop": ("agricultural",),
}
"""Classes of EuroSAT, and those of UC Merced that show the same."""
RSICD: Mapping[str, str] = {
    "baseballfield": "baseballdiamond",
    "port": "harbor",
    "parking": "parkinglot",
    **{name: name for name in ("beach", "forest", "river", "storagetanks")},
    **{f"{how}residential": f"{how}residential" for how in ("dense", "medium", "sparse")},
}
"""Classes of RSICD, and that of UC Merced that shows the same."""

Fuse = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.floating]]
"""One score an image from its dense scores and those of its words."""


@dataclass(frozen=True, eq=False)
class Described:
    """Images with captions."""

    vectors: NDArray[np.float32]
    classes: tuple[str, ...]
    captions: Captions
    embedded: NDArray[np.float32]
    """Of each caption."""


@dataclass(frozen=True, eq=False)
class Asked:
    """Queries of one sort over one gallery, scored both ways."""

    dense: NDArray[np.float32]
    """Shape [n, N]."""
    words: NDArray[np.float32]
    """Shape [n, N]."""
    own: NDArray[np.int64]
    """Shape [n]: the image that each is of; -1 for none."""
    relevant: NDArray[np.bool_]
    """Shape [n, N]: images of its class, its own left out."""

    def take(self, rows: NDArray[np.bool_]) -> Asked:
        """Some of the queries."""
        return Asked(self.dense[rows], self.words[rows], self.own[rows], self.relevant[rows])

    def measured(self, fuse: Fuse) -> dict[str, float]:
        """R@1, 5, 10, their mean, and P@10, in percent."""
        fused = np.stack([fuse(d, w) for d, w in zip(self.dense, self.words, strict=True)])
        every = np.arange(len(fused))
        found: dict[str, float] = {}
        if (self.own >= 0).all():
            mine = fused[every, self.own][:, None]
            rank = (fused > mine).sum(axis=1) + ((fused == mine).sum(axis=1) - 1) / 2
            found |= {f"r{cut}": 100 * float((rank < cut).mean()) for cut in CUTS}
            found["mr"] = sum(found.values()) / len(found)
            fused[every, self.own] = -np.inf
        best = np.argsort(-fused, axis=1, kind="stable")[:, : CUTS[-1]]
        found["p10"] = 100 * float(np.take_along_axis(self.relevant, best, axis=1).mean())
        return found


def dense_alone(dense: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.floating]:
    """The dense score."""
    return dense


def words_alone(dense: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.floating]:
    """The score of the words."""
    return words


def by_ranks(dense: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.floating]:
    """Reciprocal ranks; an image without a shared word has none by words."""
    fused = 1 / (_RANKS + 1 + _ranks(dense))
    return fused + np.where(words > 0, 1 / (_RANKS + 1 + _ranks(words)), 0)


def weighted(weight: float) -> Fuse:
    """The dense score and a share of the words' score over the best one's."""

    def fuse(dense: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.floating]:
        return dense + weight * words / max(float(words.max()), 1e-9)

    return fuse


def _ranks(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.argsort(np.argsort(-scores, kind="stable"), kind="stable")


def run(options: Options) -> dict[str, Any]:
    """Choose the weight on training images, and measure all ways on validation images."""
    corpus = open_corpus(options.data, options.size or _SIZE)
    assert options.data is not None  # or there was no corpus
    encoder = load(MODEL)
    training, validation = (
        _training(corpus, options.data),
        _validation(corpus, options.data, encoder),
    )
    distractors, their_classes = _distractors(corpus)
    gallery = (distractors, their_classes)
    chosen_on = _half_described(training, *gallery)
    grid = {weight: chosen_on.measured(weighted(weight))["mr"] for weight in WEIGHTS}
    best = max(grid, key=lambda weight: grid[weight])
    ways: dict[str, Fuse] = {
        "dense": dense_alone,
        "words": words_alone,
        "ranks": by_ranks,
        "sum": weighted(best),
    }
    half = _half_described(validation, *gallery)
    has_captions = _shown(validation)[half.own]
    sorts = {
        "all have captions, no others": _captions(validation, None),
        "all have captions, no others: texts of RSICD": _rsicd(
            validation, None, options.data, encoder
        ),
        "half have captions": half,
        "half have captions: of images that have": half.take(has_captions),
        "half have captions: of images that have none": half.take(~has_captions),
        "half have captions: texts of RSICD": _rsicd(validation, gallery, options.data, encoder),
        "half have captions: sentences about EuroSAT": _sentences(validation, gallery, encoder),
    }
    table = {
        sort: {way: asked.measured(fuse) for way, fuse in ways.items()}
        for sort, asked in sorts.items()
    }
    figure, baseline = (table["half have captions"][way]["mr"] for way in ("sum", "dense"))
    return {
        "figure": figure,
        "baseline": baseline,
        "ratio": figure / baseline,
        "unit": "mR (text to image), percent",
        "weight": best,
        "chosen_on": {"dense": chosen_on.measured(dense_alone)["mr"], **grid},
        "queries": {sort: len(asked.own) for sort, asked in sorts.items()},
        "images": {"described": len(validation.vectors), "others": len(distractors)},
        "by_weight": {
            sort: {weight: asked.measured(weighted(weight)) for weight in WEIGHTS}
            for sort, asked in sorts.items()
        },
        "table": table,
    }


def _rows(data: Path, split: str) -> list[dict[str, Any]]:
    lines = (data / "ucm_captions" / "captions.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["split"] == split]


def _training(corpus: Corpus, data: Path) -> Described:
    """UC Merced's images among the chips: the first of each is the whole."""
    sources, first = np.unique(corpus.source, return_index=True)
    place = {corpus.images[source]: row for source, row in zip(sources, first, strict=True)}
    rows = [row for row in _rows(data, "train") if row["image"] in place]
    number = {int(place[row["image"]]): i for i, row in enumerate(rows)}
    images = [number[chip] for chip in np.asarray(corpus.captions.rows).tolist()]
    return Described(
        corpus.chips[[place[row["image"]] for row in rows]],
        tuple(row["class"] for row in rows),
        Captions.of(corpus.captions.texts, images),
        np.asarray(corpus.captions.embeddings, np.float32),
    )


def _validation(corpus: Corpus, data: Path, encoder: Encoder) -> Described:
    rows = _rows(data, "val")
    images = [
        Source(data / "ucm_captions" / row["image"], row["image"], row["class"], _WHOLE)
        for row in rows
    ]
    cache = CACHE / encoder.identity.replace(":", "-")
    asked = corpus.queries["caption"]
    number = {corpus.images.index(row["image"]): i for i, row in enumerate(rows)}
    return Described(
        embed_crops(images, encoder, cache, "validation").astype(np.float32),
        tuple(row["class"] for row in rows),
        Captions.of(asked.texts, [number[source] for source in asked.source.tolist()]),
        asked.vectors,
    )


def _distractors(corpus: Corpus) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """EuroSAT's images among the chips, whole, and their classes."""
    first = np.unique(corpus.source, return_index=True)[1]
    classes = [corpus.classes[klass] for klass in corpus.klass[first].tolist()]
    kept = [i for i, klass in enumerate(classes) if klass in EUROSAT_PHRASES]
    return corpus.chips[first[kept]], tuple(classes[i] for i in kept)


def _shown(described: Described) -> NDArray[np.bool_]:
    """Which half of the images has captions."""
    count = len(described.vectors)
    return np.random.default_rng(0).permutation(count) < count / 2


Gallery = tuple[NDArray[np.float32], tuple[str, ...]]


def _half_described(
    described: Described, distractors: NDArray[np.float32], classes: Sequence[str]
) -> Asked:
    return _captions(described, (distractors, tuple(classes)))


def _captions(described: Described, others: Gallery | None) -> Asked:
    """All captions as queries; with other images, half of the described ones has captions."""
    own = described.captions.images
    classes = [described.classes[image] for image in own.tolist()]
    return _asked(
        described, others, described.embedded, described.captions.texts, own, [{c} for c in classes]
    )


def _rsicd(described: Described, others: Gallery | None, data: Path, encoder: Encoder) -> Asked:
    """A text of each of some RSICD images of classes that UC Merced has too."""
    lines = (data / "rsicd_captions_text_only.jsonl").read_text().splitlines()
    texts: dict[str, list[str]] = {name: [] for name in RSICD}
    for row in map(json.loads, lines):
        name = row["image"].rpartition("_")[0]
        if name in texts and len(texts[name]) < _TEXTS_A_CLASS:
            texts[name].append(row["captions"][0])
    return _of_classes(
        described, others, encoder, [(t, {RSICD[name]}) for name in texts for t in texts[name]]
    )


def _sentences(described: Described, others: Gallery, encoder: Encoder) -> Asked:
    """Class templates of EuroSAT, whose images have no captions."""
    asked = [
        (text, {name, *ALIKE.get(name, ())})
        for name, phrases in EUROSAT_PHRASES.items()
        for text in class_texts(phrases)
    ]
    return _of_classes(described, others, encoder, asked)


def _of_classes(
    described: Described,
    others: Gallery | None,
    encoder: Encoder,
    asked: Sequence[tuple[str, set[str]]],
) -> Asked:
    texts = [text for text, _ in asked]
    vectors = checked(encoder.encode_texts(texts))
    none = np.full(len(texts), -1)
    return _asked(described, others, vectors, texts, none, [wanted for _, wanted in asked])


def _asked(
    described: Described,
    others: Gallery | None,
    vectors: NDArray[np.float32],
    texts: Sequence[str],
    own: NDArray[np.int64],
    wanted: Sequence[set[str]],
) -> Asked:
    images, classes = described.vectors, described.classes
    if others is not None:
        images, classes = np.concatenate([images, others[0]]), (*classes, *others[1])
    shown = None if others is None else _shown(described)
    words = np.zeros((len(texts), len(images)), np.float32)
    count = len(described.vectors)
    for row, text in enumerate(texts):
        words[row, :count] = described.captions.scores(text, count, shown)
    relevant = np.stack([np.isin(classes, list(names)) for names in wanted])
    there = np.flatnonzero(own >= 0)
    relevant[there, own[there]] = False
    return Asked((vectors @ images.T).astype(np.float32), words, own, relevant)
