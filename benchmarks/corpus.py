"""The corpus of the benchmarks: 300,000 embeddings of real pixels, and queries held out by image.

Chips are crops of EuroSAT and UC Merced images under the bundled model, rounded as they are stored.
No image that a query comes from has a chip among them, so that nothing is fitted on it: image
queries are crops of images held out, captions those of UC Merced's validation images. RSICD gives
texts without images, and class templates are sentences about a class. The bundled model itself was
trained on UC Merced's other images and captions, on EuroSAT and on class templates.

Every query belongs to the fit, calibration or report split of its image; what comes from UC
Merced's validation split, and templates, are only reported.

`python -m benchmarks.corpus DATA [SIZE]` makes it and prints what there is. The first time takes
minutes for each 100,000 chips; after that it is read from `.cache/benchmarks`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.attributes import Attributes, synthesise
from benchmarks.crops import Cut, Source, embed_crops, save, windows
from examples.bundled_model.vocabulary import EUROSAT_PHRASES, UCM_PHRASES, class_texts, clean
from sgpd.embeddings import checked
from sgpd.encoders import Encoder, load
from sgpd.fit import CaptionSample

MODEL = Path(__file__).parent.parent / "scenesift" / "assets" / "model"
CACHE = Path(__file__).parent.parent / ".cache" / "benchmarks"

SIZES = (30_000, 100_000, 300_000)
"""Each is a part of the next, by image."""

Split = Literal["fit", "calibration", "report"]
SPLITS: tuple[Split, ...] = ("fit", "calibration", "report")
REPORT = SPLITS.index("report")

_EUROSAT = Cut(crops=11, least=0.5, metres=640.0)
_UCM = Cut(crops=52, least=0.25, metres=76.8)
"""All make 302,000 chips, a quarter of them aerial."""
_PHRASES = [*UCM_PHRASES.values(), *EUROSAT_PHRASES.values()]
_HELD_EUROSAT, _HELD_UCM = 3_000, 300
_SEED = 20_261_124
_FILES = ("eurosat_rgb", "ucm_captions/captions.jsonl", "rsicd_captions_text_only.jsonl")


@dataclass(frozen=True, eq=False)
class Queries:
    """Queries of one kind."""

    vectors: NDArray[np.float32]
    """Shape [m, d]: unit rows, not rounded."""
    source: NDArray[np.int32]
    """Shape [m]: the image, or the class, that each comes from; no chip has the same."""
    split: NDArray[np.int8]
    """Shape [m]: positions in SPLITS; all queries of a source are of one split."""
    texts: tuple[str, ...] = ()
    """Of each query, for kinds that are texts."""

    def part(self, split: Split) -> Queries:
        """The queries of a split."""
        rows = np.flatnonzero(self.split == SPLITS.index(split))
        texts = tuple(self.texts[i] for i in rows.tolist()) if self.texts else ()
        return Queries(self.vectors[rows], self.source[rows], self.split[rows], texts)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Chips to search, in order of image, and queries by kind."""

    chips: NDArray[np.float32]
    """Shape [N, d]: rounded as stored."""
    source: NDArray[np.int32]
    """Shape [N]: the image of each chip, ascending; positions in `images`."""
    klass: NDArray[np.int16]
    """Shape [N]: positions in `classes`."""
    images: tuple[str, ...]
    """Names of the images; those without a chip here are of larger sizes, or held out."""
    classes: tuple[str, ...]
    queries: Mapping[str, Queries]
    """image: crops of images held out; rsicd: one text an image; caption: UC Merced's validation
    captions; template: sentences about a class."""
    captions: CaptionSample
    """Five for each UC Merced image among the chips, of its first chip, which is the whole."""
    attributes: Attributes
    """Synthetic."""
    encoder: str
    """Identity of the model."""

    def describe(self) -> dict[str, object]:
        """What there is, in numbers."""
        return {
            "entries": len(self.chips),
            "images": len(np.unique(self.source)),
            "encoder": self.encoder,
            "queries": {
                kind: dict(zip(SPLITS, np.bincount(one.split, minlength=3).tolist(), strict=True))
                for kind, one in self.queries.items()
            },
            "attributes": "synthetic",
        }


