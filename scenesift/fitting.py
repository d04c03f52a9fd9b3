"""Fitting a bundle: on a folder of images with captions, or on embeddings computed elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from indexer.captions import NO_CAPTIONS, Captions
from indexer.changes import changes
from indexer.embedding import embed
from indexer.errors import SourceError
from indexer.pipeline import PipelineSettings, closing_pool, read_ahead
from indexer.progress import Meter, Progress
from indexer.scene import SceneReader
from indexer.source import Source, SourceFile
from indexer.summary import examples
from sgpd.bundle import Bundle
from sgpd.concepts import read_concepts
from sgpd.embeddings import checked
from sgpd.errors import EmbeddingError
from sgpd.fit import CaptionSample, FitSettings, fit
from sgpd.say import Say

if TYPE_CHECKING:
    from sgpd.encoders import Encoder


_EXAMPLES = 5


def fit_images(
    source: Path,
    encoder: Encoder,
    *,
    captions: Captions = NO_CAPTIONS,
    settings: FitSettings = FitSettings(),
    pipeline: PipelineSettings = PipelineSettings(),
    progress: Progress | None = None,
    say: Say | None = None,
) -> Bundle:
    """Encode all images of a folder, and their captions, and fit a bundle on them.

    Images that cannot be read are passed by. Raises SourceError where none can.
    """
    files = list(Source(source).files())
    if say:
        for line in (*captions.notes, *_unmatched(captions, files, source)):
            say(line)
    reader = SceneReader("fit", encoder.prepare, pipeline.max_pixels)
    meter = Meter(len(files), progress)
    chips: list[NDArray[np.float32]] = []
    texts: list[str] = []
    sentences: list[NDArray[np.float32]] = []
    rows: list[int] = []
    with closing_pool(pipeline.threads) as pool:
        found = changes(files, (), captions)
        scenes = read_ahead(pool, reader.read, found, pipeline.look_ahead)
        for scene in embed(scenes, encoder, pipeline.images_per_encoding):
            meter.add(1)
            if scene.chip is None:
                continue
            texts += scene.read.text.captions
            sentences += scene.captions
            rows += [len(chips)] * len(scene.captions)
            chips.append(scene.chip)
    if not chips:
        raise SourceError(f"{source} holds no image that can be read; check the path")
    sample = CaptionSample(texts, np.stack(sentences), rows) if texts else None
    return fit(
        np.stack(chips),
        encoder.identity,
        captions=sample,
        concepts=read_concepts(encoder),
        settings=settings,
        progress=say,
    )


def _unmatched(captions: Captions, files: Sequence[SourceFile], source: Path) -> Iterator[str]:
    missing = sorted(set(captions.scenes) - {file.scene for file in files})
    if missing:
        named = examples(missing[:_EXAMPLES], len(missing))
        yield f"captions of images that are not in {source}: {named}"


def read_embeddings(file: Path) -> NDArray[np.float32]:
    """Vectors [n, d] of an .npy file, or of a Parquet file's column `embedding`.

    EmbeddingError where they are not finite and different from zero.
    """
    vectors = _numbers(file)
    checked(vectors, what=str(file))
    return vectors


def _numbers(file: Path) -> NDArray[np.float32]:
    try:
        if file.suffix.lower() == ".npy":
            return np.asarray(np.load(file, allow_pickle=False), np.float32)
        import pyarrow.parquet as pq

        column = pq.read_table(file, columns=["embedding"])["embedding"]
        return np.asarray(column.to_pylist(), np.float32)
    except (OSError, ValueError, TypeError, KeyError) as error:  # Arrow's errors are of these
        raise EmbeddingError(
            f"{file}: not an .npy file of floats [n, d], nor a Parquet file with a column "
            f"`embedding` of lists ({str(error).splitlines()[0]})"
        ) from error
