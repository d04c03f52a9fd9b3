"""Trains the head that scores the words of captions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

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

    def __init__(self, examples: Examples, words: NDArray[np.bool_], per_document: int) -> None:
        """words [m, V]: which words each text has."""
        self._images = torch.from_numpy(examples.images)
        self._texts = torch.from_numpy(examples.texts)
        self._words = torch.from_numpy(words).float()
        self._per_document = per_document
        dimension = self._images.shape[1]
        self._usual = torch.logit(self._words.mean(dim=0).clamp(1e-6, 1 - 1e-6))
        self.weights = torch.eye(dimension).requires_grad_()
        self.biases = torch.zeros(dimension, requires_grad=True)
        self.words = self._apart().requires_grad_()
        self.word_biases = torch.zeros(words.shape[1], requires_grad=True)
        self.scale = torch.tensor(1.0, requires_grad=True)

    def _apart(self) -> Tensor:
        """E [V, d] to start from: how the texts that have a word differ from all of them."""
        with torch.no_grad():
            hidden = self._hidden(self._texts)
            share = self._words / self._words.sum(dim=0).clamp_min(1)
            return (share.T @ hidden - hidden.mean(dim=0)) / math.sqrt(len(self.weights))

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
        spoken = self._words[batch.texts]
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
    words: NDArray[np.bool_],
    per_document: int,
    steps: int,
    seed: int,
    report: Callable[[str], None],
) -> dict[str, NDArray[np.float32]]:
    """The head's arrays by name; words [m, V] says which words each text has."""
    head = WordHead(examples, words, per_document)
    train(head.parameters(), head.loss, examples, steps=steps, rate=_RATE, seed=seed, report=report)
    return head.exported()
