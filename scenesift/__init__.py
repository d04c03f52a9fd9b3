"""SceneSift: search remote-sensing archives by text or by image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenesift.archive import Archive

__all__ = ["Archive"]


def __getattr__(name: str) -> Any:
    """Import the archive when it is first asked for: it brings numpy and FAISS along."""
    if name == "Archive":
        from scenesift.archive import Archive

        return Archive
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
