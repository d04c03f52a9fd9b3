"""The shard store that the settings name."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from scenesift.settings import Settings
from scenestore.local_store import LocalStore
from scenestore.store import Store


def open_store(settings: Settings) -> Store | None:
    """The store of the settings; None where the archive's home is its store."""
    if settings.store is None:
        return None
    if "://" in settings.store:
        return LocalStore(Path(unquote(urlsplit(settings.store).path)))
    return LocalStore(Path(settings.store))
