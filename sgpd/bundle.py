"""The bundle: what decides cells and codes, as one sealed, digested folder."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgpd import sealed
from sgpd.arrays import load_array
from sgpd.autoencoder import AutoencoderSparsifier
from sgpd.caption_words import CaptionWordSparsifier
from sgpd.cells import Cells
from sgpd.concepts import Concepts
from sgpd.errors import BundleError
from sgpd.lexicon import Lexicon
from sgpd.prototypes import PrototypeSparsifier
from sgpd.sparsifier import Sparsifier

FORMAT = 1

_SPARSIFIERS: dict[str, Callable[[Mapping[str, NDArray[Any]], Lexicon], Sparsifier]] = {
    "prototypes": PrototypeSparsifier.from_arrays,
    "autoencoder": AutoencoderSparsifier.from_arrays,
    "caption-words": CaptionWordSparsifier.from_arrays,
}


@dataclass(frozen=True, eq=False)
class Space:
    """Cells and codes of one kind of entries."""

    cells: Cells
    sparsifier: Sparsifier
    concepts: Concepts | None = None
    """Plain words; None where no encoder was there to read them."""

    def write(self, directory: Path) -> None:
        """Write the space's files into a new folder."""
        directory.mkdir()
        parts = {"cells": self.cells.arrays(), "sparsifier": self.sparsifier.arrays()}
        if self.concepts is not None:
            parts["concepts"] = self.concepts.arrays()
            _write_words(directory / "concepts.json", self.concepts.names)
        for part, arrays in parts.items():
            for name, array in arrays.items():
                np.save(directory / f"{part}.{name}.npy", array)
        _write_words(directory / "lexicon.json", self.sparsifier.lexicon.words)

    @classmethod
    def read(cls, directory: Path, sparsifier: str) -> Space:
        """Open a space's files; arrays are memory maps."""

        def arrays(part: str) -> dict[str, NDArray[Any]]:
            return {
                path.name.split(".")[1]: load_array(path, mapped=True)
                for path in directory.glob(f"{part}.*.npy")
            }

        lexicon = Lexicon(tuple(_read_words(directory / "lexicon.json")))
        made = _SPARSIFIERS[sparsifier](arrays("sparsifier"), lexicon)
        names = directory / "concepts.json"
        concepts = (
            Concepts.from_arrays(arrays("concepts"), _read_words(names)) if names.exists() else None
        )
        return cls(Cells.from_arrays(arrays("cells")), made, concepts)


def _write_words(file: Path, words: Sequence[str | None]) -> None:
    file.write_text(json.dumps(words, indent=0), encoding="ascii")


def _read_words(file: Path) -> list[Any]:
    words: list[Any] = json.loads(file.read_text(encoding="ascii"))
    return words


@dataclass(frozen=True, eq=False)
class Bundle:
    """Everything that decides cells and codes of the embeddings of one encoder."""

    encoder: str
    """Identity of the encoder."""
    dimension: int
    spaces: Mapping[str, Space]
    """By kind: "chip", and "caption" where captions were fitted."""
    fitted: Mapping[str, Any] = field(default_factory=dict)
    """How it was fitted: numbers of vectors, cells and prototypes, seed."""

    def space(self, kind: str) -> Space:
        """The space of a kind of entries; chips' where the kind was not fitted."""
        return self.spaces.get(kind) or self.spaces["chip"]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the sealed manifest, hex: the same for the same fit."""
        try:
            with tempfile.TemporaryDirectory() as draft:
                return self._seal(Path(draft))
        except OSError as error:
            raise _unwritable(Path(tempfile.gettempdir()), error) from error

    def check_encoder(self, identity: str) -> None:
        """Raise BundleError when vectors of that encoder do not belong to this bundle."""
        if identity != self.encoder:
            raise BundleError(
                f"the bundle was fitted for encoder {self.encoder}, not {identity}; "
                "use that encoder, or fit a bundle for this one"
            )

    def save(self, directory: Path) -> None:
        """Write the bundle as a sealed folder, in one step; a folder with the same bundle is kept.

        Raises BundleError when the folder cannot be written or holds something else.
        """
        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=".writing-", dir=directory.parent))
        except OSError as error:
            raise _unwritable(directory.parent, error) from error
        try:
            digest = self._seal(draft)
            draft.chmod(0o755)
            sealed.publish(draft, directory)
            kept = sealed.read_manifest(directory, FORMAT)[1]
        except OSError as error:
            raise _unwritable(directory, error) from error
        except sealed.SealError as error:
            raise BundleError(f"{error}; choose another folder") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        if kept != digest:
            raise BundleError(f"{directory}: holds another bundle ({kept}); choose another folder")

    @classmethod
    def load(cls, directory: Path) -> Bundle:
        """Open a bundle after checking every file; BundleError when it is not as it was sealed."""
        try:
            manifest, digest = sealed.read_manifest(directory, FORMAT)
            sealed.verify(directory, manifest)
            spaces = {
                kind: Space.read(directory / kind, sparsifier)
                for kind, sparsifier in manifest["spaces"].items()
            }
            bundle = cls(manifest["encoder"], manifest["dimension"], spaces, manifest["fitted"])
        except sealed.SealError as error:
            raise BundleError(f"{error}; restore the bundle or fit it again") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BundleError(f"{directory}: not a bundle of this version ({error})") from error
        bundle.__dict__["digest"] = digest  # of these files, whatever they would be written as now
        return bundle

    def _seal(self, draft: Path) -> str:
        for kind, space in self.spaces.items():
            space.write(draft / kind)
        description = {
            "format": FORMAT,
            "encoder": self.encoder,
            "dimension": self.dimension,
            "spaces": {kind: space.sparsifier.name for kind, space in self.spaces.items()},
            "fitted": dict(self.fitted),
        }
        return sealed.seal(draft, description)


def _unwritable(directory: Path, error: OSError) -> BundleError:
    cause = error.strerror or "the file could be written in part only"  # numpy's, without a number
    return BundleError(f"{directory}: cannot be written ({cause}); make room or permit writing")
