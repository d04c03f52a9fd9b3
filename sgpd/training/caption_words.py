"""Trains the head that scores the words of captions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sgpd.say import Say
from sgpd.training.examples import QUERIES, Batch, Examples
from sgpd.training.losses import contrast, distillation, imbalance, itself, strongest
from sgpd.training.steps import one_thread, train

_RATE = 2e-3
_WORD_WEIGHT = 5.0
_PAIR_WEIGHT = 0.1
_BALANCE_WEIGHT = 0.1


class WordHead:
    """Codes are log(1 + relu(E LN(W x + b) + b_v)), one term a word.

    E LN(W x + b) + b_v is by how much the log odds that a caption has the word exceed the usual: a
    term is on where its word is likelier than in the captions at large.
    """

    def __init__(
        self, examples: Examples, spoken: Sequence[Sequence[int]], words: int, per_document: int
    ) -> None:
        """spoken: the numbers, below `words`, of the words that each text has."""
        self._images = torch.from_numpy(examples.images)
        self._texts = torch.from_numpy(examples.texts)
        self._per_document = per_document
        self._spoken = spoken
        word = np.fromiter(chain.from_iterable(spoken), np.int64)
        counts = torch.from_numpy(np.bincount(word, minlength=words)).float()
        dimension = self._images.shape[1]
        self._usual = torch.logit((counts / len(spoken)).clamp(1e-6, 1 - 1e-6))
        self.weights = torch.eye(dimension).requires_grad_()
        self.biases = torch.zeros(dimension, requires_grad=True)
        self.words = self._apart(word, counts).requires_grad_()
        self.word_biases = torch.zeros(words, requires_grad=True)
        self.scale = torch.tensor(1.0, requires_grad=True)

    def _apart(self, word: NDArray[np.int64], counts: Tensor) -> Tensor:
        """E [V, d] to start from: how the texts that have a word differ from all of them."""
        text = np.repeat(np.arange(len(self._spoken)), [len(said) for said in self._spoken])
        spoken = torch.sparse_coo_tensor(
            torch.from_numpy(np.stack([word, text])),
            torch.ones(len(text)),
            (len(counts), len(self._spoken)),
            check_invariants=True,
        )
        with torch.no_grad():
            hidden = self._hidden(self._texts)
            means: Tensor = torch.sparse.mm(spoken, hidden) / counts.clamp_min(1)[:, None]
            return (means - hidden.mean(dim=0)) / math.sqrt(len(self.weights))

    def _said(self, texts: NDArray[np.int64]) -> Tensor:
        """Which words the texts [n] have: 0 or 1, [n, V]; of all texts that would not fit."""
        said = torch.zeros(len(texts), len(self.words))
        for row, text in zip(said, texts.tolist(), strict=True):
            row[list(self._spoken[text])] = 1
        return said

    def exported(self) -> dict[str, NDArray[np.float32]]:
        """W, b, E and b_v by the names of the sparsifier's arrays."""
        named = {
            "projection": self.weights,
            "biases": self.biases,
            "words": self.words,
            "word_biases": self.word_biases,
        }
        return {name: tensor.detach().numpy() for name, tensor in named.items()}

    def _hidden(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x @ self.weights.T + self.biases, (len(self.weights),))

    def parameters(self) -> list[Tensor]:
        """What is trained."""
        return [self.weights, self.biases, self.words, self.word_biases, self.scale]

    def loss(self, batch: Batch) -> Tensor:
        """All parts for one batch."""
        images, texts = self._images[batch.images], self._texts[batch.texts]
        x = torch.cat([images, texts])
        scores = torch.addmm(self.word_biases, self._hidden(x), self.words.T)
        said = torch.cat([scores[: batch.pairs], scores[len(images) :]])
        spoken = self._said(batch.texts)
        total = _WORD_WEIGHT * functional.binary_cross_entropy_with_logits(
            said + self._usual, torch.cat([spoken[: batch.pairs], spoken])
        )
        codes = strongest(scores.relu().log1p(), self._per_document)
        of_images, of_texts = codes[: len(images)], codes[len(images) :]
        total = total + _BALANCE_WEIGHT * imbalance(of_images)
        sparse = self.scale * of_texts @ of_images.T
        total = total + distillation(texts @ images.T, sparse)
        if batch.pairs:
            total = total + _PAIR_WEIGHT * contrast(sparse[: batch.pairs, : batch.pairs])
        sparse = self.scale * of_images[:QUERIES] @ of_images.T
        return total + distillation(images[:QUERIES] @ images.T, sparse, itself(sparse))


@one_thread()
def train_word_head(
    examples: Examples,
    spoken: Sequence[Sequence[int]],
    words: int,
    per_document: int,
    steps: int,
    seed: int,
    report: Say,
) -> dict[str, NDArray[np.float32]]:
    """The head's arrays by name; spoken: the numbers, below `words`, of each text's words."""
    head = WordHead(examples, spoken, words, per_document)
    train(head.parameters(), head.loss, examples, steps=steps, rate=_RATE, seed=seed, report=report)
    return head.exported()
