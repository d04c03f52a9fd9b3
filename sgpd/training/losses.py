"""Losses on codes: what makes sparse scores order documents as dense scores do, at a low price."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_SHARPNESS = 3.0
"""The dense softmax in standard deviations of a query's scores: its mass lies on the nearest few
in a thousand, which are what a guide must find."""
_LEAST_SPREAD = 1e-6
_SELF = -1e4


def distillation(dense: Tensor, sparse: Tensor, own: Tensor | None = None) -> Tensor:
    """KL divergence from the softmax of dense scores [q, n] to that of sparse scores, a query.

    `own` [q, n] marks a query's own document, which is left out.
    """
    spread = dense.std(dim=1, keepdim=True, correction=0).clamp_min(_LEAST_SPREAD)
    teacher = _SHARPNESS * (dense - dense.mean(dim=1, keepdim=True)) / spread
    if own is not None:
        teacher, sparse = teacher.masked_fill(own, _SELF), sparse.masked_fill(own, _SELF)
    return functional.kl_div(
        sparse.log_softmax(dim=1), teacher.softmax(dim=1), reduction="batchmean"
    )


def itself(scores: Tensor) -> Tensor:
    """Marks the document [q, n] that each query is, where the first documents ask."""
    return torch.eye(*scores.shape, dtype=torch.bool)


def first_scale(sparse: Tensor) -> Tensor:
    """What to multiply sparse scores with at first, so that they spread as the teacher's do."""
    return _SHARPNESS / sparse.std(dim=1, correction=0).mean().clamp_min(_LEAST_SPREAD)


def contrast(sparse: Tensor) -> Tensor:
    """InfoNCE both ways over the sparse scores [p, p] of pairs."""
    target = torch.arange(len(sparse))
    rows, columns = (functional.cross_entropy(s, target) for s in (sparse, sparse.T))
    return (rows + columns) / 2


def imbalance(codes: Tensor) -> Tensor:
    """FLOPS penalty of codes [n, V], freed of their scale: 1 where all terms are used alike.

    The sum over terms of the squared mean weight (Paria et al., 2020) counts the products of a
    random query with a random document; here it is divided by what it is for even use.
    """
    usage = codes.mean(dim=0)
    return len(usage) * usage.square().sum() / usage.sum().square().clamp_min(_LEAST_SPREAD)


def strongest(activations: Tensor, count: int) -> Tensor:
    """Activations [n, V] with only the `count` largest of each row, as far as they are above 0."""
    positive = activations.relu()
    if count >= positive.shape[1]:
        return positive
    least = positive.topk(count, dim=1).values[:, -1:]
    return positive * (positive >= least)
