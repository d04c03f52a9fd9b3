"""The same as `serve`, asking by images: EuroSAT's files, sent as they are; no image twice."""

from __future__ import annotations

from functools import partial
from itertools import cycle, islice
from typing import Any

from benchmarks.corpus import SIZES, open_corpus
from benchmarks.registry import Options
from benchmarks.serve import QUERIES, Ways, measured
from benchmarks.served import Client, form_with
from indexer.images import read_image
from sgpd.encoders import Encoder

NAME = "serve-image"


def run(options: Options) -> dict[str, Any]:
    """Index real chips, serve them, then ask in turns: each number of clients, each way."""
    corpus = open_corpus(options.data, options.size or SIZES[-1])
    assert options.data  # else there is no corpus
    files = cycle(sorted((options.data / "eurosat_rgb").rglob("*.jpg")))

    def images() -> list[bytes]:
        return [file.read_bytes() for file in islice(files, QUERIES)]

    def ways(encoder: Encoder, service: Client) -> Ways:
        def encode(image: bytes) -> None:
            encoder.encode_images([encoder.prepare(read_image(image))])

        return {
            "encoder": lambda _: [partial(encode, image) for image in images()],
            "served": lambda _: [
                partial(service.post, "/search", *form_with(image)) for image in images()
            ],
        }

    return measured(corpus, options.rounds, ways)
