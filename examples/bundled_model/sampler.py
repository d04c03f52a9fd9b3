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
from examples.bundled_model.vocabulary import MAX_TOKENS, SPECIALS, UCM_PHRASES

UCM_BATCH, EUROSAT_BATCH = 112, 48
TEMPLATE_SHARE = 0.15  # of the UCM images, that get a class text instead of a caption
UNKNOWN_SHARE = 0.05  # of the words, replaced by [UNK], so that an unseen word means nothing


@dataclass(frozen=True)
class Batch:
    """A training step's input: pixels, token ids, and which text is true of which image."""

    pixels: Tensor  # float32 [B, 3, PIXELS, PIXELS], normalised
    tokens: Tensor  # int64 [B, length], padded with 0
    true_of: Tensor  # bool [B, B], image by text
    classes: Tensor  # int64 [B], those of UC Merced first, then those of EuroSAT


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

    def next(self) -> Batch:
        """The next batch: UCM_BATCH images of UC Merced and EUROSAT_BATCH of EuroSAT."""
        ucm = np.array([next(self.ucm_order) for _ in range(UCM_BATCH)])
        eurosat = np.array([next(self.eurosat_order) for _ in range(EUROSAT_BATCH)])
        eurosat_class = self.archive.eurosat_class[eurosat]
        chosen = np.array(
            [self._ucm_text(i) for i in ucm]
            + [self.rng.choice(self.texts.eurosat_templates[c]) for c in eurosat_class]
        )
        pixels = torch.cat(
            [
                self._views(self.archive.ucm[self.rows[ucm]], smallest=0.45),
                self._views(self.archive.eurosat[eurosat], smallest=0.6),
            ]
        )
        owners = np.concatenate([ucm, len(self.rows) + eurosat_class])
        classes = np.concatenate([self.ucm_class[ucm], len(UCM_PHRASES) + eurosat_class])
        return Batch(
            pixels,
            torch.from_numpy(self._tokens(chosen)),
            torch.from_numpy(self.texts.true_of[owners][:, chosen]),
            torch.from_numpy(classes),
        )

    def _ucm_text(self, image: int) -> int:
        template = self.rng.random() < TEMPLATE_SHARE
        source = self.texts.ucm_templates if template else self.texts.captions
        return int(self.rng.choice(source[image]))

    def _tokens(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        tokens = self.tokens[chosen]
        hidden = (self.rng.random(tokens.shape) < UNKNOWN_SHARE) & (tokens >= len(SPECIALS))
        tokens = np.where(hidden, SPECIALS.index("[UNK]"), tokens)
        return tokens[:, : int((tokens != 0).sum(axis=1).max())]

    def _views(self, images: NDArray[np.uint8], smallest: float) -> Tensor:
        """Random crop of `smallest` to all of the area, quarter turn, flip and colours."""
        n, rng = len(images), self.rng
        x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float().div_(255)
        side = np.sqrt(rng.uniform(smallest, 1.0, n))
        stretch = np.exp(rng.uniform(-0.15, 0.15, n))
        width, height = np.minimum(side * stretch, 1.0), np.minimum(side / stretch, 1.0)
        turn = rng.integers(0, 4, n) * (np.pi / 2)
        flip = rng.choice([-1.0, 1.0], n)
        theta = np.zeros((n, 2, 3), dtype=np.float32)
        theta[:, 0, 0], theta[:, 0, 1] = width * np.cos(turn) * flip, -width * np.sin(turn)
        theta[:, 1, 0], theta[:, 1, 1] = height * np.sin(turn) * flip, height * np.cos(turn)
        theta[:, 0, 2] = rng.uniform(-1, 1, n) * (1 - width)
        theta[:, 1, 2] = rng.uniform(-1, 1, n) * (1 - height)
        grid = F.affine_grid(torch.from_numpy(theta), [n, 3, PIXELS, PIXELS], align_corners=False)
        x = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        brightness, contrast, saturation = (
            torch.from_numpy(rng.uniform(0.7, 1.3, (n, 1, 1, 1)).astype(np.float32))
            for _ in range(3)
        )
        grey = x.mean(dim=1, keepdim=True)
        x = grey + (x - grey) * saturation
        middle = x.mean(dim=(1, 2, 3), keepdim=True)
        x = (middle + (x - middle) * contrast) * brightness
        return x.clamp_(0, 1).sub_(MEAN).div_(STD).contiguous(memory_format=torch.channels_last)
