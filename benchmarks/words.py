"""How often the words that entries are shown by are said of them: plain words beside others.

Needs --data, the folder with `ucm_captions` and `eurosat_rgb`. Images of UC Merced's validation
split, which neither model nor bundle saw: the first half of each class is what settings were chosen
on ("chosen"), the second is for the report. A word is right when one of the image's five captions
says it or another name of the concept; a word that is true but unsaid counts as wrong. EuroSAT's
images ("labels") were seen by the model; their truth is what the phrases of their class say.
Captions ("captions") are those of the report's images that say any concept at all.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.registry import Options
from examples.bundled_model.vocabulary import EUROSAT_PHRASES
from indexer.coding import TOP_TERMS, top_terms
from sgpd.concepts import Concepts, ConceptTexts, field_concepts, read_concepts
from sgpd.embeddings import stored
from sgpd.encoders import Encoder, load
from sgpd.fit import CaptionSample, fit
from sgpd.prototypes import mixture_weights
from sgpd.sparsifier import Sparsifier
from sgpd.words import said

NAME = "words"
MODEL = Path(__file__).parent.parent / "scenesift" / "assets" / "model"
_BLOCK = 256
_EUROSAT = 3_000
_PENALTY = 0.3
"""Of the mixture's sum of weights; best of 0, 0.05, 0.1, 0.2 and 0.3."""
_NAMES = {names[0]: names for names in field_concepts()}


@dataclass(frozen=True, eq=False)
class Split:
    """Images to name, and what is said of them."""

    embeddings: NDArray[np.float32]
    """Shape [n, d]."""
    texts: Sequence[str]
    """All that is said of each."""

    @staticmethod
    def names(word: str) -> tuple[str, ...]:
        """What a word goes by: as a concept by all its names."""
        return _NAMES.get(word.replace("-", " "), (word,))

    def precision(self, words: Sequence[Sequence[str]], count: int) -> float:
        """Mean share, in percent, of an image's first `count` words that are said of it."""
        every = sorted({word for row in words for word in row})
        spoken = said(self.texts, [self.names(word) for word in every])
        place = {word: column for column, word in enumerate(every)}
        shares = [
            np.mean([spoken[row, place[word]] for word in found[:count]])
            for row, found in enumerate(words)
        ]
        return 100 * float(np.mean(shares))


def run(options: Options) -> dict[str, Any]:
    """Fit on the training images, name the others; figure and baseline: precision at 3, report."""
    if options.data is None:
        raise SystemExit("words: give --data, the folder with ucm_captions and eurosat_rgb")
    encoder = load(MODEL)
    train, splits = _images(encoder, options.data, options.size or _EUROSAT)
    read = read_concepts(encoder)
    assert read is not None
    texts = [caption for row in train.texts for caption in row.split("\n")]
    rows = [row for row, said_ in enumerate(train.texts) for _ in said_.split("\n")]
    described = CaptionSample(texts, encoder.encode_texts(texts), rows)
    x = np.concatenate([train.embeddings, splits["labels"].embeddings])
    bundle = fit(x, encoder.identity, captions=described, concepts=read)
    space = bundle.space("chip")
    assert space.concepts is not None
    arms = _arms(read, space.concepts, x, train)
    lexicon = space.sparsifier.lexicon

    def by_code(images: NDArray[np.float32]) -> list[tuple[str, ...]]:
        return list(top_terms(space.sparsifier.encode_documents(stored(images)), lexicon))

    arms["words of the code's terms"] = by_code
    table: dict[str, Any] = defaultdict(dict)
    for arm, name in arms.items():
        for which, split in splits.items():
            table[arm][which] = _figures(split, name(stored(split.embeddings)))
    sentences = [text for said_ in splits["report"].texts for text in said_.split("\n")]
    telling = said(sentences, read.names).sum(axis=1) > 0
    sentences = [text for text, tells in zip(sentences, telling, strict=True) if tells]
    captions = Split(encoder.encode_texts(sentences), sentences)
    of_texts = bundle.space("caption").concepts
    assert of_texts is not None
    named = of_texts.strongest(stored(captions.embeddings), TOP_TERMS)
    ours, before = table["plain words"]["report"], table["words of the code's terms"]["report"]
    return {
        "figure": ours["p3"],
        "baseline": before["p3"],
        "ratio": ours["p3"] / before["p3"],
        "unit": "percent of the first three words that captions say",
        "concepts": len(read.names),
        "images": {which: len(split.texts) for which, split in splits.items()},
        "arms": table,
        "captions": _figures(captions, named),
        "term_names": {
            which: round(_names_right(space.sparsifier, split), 1)
            for which, split in splits.items()
        },
    }


