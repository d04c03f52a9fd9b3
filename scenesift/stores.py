"""The shard store that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from scenesift.settings import Settings
from scenestore.local_store import LocalStore
from scenestore.store import Store

if TYPE_CHECKING:
    from scenestore.cache import Cache


def open_store(settings: Settings) -> Store | None:
    """The store of the settings; None where the archive's home is its store."""
    if settings.store is None:
        return None
    scheme, found, _ = settings.store.partition("://")
    if not found:
        return LocalStore(Path(settings.store))
    if scheme == "file":
        return LocalStore(Path(unquote(urlsplit(settings.store).path)))
    from scenestore.cache import Cache
    from scenestore.object_connection import connect

    cache = Cache(settings.cache or settings.home / "cache", settings.cache_bytes)
    return connect(settings.store, cache, settings.store_endpoint, settings.store_region)


def cache_facts(store: Store) -> dict[str, Any]:
    """What `info` says of the cache before a remote store; nothing where there is none."""
    cache = cache_of(store)
    if cache is None:
        return {}
    return {"cache": {"folder": str(cache.folder), "bytes": cache.bytes, "most": cache.most}}


def cache_of(store: Store) -> Cache | None:
    """The cache before a remote store."""
    from scenestore.cache import Cache

    cache = getattr(store, "cache", None)
    return cache if isinstance(cache, Cache) else None
