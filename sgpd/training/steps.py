"""The training loop that learned sparsifiers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from sgpd.say import Say
from sgpd.training.examples import Batch, Examples

_REPORTS = 4


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread: what comes out does not depend on how many there are.

    Where other work keeps the cores busy, threads that wait for one another took ten times as long.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def train(
    parameters: Iterable[Tensor],
    loss: Callable[[Batch], Tensor],
    examples: Examples,
    *,
    steps: int,
    rate: float,
    seed: int,
    report: Say,
) -> None:
    """Adam on random batches, the rate falling to zero in a line."""
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.Adam(parameters, lr=rate)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, steps)
    for step in range(1, steps + 1):
        value = loss(examples.batch(rng))
        optimiser.zero_grad()
        torch.autograd.backward(value)
        optimiser.step()
        falling.step()
        if step % max(steps // _REPORTS, 1) == 0:
            report(f"step {step:,} of {steps:,}: loss {value.item():.3f}")
