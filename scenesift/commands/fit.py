"""`scenesift fit`: fit a bundle (cells, prototypes, lexicon) for a model and an archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scenesift.errors import SettingsError
from scenesift.options import (
    BatchSizeOption,
    DeviceOption,
    HomeOption,
    JsonOption,
    ModelOption,
    SparsifierChoice,
    ThreadsOption,
    examples,
)

EXAMPLES = examples(
    "scenesift fit images --captions captions.jsonl",
    "scenesift fit images --model ./my-clip --home my-archive",
    "scenesift fit images --sparsifier autoencoder",
    "scenesift fit --embeddings vectors.npy --encoder my-model-v2",
)


def command(
    source: Annotated[
        Path | None, typer.Argument(metavar="SOURCE", help="A folder of images to fit on.")
    ] = None,
    captions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Captions as JSONL or Karpathy JSON: terms are named by their words. "
            "[default: SOURCE/captions.jsonl if there]",
        ),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Fit on these vectors instead: .npy of floats [n, d], or Parquet with a column "
            "`embedding`.",
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="IDENTITY",
            help="Identity of the encoder that made the embeddings. [default: the model's]",
        ),
    ] = None,
    sparsifier: Annotated[
        SparsifierChoice,
        typer.Option(
            help="What makes codes: nearest prototypes, a trained autoencoder, or the words of the "
            "captions (trained too; needs captions)."
        ),
    ] = SparsifierChoice.prototypes,
    cells: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Cells, the dense clusters. [default: by the number of images]"
        ),
    ] = None,
    prototypes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Prototypes, or terms of another sparsifier. [default: by the number of images]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of all random choices.")] = 0,
    home: HomeOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    batch_size: BatchSizeOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a bundle on a folder of images, or on embeddings computed elsewhere.

    The home keeps it: an archive that begins there begins with it, and one that is there already
    takes it over by `scenesift rebuild`. The same images, seed and threads give the same bundle.
    """
    from scenesift import console
    from scenesift.archive import Archive
    from scenesift.fitting import read_embeddings
    from scenesift.progress import Progress
    from sgpd.fit import FitSettings

    if (source is None) == (embeddings is None):
        raise SettingsError("give either a folder of images or --embeddings FILE")
    if captions is not None and embeddings is not None:
        raise SettingsError("--captions are of images: give a folder of them, not --embeddings")
    for name, value in {"--cells": cells, "--prototypes": prototypes}.items():
        if value is not None and value < 1:
            raise SettingsError(f"{name} is {value}; give 1 or more")
    settings = FitSettings(
        sparsifier=sparsifier.value, cells=cells, prototypes=prototypes, seed=seed
    )
    say = console.note
    with (
        Archive(
            home, model=model, device=device, batch_size=batch_size, threads=threads
        ) as archive,
        Progress("encoding images") as progress,
    ):
        if embeddings is not None:
            vectors = read_embeddings(embeddings)
            bundle = archive.fit_embeddings(vectors, encoder, settings=settings, say=say)
        else:
            assert source is not None
            bundle = archive.fit(
                source, captions=captions, settings=settings, progress=progress, say=say
            )
        begun = archive.home.engine is not None
    facts = {"bundle": bundle.digest, "encoder": bundle.encoder, **bundle.fitted}
    if as_json:
        console.print_json(facts)
        return
    console.print_facts(facts)
    if begun:
        typer.echo("the archive in this home takes it over by `scenesift rebuild`")
