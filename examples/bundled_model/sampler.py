"""Batches of random views and texts of both data sets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from examples.bundled_model.dataset import Archive, Texts
from examples.bundled_model.model import MEAN, PIXELS, STD
from examples.bundled_model.vocabulary import EUROSAT_PHRASES, MAX_TOKENS, SPECIALS, UCM_PHRASES

UCM_BATCH, EUROSAT_BATCH = 112, 48
TEMPLATE_SHARE = 0.15  # of the UCM images, that get a class text instead of a caption
MIXING = 0.3  # of the beta distribution: mostly nearly all of one image, sometimes half of each
UNKNOWN_SHARE = 0.1  # of the words, replaced by [UNK], so that an unseen word means nothing

CLASSES = len(UCM_PHRASES) + len(EUROSAT_PHRASES)


@dataclass(frozen=True)
class Batch:
    """A training step's input: pixels, token ids, and which text is true of which image."""

    pixels: Tensor  # float32 [B, 3, PIXELS, PIXELS], normalised
    tokens: Tensor  # int64 [B, length], padded with 0
    true_of: Tensor  # float32 [B, B], how true each text (column) is of each image (row)
    classes: Tensor  # float32 [B, C], likewise of classes: UC Merced's first, then EuroSAT's


class Sampler:
    """Endless batches, each data set in random order, epoch after epoch."""

    def __init__(
        self,
        archive: Archive,
        rows: NDArray[np.int64],
        texts: Texts,
        tokenizer: Any,
        rng: np.random.Generator,
    ) -> None:
        """`rows` are the UCM images to train on, in the order of `texts`."""
        self.archive, self.rows, self.texts, self.rng = archive, rows, texts, rng
        names = list(UCM_PHRASES)
        self.ucm_class = np.array([names.index(archive.ucm_rows[i]["class"]) for i in rows])
        self.tokens: NDArray[np.int64] = tokenizer(
            texts.texts, padding=True, truncation=True, return_tensors="np", max_length=MAX_TOKENS
        )["input_ids"]
        self.ucm_order = self._epochs(len(rows))
        self.eurosat_order = self._epochs(len(archive.eurosat))

    def _epochs(self, n: int) -> Iterator[int]:
        while True:
            yield from self.rng.permutation(n)

    def next(self, strong: bool) -> Batch:
        """The next batch: UCM_BATCH images of UC Merced and EUROSAT_BATCH of EuroSAT.

        `strong` views differ more in scale, angle and colour, and are mixed two by two; the others
        show nearly the whole image, as the encoder does.
        """
        ucm = np.array([next(self.ucm_order) for _ in range(UCM_BATCH)])
        eurosat = np.array([next(self.eurosat_order) for _ in range(EUROSAT_BATCH)])
        eurosat_class = self.archive.eurosat_class[eurosat]
        chosen = np.array(
            [self._ucm_text(i) for i in ucm]
            + [self.rng.choice(self.texts.eurosat_templates[c]) for c in eurosat_class]
        )
        pixels = torch.cat(
            [
                self._views(self.archive.ucm[self.rows[ucm]], 0.25 if strong else 0.7, strong),
                self._views(self.archive.eurosat[eurosat], 0.5 if strong else 0.8, strong),
            ]
        )
        owners = np.concatenate([ucm, len(self.rows) + eurosat_class])
        labels = np.concatenate([self.ucm_class[ucm], len(UCM_PHRASES) + eurosat_class])
        true_of = torch.from_numpy(self.texts.true_of[owners][:, chosen]).float()
        classes = F.one_hot(torch.from_numpy(labels), CLASSES).float()
        if strong:
            pixels, true_of, classes = self._mixed(pixels, true_of, classes)
        return Batch(pixels, torch.from_numpy(self._tokens(chosen)), true_of, classes)

    def _mixed(self, *rows: Tensor) -> list[Tensor]:
        """Each row with some of another one, the same other one and share in all tensors."""
        n = len(rows[0])
        other = torch.from_numpy(self.rng.permutation(n))
        drawn = self.rng.beta(MIXING, MIXING, n).astype(np.float32)
        share = torch.from_numpy(np.minimum(drawn, 1 - drawn))  # at least half stays its own
        return [x + (x[other] - x) * share.view(-1, *[1] * (x.ndim - 1)) for x in rows]

    def _ucm_text(self, image: int) -> int:
        template = self.rng.random() < TEMPLATE_SHARE
        source = self.texts.ucm_templates if template else self.texts.captions
        return int(self.rng.choice(source[image]))

    def _tokens(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        tokens = self.tokens[chosen]
        hidden = (self.rng.random(tokens.shape) < UNKNOWN_SHARE) & (tokens >= len(SPECIALS))
        tokens = np.where(hidden, SPECIALS.index("[UNK]"), tokens)
        return tokens[:, : int((tokens != 0).sum(axis=1).max())]

    def _views(self, images: NDArray[np.uint8], smallest: float, strong: bool) -> Tensor:
        """Random crop of `smallest` to all of the area, turn, flip and colours."""
        n, rng = len(images), self.rng
        x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float().div_(255)
        side = np.sqrt(rng.uniform(smallest, 1.0, n))
        stretch = np.exp(rng.uniform(-0.15, 0.15, n))
        width, height = np.minimum(side * stretch, 1.0), np.minimum(side / stretch, 1.0)
        turns = rng.uniform(0, 4, n) if strong else rng.integers(0, 4, n).astype(np.float64)
        turn = turns * (np.pi / 2)
        flip = rng.choice([-1.0, 1.0], n)
        theta = np.zeros((n, 2, 3), dtype=np.float32)
        theta[:, 0, 0], theta[:, 0, 1] = width * np.cos(turn) * flip, -width * np.sin(turn)
        theta[:, 1, 0], theta[:, 1, 1] = height * np.sin(turn) * flip, height * np.cos(turn)
        theta[:, 0, 2] = rng.uniform(-1, 1, n) * (1 - width)
        theta[:, 1, 2] = rng.uniform(-1, 1, n) * (1 - height)
        grid = F.affine_grid(torch.from_numpy(theta), [n, 3, PIXELS, PIXELS], align_corners=False)
        x = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        spread = 0.5 if strong else 0.3
        factors = rng.uniform(1 - spread, 1 + spread, (3, n, 1, 1, 1)).astype(np.float32)
        brightness, contrast, saturation = torch.from_numpy(factors)
        if strong:  # film and season: each channel on its own
            gains = rng.uniform(0.8, 1.2, (n, 3, 1, 1)).astype(np.float32)
            x = x * torch.from_numpy(gains)
        grey = x.mean(dim=1, keepdim=True)
        x = grey + (x - grey) * saturation
        middle = x.mean(dim=(1, 2, 3), keepdim=True)
        x = (middle + (x - middle) * contrast) * brightness
        views: Tensor = x.clamp_(0, 1).sub_(MEAN).div_(STD)
        return views.contiguous(memory_format=torch.channels_last)
