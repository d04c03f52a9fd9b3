"""Concepts: plain words of the field for an entry, by the text embeddings nearest to its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sgpd.words import said

if TYPE_CHECKING:
    from sgpd.encoders import Encoder

Names = tuple[str, ...]
"""What a concept is called: the name that is shown, then others of the same thing."""

TEMPLATES = ("{}", "an aerial image of {}", "there is a {}")
"""A concept's embedding is the mean over these; best of five sets tried."""
_NONSENSE = "qzxvj"
_SAME = 1e-4
"""Embeddings of one text in two batches differ by less, in any number."""
_PRIOR_WEIGHT = 0.25
"""Standard deviations that e times as many captions are worth: logistic fits of whether captions
say a concept, by its standardised similarity, had slopes around 4 (UC Merced, bundled model)."""
_PRIOR_SHARE = 0.03
"""Added to the share of images whose captions say a concept: captions do not say all that is there,
and another part of the archive may show what they never speak of."""
_TRUST_IMAGES = 10
"""Images that every concept is lent as right, before captions show how far to trust it."""
_LIKELY = 5
"""An image is taken to show at most so many concepts when that is found out."""
_LEAST_DEVIATIONS = 1.5
_WIDEST_GAP = 0.5
"""Chosen, with the prior, on the split for that of `python -m benchmarks run words`: a wider gap
names more words, of which captions say fewer."""


@dataclass(frozen=True, eq=False)
class ConceptTexts:
    """Concepts as an encoder reads them."""

    names: Sequence[Names]
    embeddings: NDArray[np.float32]
    """Shape [m, d], unit length."""


@dataclass(frozen=True, eq=False)
class Concepts:
    """Concepts calibrated on the embeddings of one kind.

    A concept's similarity is standardised over the fitted embeddings: that takes away the gap
    between images and texts, and what makes some words near to everything. How often captions say
    the concept is added as a prior, and so is how often they say it of images that seem to show it:
    a model is not equally good at all words.
    """

    names: tuple[str, ...]
    directions: NDArray[np.float32]
    """Shape [m, d]: text embeddings over the standard deviation of their similarity."""
    offsets: NDArray[np.float32]
    """Shape [m]: mean similarity in standard deviations."""
    priors: NDArray[np.float32]
    """Shape [m], at most 0."""

    @classmethod
    def fit(
        cls,
        texts: ConceptTexts,
        x: NDArray[np.float32],
        described: Mapping[int, Sequence[str]],
    ) -> Concepts:
        """Calibrate on embeddings x [n, d]; `described`: captions by row, where there are any."""
        similarity = x @ texts.embeddings.T
        spread = np.maximum(similarity.std(axis=0, dtype=np.float64), 1e-6)
        made = cls(
            tuple(names[0] for names in texts.names),
            (texts.embeddings / spread[:, None]).astype(np.float32),
            (similarity.mean(axis=0, dtype=np.float64) / spread).astype(np.float32),
            np.zeros(len(texts.names), np.float32),
        )
        return made._heeding(texts.names, x, described) if described else made

    def _heeding(
        self,
        names: Sequence[Names],
        x: NDArray[np.float32],
        described: Mapping[int, Sequence[str]],
    ) -> Concepts:
        """With the priors that captions of some embeddings [n, d] give."""
        told = said(["\n".join(captions) for captions in described.values()], names)
        share = (told.mean(axis=0) + _PRIOR_SHARE) / (1 + 2 * _PRIOR_SHARE)
        made = replace(self, priors=_weighed(share))
        likely = made._likely(x[list(described)])
        right = (likely & told).sum(axis=0) + _TRUST_IMAGES
        trust = right / (likely.sum(axis=0) + _TRUST_IMAGES)
        return replace(self, priors=_weighed(share * trust))

    def strengths(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """How strongly each embedding [n, d] shows each concept, [n, m]."""
        return self._standing(x) + self.priors

    def strongest(self, x: NDArray[np.float32], count: int) -> list[tuple[str, ...]]:
        """For each embedding [n, d] the names of its 1 to `count` strongest concepts, best first.

        A concept is named that stands out (by _LEAST_DEVIATIONS, in the mean and spread of the
        fit) and comes near to the best (within _WIDEST_GAP); the best one always is.
        """
        standing = self._standing(x)
        strength = standing + self.priors
        order = np.argsort(-strength, axis=1, kind="stable")[:, :count]
        best = np.take_along_axis(strength, order, axis=1)
        named = (best >= best[:, :1] - _WIDEST_GAP) & (
            np.take_along_axis(standing, order, axis=1) >= _LEAST_DEVIATIONS
        )
        named[:, :1] = True
        return [
            tuple(self.names[i] for i in row[kept].tolist())
            for row, kept in zip(order, named, strict=True)
        ]

    def _likely(self, x: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which concepts each embedding [n, d] seems to show, [n, m]."""
        order = np.argsort(-self.strengths(x), axis=1, kind="stable")[:, :_LIKELY]
        likely = np.zeros((len(x), len(self.names)), np.bool_)
        np.put_along_axis(likely, order, True, axis=1)
        return likely & (self._standing(x) >= _LEAST_DEVIATIONS)

    def _standing(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Standardised similarities [n, m]; in float64, so that batches do not change ranks."""
        product = x.astype(np.float64) @ self.directions.T.astype(np.float64)
        return np.asarray(product - self.offsets)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle keeps besides the names."""
        return {"directions": self.directions, "offsets": self.offsets, "priors": self.priors}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], names: Sequence[str]) -> Concepts:
        """Concepts as saved by `arrays`."""
        return cls(tuple(names), arrays["directions"], arrays["offsets"], arrays["priors"])


def field_concepts() -> list[Names]:
    """The concepts of remote sensing that come with this package (concepts.txt)."""
    text = resources.files("sgpd").joinpath("concepts.txt").read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    return [
        tuple(name.strip() for name in line.split(","))
        for line in lines
        if line and not line.startswith("#")
    ]


def read_concepts(encoder: Encoder, concepts: Sequence[Names] | None = None) -> ConceptTexts | None:
    """Concepts as the encoder reads them; by default those of the field.

    Names with a word that the encoder takes for any unknown word are left out, and concepts
    without another name; None where none is left.
    """
    asked = field_concepts() if concepts is None else concepts
    words = sorted({word for names in asked for name in names for word in name.split()})
    *embedded, nonsense = encoder.encode_texts([*words, _NONSENSE])
    known = {
        word
        for word, embedding in zip(words, embedded, strict=True)
        if np.abs(embedding - nonsense).max() > _SAME
    }
    readable = [
        (names, [name for name in names if known.issuperset(name.split())]) for names in asked
    ]
    kept = [(names, read) for names, read in readable if read]
    if not kept:
        return None
    texts = [template.format(name) for _, read in kept for name in read for template in TEMPLATES]
    ends = np.cumsum([len(read) * len(TEMPLATES) for _, read in kept])
    sums = np.add.reduceat(encoder.encode_texts(texts), [0, *ends[:-1]], axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return ConceptTexts([names for names, _ in kept], (sums / lengths).astype(np.float32))


def _weighed(shares: NDArray[np.float64]) -> NDArray[np.float32]:
    return (_PRIOR_WEIGHT * np.log(shares)).astype(np.float32)
