"""Train the bundled two-tower model from scratch on two CPU cores; resumable.

    python -m examples.bundled_model.train --data DIR --out DIR [--minutes N] [--seed 0]

DIR of --data holds ucm_captions.tar and eurosat_rgb.tar. The model appears in OUT/model, refreshed
with each checkpoint. Run the same command again to go on after an interruption.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from examples.bundled_model.dataset import collect_texts, open_archive
from examples.bundled_model.measure import retrieval_figures
from examples.bundled_model.model import (
    ClassHead,
    Model,
    average,
    build_model,
    pair_loss,
    save_model,
)
from examples.bundled_model.sampler import CLASSES, Batch, Sampler
from examples.bundled_model.vocabulary import build_tokenizer
from sgpd.encoders import load

LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 1.5e-3, 0.05, 0.02
GENTLE_FROM = 0.8  # share of the time after which views are as the encoder will see them: whole
HELD_RUN = 8  # images held out together: neighbours in a class often show the same place
EMA_DECAY = 0.997
MAX_LOGIT_SCALE = math.log(50)
CHECKPOINT_SECONDS = 120


@dataclass
class Training:
    """Everything that a checkpoint holds."""

    model: Model
    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=lambda: [0.0, 0.0])  # running: pairs, classes

    def __post_init__(self) -> None:
        self.ema = copy.deepcopy(self.model).eval()
        self.head = ClassHead(self.model, CLASSES)
        self.trained = nn.ModuleList([self.model, self.head])
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.trained.parameters() if p.ndim > 1]},
            {"params": [p for p in self.trained.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY)

    def advance(self, batch: Batch, progress: float) -> None:
        """One step at the learning rate of `progress`, the share of the time that has passed."""
        started = time.monotonic()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(progress)
        self.model.train()
        with torch.autocast("cpu", torch.bfloat16):
            pairs = pair_loss(self.model, batch.pixels, batch.tokens, batch.true_of)
            classes = self.head.loss(batch.classes)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(pairs + classes)
        nn.utils.clip_grad_norm_(self.trained.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=MAX_LOGIT_SCALE)
        self.step += 1
        average(self.ema, self.model, min(EMA_DECAY, self.step / (self.step + 10)))
        kept = min(0.98, 1 - 1 / self.step)
        now = (pairs.item(), classes.item())
        self.losses = [kept * a + (1 - kept) * b for a, b in zip(self.losses, now, strict=True)]
        self.seconds += time.monotonic() - started

    def save(self, path: Path) -> None:
        """Write the checkpoint; the one before stays until this one is whole."""
        state: dict[str, Any] = {
            "trained": self.trained.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
        }
        torch.save(state, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    def resume(self, path: Path) -> None:
        """Take up a checkpoint."""
        state = torch.load(path, weights_only=True)
        self.trained.load_state_dict(state["trained"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.losses = state["step"], state["seconds"], state["losses"]


def learning_rate(progress: float) -> float:
    """Linear warm-up, then cosine to zero."""
    if progress < WARM_UP:
        return LEARNING_RATE * progress / WARM_UP
    return LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP)))


def main() -> None:
    """Train for the minutes given, then print the figures of the validation split."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the two tars")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoint and model")
    parser.add_argument("--minutes", type=float, default=31, help="training time, over all runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--hold-out", type=float, default=0.05, help="share of training images held out"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    archive = open_archive(options.data, options.out / "cache")
    train = np.array([i for i, row in enumerate(archive.ucm_rows) if row["split"] == "train"])
    is_held = np.zeros(len(train), dtype=bool)
    if options.hold_out:
        period = round(HELD_RUN / options.hold_out)
        is_held = np.arange(len(train)) % period >= period - HELD_RUN
    texts = collect_texts([archive.ucm_rows[i] for i in train[~is_held]])
    tokenizer = build_tokenizer(texts.texts)

    torch.manual_seed(options.seed)
    training = Training(build_model(len(tokenizer)).to(memory_format=torch.channels_last))
    checkpoint, folder = options.out / "checkpoint.pt", options.out / "model"
    if checkpoint.exists():
        training.resume(checkpoint)
    torch.manual_seed(options.seed + training.step)
    rng = np.random.default_rng([options.seed, training.step])
    sampler = Sampler(archive, train[~is_held], texts, tokenizer, rng)

    def figures(rows: np.ndarray[Any, Any]) -> dict[str, float]:
        chosen = [archive.ucm_rows[i] for i in rows]
        return retrieval_figures(load(folder, "cpu"), options.data / "ucm_captions.tar", chosen)

    while training.seconds < 60 * options.minutes:
        goal = min(training.seconds + CHECKPOINT_SECONDS, 60 * options.minutes)
        while training.seconds < goal:
            started = time.monotonic()
            progress = training.seconds / (60 * options.minutes)
            batch = sampler.next(strong=progress < GENTLE_FROM)
            training.seconds += time.monotonic() - started
            training.advance(batch, progress)
        training.save(checkpoint)
        save_model(training.ema, tokenizer, folder)
        held = f", held-out mR {figures(train[is_held])['mean_recall']}" if is_held.any() else ""
        pairs, classes = training.losses
        print(
            f"minute {training.seconds / 60:.1f}, step {training.step}: "
            f"losses {pairs:.2f} and {classes:.2f}{held}",
            flush=True,
        )
    validation = np.array([i for i, row in enumerate(archive.ucm_rows) if row["split"] == "val"])
    print(json.dumps(figures(validation), indent=2))


if __name__ == "__main__":
    main()
