"""The model that encodes, and the bundle that ships with the bundled one."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from scenesift.settings import Settings
from sgpd.bundle import Bundle
from sgpd.errors import EncoderError

if TYPE_CHECKING:
    from sgpd.encoders import Encoder


def load_encoder(settings: Settings) -> Encoder:
    """The model that the settings name, else the bundled one; EncoderError says what fails."""
    from sgpd import encoders

    if settings.threads is not None:
        import torch

        torch.set_num_threads(settings.threads)
    model = settings.model or _asset("model")
    if settings.model is None and not Path(model).is_dir():
        raise EncoderError(f"{model}: the bundled model is not installed; name one with --model")
    return encoders.load(model, settings.device)


def shipped_bundle() -> Bundle | None:
    """The bundle of the bundled model; None where this installation has none."""
    folder = _asset("bundle")
    return Bundle.load(folder) if folder.is_dir() else None


def _asset(name: str) -> Path:
    return Path(str(resources.files("scenesift"))) / "assets" / name