def open_corpus(data: Path | None, size: int = SIZES[-1], model: Path = MODEL) -> Corpus:
    """The corpus with the fewest images that make `size` chips, from the folder `data`.

    That must hold `eurosat_rgb`, `ucm_captions` and `rsicd_captions_text_only.jsonl`.
    """
    missing = [name for name in _FILES if data is None or not (data / name).exists()]
    if data is None or missing:
        raise SystemExit(f"--data: give the folder that holds {', '.join(missing)}")
    encoder = load(model)
    cache = CACHE / encoder.identity.replace(":", "-")
    rng = np.random.default_rng(_SEED)
    rows = [json.loads(line) for line in (data / _FILES[1]).read_text().splitlines()]
    kept, held = _divide(data, rows, rng)
    stops = np.cumsum([source.cut.crops for source in kept])
    if size > stops[-1]:
        raise SystemExit(f"--size: there are {stops[-1]} chips; ask for no more")
    used = kept[: int(np.searchsorted(stops, size)) + 1]
    x = embed_crops(used, encoder, cache, "chips")

    validation = [row for row in rows if row["split"] == "val"]
    images = [*(s.name for s in (*kept, *held)), *(row["image"] for row in validation)]
    number = {name: i for i, name in enumerate(images)}
    chip_source = np.repeat(np.arange(len(used), dtype=np.int32), [s.cut.crops for s in used])
    classes = sorted({source.klass for source in kept})
    klass = np.array([classes.index(source.klass) for source in used], np.int16)
    cut = [(w.left, w.top, w.side) for source in used for w in windows(source)]
    return Corpus(
        chips=x.astype(np.float32),
        source=chip_source,
        klass=klass[chip_source],
        images=tuple(images),
        classes=tuple(classes),
        queries={
            "image": Queries(
                checked(embed_crops(held, encoder, cache, "held")),
                np.arange(len(kept), len(kept) + len(held), dtype=np.int32),
                _thirds(len(held), rng),
            ),
            "rsicd": _rsicd(data / _FILES[2], len(images) + len(_PHRASES), encoder, cache, rng),
            "caption": _texts(
                [(text, number[row["image"]]) for row in validation for text in row["captions"]],
                encoder,
                cache,
            ),
            "template": _templates(len(images), encoder, cache),
        },
        captions=_described(rows, used, chip_source, encoder, cache),
        attributes=synthesise(
            klass, chip_source, np.array(cut), np.array([s.cut.metres for s in used])
        ),
        encoder=encoder.identity,
    )


def _divide(
    data: Path, rows: Sequence[Mapping[str, str]], rng: np.random.Generator
) -> tuple[list[Source], list[Source]]:
    """The images of the gallery, in the order in which sizes grow, and one crop of each held out.

    UC Merced's validation images are neither: their captions are queries.
    """
    eurosat = [
        Source(path, f"{path.parent.name}/{path.name}", path.parent.name, _EUROSAT)
        for path in sorted((data / "eurosat_rgb").rglob("*.jpg"))
    ]
    ucm = [
        Source(data / "ucm_captions" / row["image"], row["image"], row["class"], _UCM)
        for row in rows
        if row["split"] == "train"
    ]
    held, kept = [], []
    for images, count in ((eurosat, _HELD_EUROSAT), (ucm, _HELD_UCM)):
        order = rng.permutation(len(images)).tolist()
        query = replace(images[0].cut, crops=1, whole=False)
        held += [replace(images[i], cut=query) for i in order[:count]]
        kept += [images[i] for i in order[count:]]
    kept = [kept[i] for i in rng.permutation(len(kept)).tolist()]
    return kept, held


def _rsicd(
    file: Path, first: int, encoder: Encoder, cache: Path, rng: np.random.Generator
) -> Queries:
    """A caption of each RSICD image that no earlier one has; sources are numbered from `first`."""
    seen: set[str] = set()
    asked = []
    for number, line in enumerate(file.read_text().splitlines()):
        texts = json.loads(line)["captions"]
        text = texts[int(rng.integers(len(texts)))]
        if clean(text) not in seen:
            seen.add(clean(text))
            asked.append((text, first + number))
    return replace(_texts(asked, encoder, cache), split=_thirds(len(asked), rng))


def _templates(first: int, encoder: Encoder, cache: Path) -> Queries:
    """Every class phrase in every template; a source is a class, numbered from `first`."""
    asked = {
        text: first + number
        for number, phrases in enumerate(_PHRASES)
        for text in class_texts(phrases)
    }
    return _texts(list(asked.items()), encoder, cache)


def _texts(asked: Sequence[tuple[str, int]], encoder: Encoder, cache: Path) -> Queries:
    """Texts with their sources as queries of the report split."""
    texts = tuple(text for text, _ in asked)
    return Queries(
        _embed_texts(texts, encoder, cache),
        np.array([source for _, source in asked], np.int32),
        np.full(len(asked), REPORT, np.int8),
        texts,
    )


def _described(
    rows: Sequence[Mapping[str, Any]],
    used: Sequence[Source],
    chip_source: NDArray[np.int32],
    encoder: Encoder,
    cache: Path,
) -> CaptionSample:
    """The captions of the images in use, each of its image's first chip."""
    captions = {row["image"]: row["captions"] for row in rows}
    first = np.searchsorted(chip_source, np.arange(len(used))).tolist()
    pairs = [
        (text, chip)
        for source, chip in zip(used, first, strict=True)
        for text in captions.get(source.name, ())
    ]
    texts = [text for text, _ in pairs]
    return CaptionSample(texts, _embed_texts(texts, encoder, cache), [chip for _, chip in pairs])


def _embed_texts(texts: Sequence[str], encoder: Encoder, cache: Path) -> NDArray[np.float32]:
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    file = cache / f"texts-{digest}.npy"
    if not file.exists():
        save(file, encoder.encode_texts(texts))
    return np.asarray(np.load(file), np.float32)


def _thirds(count: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """A split for each of so many sources."""
    return rng.permutation(np.arange(count) % len(SPLITS)).astype(np.int8)


if __name__ == "__main__":
    chips = int(sys.argv[2]) if len(sys.argv) > 2 else SIZES[-1]
    print(json.dumps(open_corpus(Path(sys.argv[1]), chips).describe(), indent=1))
