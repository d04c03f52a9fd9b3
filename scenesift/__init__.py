"""SceneSift: search remote-sensing archives by text or by image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenesift.archive import Archive
    from scenesift.client import Client

__all__ = ["Archive", "Client"]


def __getattr__(name: str) -> Any:
    """Import what is asked for then and not before: an archive brings numpy and FAISS along."""
    if name == "Archive":
        from scenesift.archive import Archive

        return Archive
    if name == "Client":
        from scenesift.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