def _figures(split: Split, words: Sequence[Sequence[str]]) -> dict[str, float]:
    """Precision among the first words, and how many there are."""
    return {
        **{f"p{count}": round(split.precision(words, count), 1) for count in (1, 3, 5)},
        "words": round(float(np.mean([len(row) for row in words])), 2),
    }


def _names_right(sparsifier: Sparsifier, split: Split) -> float:
    """Percent of the images' code weight that lies on terms whose names are said of them."""
    codes = sparsifier.encode_documents(stored(split.embeddings))
    names = [word or "" for word in sparsifier.lexicon.words]
    spoken = said(split.texts, [split.names(name) for name in names])
    rows = np.repeat(np.arange(len(codes)), np.diff(codes.indptr))
    return 100 * float(np.average(spoken[rows, codes.terms], weights=codes.weights))


Namer = Callable[[NDArray[np.float32]], Sequence[Sequence[str]]]


def _arms(
    read: ConceptTexts, concepts: Concepts, x: NDArray[np.float32], train: Split
) -> dict[str, Namer]:
    """Ways from embeddings [n, d] to words."""
    t = read.embeddings
    names = [names[0] for names in read.names]
    mean, spread = (x @ t.T).mean(axis=0), (x @ t.T).std(axis=0)
    centre = x.mean(axis=0)
    often = said(train.texts, read.names).mean(axis=0)

    def ranked(score: Callable[[NDArray[np.float32]], NDArray[np.floating]]) -> Namer:
        def named(images: NDArray[np.float32]) -> list[list[str]]:
            order = np.argsort(-score(images), axis=1, kind="stable")[:, :TOP_TERMS]
            return [[names[i] for i in row] for row in order.tolist()]

        return named

    def mixture(images: NDArray[np.float32]) -> NDArray[np.floating]:
        a, b = _unit(images - centre).astype(np.float64), _unit(t - t.mean(axis=0))
        gram = np.broadcast_to(b @ b.T, (len(a), len(b), len(b)))
        return mixture_weights(gram, a @ b.T - _PENALTY, 25)

    return {
        "most frequent": ranked(lambda images: np.broadcast_to(often, (len(images), len(often)))),
        "mixture of concepts": ranked(mixture),
        "nearest concepts": ranked(lambda images: images @ t.T),
        "standardised": ranked(lambda images: (images @ t.T - mean) / spread),
        "plain words, uncut": ranked(concepts.strengths),
        "plain words": lambda images: concepts.strongest(images, TOP_TERMS),
    }


def _images(encoder: Encoder, data: Path, count: int) -> tuple[Split, dict[str, Split]]:
    """UC Merced's training images, and the splits to name; `count` images of EuroSAT."""
    lines = (data / "ucm_captions" / "captions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    held: defaultdict[str, list[Any]] = defaultdict(list)
    for row in rows:
        if row["split"] == "val":
            held[row["class"]].append(row)
    halves = {
        "chosen": [row for found in held.values() for row in found[: len(found) // 2]],
        "report": [row for found in held.values() for row in found[len(found) // 2 :]],
    }

    def described(rows: Sequence[Any]) -> Split:
        paths = [data / "ucm_captions" / row["image"] for row in rows]
        return Split(_encoded(encoder, paths), ["\n".join(row["captions"]) for row in rows])

    paths = sorted((data / "eurosat_rgb").rglob("*.jpg"))
    drawn = [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[:count]]
    labels = ["\n".join(EUROSAT_PHRASES[path.parent.name]) for path in drawn]
    splits = {which: described(rows) for which, rows in halves.items()}
    splits["labels"] = Split(_encoded(encoder, drawn), labels)
    return described([row for row in rows if row["split"] != "val"]), splits


def _encoded(encoder: Encoder, paths: Sequence[Path]) -> NDArray[np.float32]:
    blocks = []
    for start in range(0, len(paths), _BLOCK):
        pixels = [np.asarray(Image.open(p).convert("RGB")) for p in paths[start : start + _BLOCK]]
        blocks.append(encoder.encode_images(pixels))
    return np.concatenate(blocks)


def _unit(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)
