"""Which bundle the generations of a home are made with."""

from __future__ import annotations

from pathlib import Path

from scenesift.home import Home
from scenesift.models import shipped_bundle
from sgpd.bundle import Bundle
from sgpd.errors import BundleError


def kept_bundle(home: Home) -> Bundle | None:
    """The bundle that the home keeps for new generations."""
    digest = home.bundle_digest
    return home.bundle(digest) if digest else None


def next_bundle(home: Home) -> Bundle:
    """What new generations begin with: the home's bundle, else the shipped one."""
    bundle = kept_bundle(home) or shipped_bundle()
    if bundle is None:
        raise BundleError(
            f"{home.store} has no bundle; fit one with `scenesift fit SOURCE --home {home.path}`"
        )
    return bundle


def bundle_for(encoder: str, ours: Bundle, model: str) -> Bundle:
    """Ours, or else the shipped one, whichever is of the encoder that `model` names."""
    shipped = shipped_bundle()
    for one in (ours, *([shipped] if shipped else [])):
        if one.encoder == encoder:
            return one
    raise BundleError(
        f"no bundle is known for encoder {encoder}; fit one in another home, with "
        f"`scenesift fit SOURCE --model {model} --home OTHER`, and give --bundle "
        "OTHER/bundles/DIGEST"
    )


def given_bundle(home: Home, given: str) -> Bundle:
    """The bundle of a folder, or of a digest that the home keeps."""
    folder = Path(given)
    return Bundle.load(folder) if folder.is_dir() else home.bundle(given)


def check_fits(home: Home, encoder: str) -> int | None:
    """The dimension of the home's vectors, if any; BundleError where another encoder's."""
    if home.engine is None:
        return None
    ours = kept_bundle(home)
    if ours is None:
        return None
    if encoder != ours.encoder:
        raise BundleError(
            f"{home.store} holds vectors of encoder {ours.encoder}, so a bundle for "
            f"{encoder} is of no use there; give another --home, and index there"
        )
    return ours.dimension
