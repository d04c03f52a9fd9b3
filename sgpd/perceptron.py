"""A perceptron with one hidden layer: trained by torch, asked in numpy, kept as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_HIDDEN = 16
"""8 to 64, three times the steps, other seeds: all the same on the benchmark corpus."""
_STEPS = 1_000
_BATCH = 2_048
_RATE = 5e-3
_DECAY = 1e-4
_WIDEST = 6.0
"""Standard deviations from its mean at which a feature is cut off."""


@dataclass(frozen=True, eq=False)
class Perceptron:
    """From F features to a share between 0 and 1."""

    centre: NDArray[np.float32]
    """Shape [F]: mean of each feature in the fit."""
    scale: NDArray[np.float32]
    """Shape [F]: 1 / its standard deviation."""
    hidden: NDArray[np.float32]
    """Shape [F + 1, H]: weights, and the biases in the last row."""
    out: NDArray[np.float32]
    """Shape [H + 1]: weights, and the bias last."""

    ARRAYS = ("centre", "scale", "hidden", "out")

    @classmethod
    def fit(cls, x: NDArray[np.float32], y: NDArray[np.floating], seed: int) -> Perceptron:
        """Fit to features [n, F] and target shares [n] by cross-entropy, in about a second.

        The same for the same seed and input.
        """
        import torch  # a second that searches need not wait

        from sgpd.training.steps import one_thread

        centre = x.mean(axis=0, dtype=np.float64).astype(np.float32)
        scale = 1 / np.maximum(x.std(axis=0, dtype=np.float64), 1e-3).astype(np.float32)
        inputs = torch.from_numpy(np.clip((x - centre) * scale, -_WIDEST, _WIDEST))
        targets = torch.from_numpy(y.astype(np.float32))
        with one_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = _trained(inputs, targets)
        return cls(centre, scale, _stacked(layers[0]), _stacked(layers[1])[:, 0])

    def __call__(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Shares [n] of features [n, F]."""
        inputs = np.clip((x - self.centre) * self.scale, -_WIDEST, _WIDEST)
        active = np.maximum(inputs @ self.hidden[:-1] + self.hidden[-1], 0)
        return np.asarray(1 / (1 + np.exp(-(active @ self.out[:-1] + self.out[-1]))), np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is saved, by name."""
        return {name: getattr(self, name) for name in self.ARRAYS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Perceptron:
        """A perceptron as saved by `arrays`."""
        return cls(*(arrays[name] for name in cls.ARRAYS))


def _trained(
    inputs: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.nn.Linear, torch.nn.Linear]:
    import torch

    hidden, out = torch.nn.Linear(inputs.shape[1], _HIDDEN), torch.nn.Linear(_HIDDEN, 1)
    model = torch.nn.Sequential(hidden, torch.nn.ReLU(), out)
    with torch.no_grad():
        out.bias.fill_(torch.logit(targets.mean(), eps=1e-6).item())
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_STEPS)
    for _ in range(_STEPS):
        rows = torch.randint(len(inputs), (_BATCH,))
        optimizer.zero_grad()
        logits = model(inputs[rows])[:, 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets[rows])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return hidden, out


def _stacked(layer: torch.nn.Linear) -> NDArray[np.float32]:
    """Weights and, below them, biases: [inputs + 1, outputs]."""
    parts = (layer.weight.detach().numpy().T, layer.bias.detach().numpy()[None])
    return np.ascontiguousarray(np.concatenate(parts))
