"""Percent of the chips whose postings a text query touches, by prototypes; baseline: autoencoder.

The sparsifiers side by side, each fitted on the same chips with the captions of half of the images
that have any. For each kind of query, of the report split: recall@r (share of the exhaustive top 10
among the r best sparse hits), postings touched as a share of the chips, milliseconds (p50) of a
guide of 400 hits on one local OpenSearch node, all in turns. `words`: how often a caption of the
five images that have most of a term says the term's word, over the images that the fit has no
captions of; `usual` is the same for all of those images. `mib`: what the fit adds to its process at
its peak, torch included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from opensearchpy import OpenSearch

from benchmarks.corpus import Corpus, open_corpus
from benchmarks.guide import Asked, queries, recalls
from benchmarks.guide_opensearch import EMPTY, QUERY_TERMS, documents
from benchmarks.registry import Options
from benchmarks.timing import interleaved
from deploy.local.node import LocalOpenSearch
from mappings import index_body
from scenestore.filters import ANY
from scenestore.opensearch.bulk import send
from scenestore.opensearch.connection import Options as Access
from scenestore.opensearch.connection import connect
from scenestore.opensearch.queries import GUIDE_SHAPE, guide_body
from sgpd.bundle import Bundle
from sgpd.codes import Codes
from sgpd.fit import SPARSIFIERS, CaptionSample, FitSettings, SparsifierName, fit
from sgpd.frequencies import Frequencies
from sgpd.postings import Postings
from sgpd.sparsifier import Sparsifier
from sgpd.words import stems

NAME = "sparsifiers"
_SIZE = 100_000
_GUIDE_SIZE = 400
_TIMED = 100
_UNMEASURED = 3
"""Turns first, in which the node compiles and fills its caches."""
_NEAREST = 5
"""Images that have most of a term."""
_HEAP = "1g"


@dataclass(frozen=True, eq=False)
class Made:
    """A fitted sparsifier with the codes of all chips."""

    sparsifier: Sparsifier
    codes: Codes
    asking: Mapping[str, Codes]
    """Of each kind of queries."""
    report: dict[str, Any]


def run(options: Options) -> dict[str, Any]:
    """Fit all, each in a process of its own, then compare them on the same queries."""
    corpus = open_corpus(options.data, options.size or _SIZE)
    asked = {kind: queries(corpus, kind) for kind in corpus.queries}
    described, held = _halves(corpus.captions)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        _save(corpus, described, root)
        made: dict[str, Made] = {name: _made(name, corpus, asked, root) for name in SPARSIFIERS}
        for one in made.values():
            one.report["words"] = _words(one.sparsifier, corpus.chips, held)
            postings = Postings.build(one.codes)
            frequencies = Frequencies.of(one.codes, len(one.sparsifier.lexicon))
            for kind, codes in one.asking.items():
                touched = {"touched": frequencies.touched(codes)}
                one.report[kind] = touched | recalls(postings, codes, asked[kind].best)
        with LocalOpenSearch(root / "node", heap=_HEAP) as node:
            empty = _time(connect(Access((node.url,))), made, options.rounds)
    shares = {name: 100 * one.report["rsicd"]["touched"] for name, one in made.items()}
    return {
        "figure": shares["prototypes"],
        "baseline": shares["autoencoder"],
        "ratio": shares["prototypes"] / shares["autoencoder"],
        "unit": "percent of the chips",
        "entries": len(corpus.chips),
        "captions": {"fitted": len(described.texts), "held_out": len(held.texts)},
        "empty_request_ms": empty,
        "sparsifiers": {name: one.report for name, one in made.items()},
    }


def _halves(captions: CaptionSample) -> tuple[CaptionSample, CaptionSample]:
    """The captions of one half of the images, drawn at random, and of the other."""
    rows = np.asarray(captions.rows)
    images = np.random.default_rng(0).permutation(np.unique(rows))
    first = np.isin(rows, images[: len(images) // 2])
    return _part(captions, first), _part(captions, ~first)


def _part(captions: CaptionSample, chosen: NDArray[np.bool_]) -> CaptionSample:
    places = np.flatnonzero(chosen)
    return CaptionSample(
        [captions.texts[i] for i in places.tolist()],
        np.asarray(captions.embeddings)[places],
        np.asarray(captions.rows)[places],
    )


def _save(corpus: Corpus, captions: CaptionSample, root: Path) -> None:
    np.save(root / "chips.npy", corpus.chips)
    np.save(root / "texts.npy", np.asarray(captions.embeddings))
    np.save(root / "rows.npy", np.asarray(captions.rows))
    (root / "texts.json").write_text(json.dumps(list(captions.texts)))


def _made(name: SparsifierName, corpus: Corpus, asked: Mapping[str, Asked], root: Path) -> Made:
    """Fit in a process of its own, then code everything."""
    command = [sys.executable, "-m", "benchmarks.sparsifiers", name, str(root)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    report: dict[str, Any] = json.loads(done.stdout)
    sparsifier = Bundle.load(root / name).space("chip").sparsifier
    started = time.perf_counter()
    codes = sparsifier.encode_documents(corpus.chips)
    report["coding_seconds"] = time.perf_counter() - started
    report |= Frequencies.of(codes, len(sparsifier.lexicon)).summary()
    report["terms_a_document"] = len(codes.terms) / len(codes)
    asking = {
        kind: sparsifier.encode_queries(one.vectors, QUERY_TERMS) for kind, one in asked.items()
    }
    return Made(sparsifier, codes, asking, report)


def _fit(name: SparsifierName, root: Path) -> dict[str, float]:
    """What the process of a fit does; saves the bundle."""
    x = np.load(root / "chips.npy")
    texts = json.loads((root / "texts.json").read_text())
    captions = CaptionSample(texts, np.load(root / "texts.npy"), np.load(root / "rows.npy"))
    before = _peak_mib()
    started, worked = time.perf_counter(), time.process_time()
    bundle = fit(x, "benchmark", captions=captions, settings=FitSettings(sparsifier=name))
    report = {
        "fit_seconds": time.perf_counter() - started,
        "fit_cpu_seconds": time.process_time() - worked,
        "mib": _peak_mib() - before,
    }
    bundle.save(root / name)
    return report


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text()  # getrusage would count the parent's peak
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _words(
    sparsifier: Sparsifier, chips: NDArray[np.float32], held: CaptionSample
) -> dict[str, float]:
    """Mean over the terms that have a word and one of the held-out images."""
    images, image_of = np.unique(np.asarray(held.rows), return_inverse=True)
    said = [stems(text) for text in held.texts]
    postings = Postings.build(sparsifier.encode_documents(chips[images]))
    shares, usual = [], []
    for term, start, stop in zip(
        postings.terms.tolist(), postings.indptr[:-1], postings.indptr[1:], strict=True
    ):
        word = sparsifier.lexicon.words[term]
        if word is None:
            continue
        (stem,) = stems(word)
        says = np.array([stem in words for words in said])
        order = np.argsort(-postings.weights[start:stop], kind="stable")[:_NEAREST]
        shares.append(says[np.isin(image_of, postings.rows[start:stop][order])].mean())
        usual.append(says.mean())
    return {
        "precision": float(np.mean(shares)),
        "usual": float(np.mean(usual)),
        "terms": len(shares),
        "different": len(set(sparsifier.lexicon.words) - {None}),
    }


def _time(client: OpenSearch, made: Mapping[str, Made], rounds: int) -> float:
    """Put the guide's p50 into each report; returns that of a request that finds nothing."""
    for name, one in made.items():
        settings = {"index": {"refresh_interval": "-1", "number_of_replicas": 0}}
        client.indices.create(index=name, body={**index_body("entries"), "settings": settings})
        send(client, documents(name, one.codes, one.sparsifier), require_alias=False)
        client.indices.refresh(index=name)
    empty = partial(client.search, index="prototypes", body=EMPTY)
    asked = {
        kind: [
            {"empty": empty}
            | {name: _guide(client, name, one, kind, i) for name, one in made.items()}
            for i in range(_TIMED)
        ]
        for kind in next(iter(made.values())).asking
    }
    for ways in chain.from_iterable(asked.values()):
        interleaved(ways, _UNMEASURED)
    seconds = {kind: [interleaved(ways, rounds) for ways in asked[kind]] for kind in asked}
    for name, one in made.items():
        for kind, turns in seconds.items():
            one.report[kind]["guide_ms"] = 1000 * float(np.median([turn[name] for turn in turns]))
    return 1000 * float(np.median([turn["empty"] for turns in seconds.values() for turn in turns]))


def _guide(
    client: OpenSearch, index: str, made: Made, kind: str, number: int
) -> Callable[[], object]:
    terms, weights = made.asking[kind].row(number)
    names = [made.sparsifier.lexicon.terms[term] for term in terms.tolist()]
    body = guide_body(names, weights.tolist(), _GUIDE_SIZE, ANY)
    return partial(client.search, index=index, body=body, params={"filter_path": GUIDE_SHAPE})


if __name__ == "__main__":
    chosen = next(name for name in SPARSIFIERS if name == sys.argv[1])
    print(json.dumps(_fit(chosen, Path(sys.argv[2]))))
