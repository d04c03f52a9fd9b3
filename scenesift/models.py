"""The model that encodes, and the bundle that ships with the bundled one."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from scenesift.settings import Settings
from scenestore.shared import Shared
from sgpd.bundle import Bundle
from sgpd.errors import EncoderError

if TYPE_CHECKING:
    from sgpd.encoders import Encoder

MOST_LOADED = 2
"""Models kept loaded, those used last: a live generation's, and of the one before it."""


class Encoders:
    """The models that a process has loaded, each once; safe to share among threads.

    Who asks for one waits for no other to be loaded.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str | None, Shared[Encoder]] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether any was asked for."""
        return bool(self._loaded)

    def of(self, model: str | None) -> Encoder:
        """A model by its name, None for the bundled one; EncoderError says what fails."""
        with self._lock:
            found = self._loaded.setdefault(model, Shared(partial(self._load, model), math.inf))
            self._loaded.move_to_end(model)
            if len(self._loaded) > MOST_LOADED:
                self._loaded.popitem(last=False)
        return found.current()

    def _load(self, model: str | None) -> Encoder:
        return load_encoder(self._settings.model_copy(update={"model": model}))


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
