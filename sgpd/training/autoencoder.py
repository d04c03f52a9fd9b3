"""Trains the TopK sparse autoencoder."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sgpd.say import Say
from sgpd.training.examples import QUERIES, Batch, Examples
from sgpd.training.losses import contrast, distillation, first_scale, imbalance, itself, strongest
from sgpd.training.steps import one_thread, train

_RATE = 2e-3
_FIRST_LOOK = 512
_DEAD_AFTER = 20
"""Steps without a document after which a term counts as dead."""
_DEAD_TERMS = 64
"""Dead terms that explain what the living leave over."""
_DEAD_WEIGHT = 1 / 32
_PAIR_WEIGHT = 0.1
_BALANCE_WEIGHT = 1.0


class Autoencoder:
    """Codes are the largest of relu(W x + b); W, its rows of unit length, decodes them too."""

    def __init__(self, examples: Examples, terms: int, per_document: int, seed: int) -> None:
        self._images = torch.from_numpy(examples.images)
        self._texts = torch.from_numpy(examples.texts)
        self._per_document = per_document
        self._centre = self._images.mean(dim=0)
        self._spread = (self._images - self._centre).square().sum(dim=1).mean().clamp_min(1e-6)
        rng = np.random.default_rng(seed)
        noise = torch.from_numpy(rng.standard_normal((terms, self._images.shape[1]))).float()
        drawn = self._images[torch.from_numpy(rng.integers(len(self._images), size=terms))]
        started = drawn - self._centre + 0.01 * noise * self._spread.sqrt()
        self.weights = functional.normalize(started).requires_grad_()
        self.biases = (-self.directions.detach() @ self._centre).requires_grad_()
        self.offset = self._centre.clone().requires_grad_()
        self.gain, self.scale = self._gains()
        self._silent = torch.zeros(terms, dtype=torch.int64)

    def _gains(self) -> tuple[Tensor, Tensor]:
        """Where to start: what decodes some images best, and how sparse scores become logits."""
        with torch.no_grad():
            x = self._images[:_FIRST_LOOK]
            codes = strongest(self.biases + x @ self.directions.T, self._per_document)
            rebuilt = codes @ self.directions
            gain = ((x - self.offset) * rebuilt).sum() / rebuilt.square().sum().clamp_min(1e-6)
            scale = first_scale(codes @ codes.T)
        return gain.requires_grad_(), scale.requires_grad_()

    @property
    def directions(self) -> Tensor:
        """W [V, d]."""
        return functional.normalize(self.weights)

    def parameters(self) -> list[Tensor]:
        """What is trained."""
        return [self.weights, self.biases, self.offset, self.gain, self.scale]

    def loss(self, batch: Batch) -> Tensor:
        """All parts for one batch."""
        images, texts = self._images[batch.images], self._texts[batch.texts]
        directions = self.directions
        x = torch.cat([images, texts])
        activations = torch.addmm(self.biases, x, directions.T)
        codes = strongest(activations, self._per_document)
        rebuilt = torch.addmm(self.offset, self.gain * codes, directions)
        left = x - rebuilt
        total = left.square().sum(dim=1).mean() / self._spread
        total = total + _DEAD_WEIGHT * self._dead(activations, codes, left.detach(), directions)
        of_images, of_texts = codes[: len(images)], codes[len(images) :]
        total = total + _BALANCE_WEIGHT * imbalance(of_images)
        sparse = self.scale * of_images[:QUERIES] @ of_images.T
        total = total + distillation(images[:QUERIES] @ images.T, sparse, itself(sparse))
        if len(texts):
            sparse = self.scale * of_texts @ of_images.T
            total = total + distillation(texts @ images.T, sparse)
        if batch.pairs:
            total = total + _PAIR_WEIGHT * contrast(sparse[: batch.pairs, : batch.pairs])
        return total

    def _dead(self, activations: Tensor, codes: Tensor, left: Tensor, directions: Tensor) -> Tensor:
        """How badly terms that no document has had for long would explain what is left over."""
        self._silent = torch.where((codes > 0).any(dim=0), 0, self._silent + 1)
        dead = torch.nonzero(self._silent > _DEAD_AFTER).squeeze(1)
        if not len(dead):
            return torch.zeros(())
        helpers = strongest(activations[:, dead], _DEAD_TERMS)
        return (left - self.gain * helpers @ directions[dead]).square().sum(
            dim=1
        ).mean() / self._spread


@one_thread()
def train_autoencoder(
    examples: Examples,
    terms: int,
    per_document: int,
    steps: int,
    seed: int,
    report: Say,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """W [V, d] of unit rows, and b [V]."""
    network = Autoencoder(examples, terms, per_document, seed)
    train(
        network.parameters(),
        network.loss,
        examples,
        steps=steps,
        rate=_RATE,
        seed=seed,
        report=report,
    )
    return network.directions.detach().numpy(), network.biases.detach().numpy()
