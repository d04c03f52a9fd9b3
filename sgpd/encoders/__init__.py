"""Encoders: frozen dense models, and embeddings computed elsewhere, behind one protocol."""

from __future__ import annotations

from pathlib import Path

from sgpd.encoders.arrays import ArrayEncoder
from sgpd.encoders.encoder import Encoder

__all__ = ["ArrayEncoder", "Encoder", "load"]


def load(path_or_name: str | Path, device: str = "auto") -> Encoder:
    """Open a transformers dual encoder: a folder, or a name in the local Hugging Face cache.

    `device` is auto, cpu, cuda or mps. Nothing is downloaded. Raises EncoderError.
    """
    from sgpd.encoders.dual import DualEncoder  # torch and transformers take seconds to import

    return DualEncoder.open(path_or_name, device)
