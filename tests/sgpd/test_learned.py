"""Learned sparsifiers keep the promises of codes: stable, few, positive, and worth having."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sgpd.bundle import Bundle
from sgpd.codes import Codes, round_weights
from sgpd.embeddings import stored
from sgpd.errors import FitError
from sgpd.fit import CaptionSample, FitSettings, SparsifierName, fit
from sgpd.metrics import recall_at_k
from sgpd.plan import Settings
from sgpd.retriever import Retriever
from sgpd.training.caption_words import WordHead
from sgpd.training.examples import Examples
from tests.vectors import clustered

LEARNED: tuple[SparsifierName, ...] = ("autoencoder", "caption-words")
WORDS = ("river", "forest", "harbor", "runway", "meadow", "court")


def captions(x: NDArray[np.float32]) -> CaptionSample:
    """A caption for each row: the word of the direction in which it points most."""
    words = np.argmax(x[:, : len(WORDS)], axis=1)
    texts = [f"there is a {WORDS[word]} in the image" for word in words.tolist()]
    return CaptionSample(texts, x + 0.1 * clustered(len(x), 3), np.arange(len(x)))


@pytest.fixture(scope="module")
def bundles() -> dict[str, Bundle]:
    """By sparsifier, fitted on 600 embeddings and a caption each."""
    x = clustered(600)
    return {
        name: fit(
            x,
            "e",
            captions=captions(x),
            settings=FitSettings(sparsifier=name, cells=10, prototypes=64, steps=150),
        )
        for name in LEARNED
    }


def same(left: Codes, right: Codes) -> bool:
    return all(
        np.array_equal(getattr(left, name), getattr(right, name))
        for name in ("indptr", "terms", "weights")
    )


@pytest.mark.parametrize("name", LEARNED)
@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40))
def test_a_code_does_not_depend_on_its_batch(
    bundles: dict[str, Bundle], name: str, seed: int, count: int
) -> None:
    made, x = bundles[name].space("chip").sparsifier, clustered(count, seed)
    together = made.encode_documents(x)
    for i in range(count):
        assert same(made.encode_documents(x[i : i + 1]), together.take(np.array([i])))
    assert same(made.encode_documents(stored(x)), together)


@pytest.mark.parametrize("name", LEARNED)
def test_no_document_and_no_query_is_without_terms(bundles: dict[str, Bundle], name: str) -> None:
    """Vectors of any kind, far from all that was trained on, too."""
    made = bundles[name].space("chip").sparsifier
    strange = np.concatenate([clustered(50, 1), -clustered(50, 2), np.eye(32, dtype=np.float32)])
    documents = made.encode_documents(strange)
    assert np.diff(documents.indptr).min() >= 1
    assert documents.weights.min() >= np.finfo(np.float32).tiny
    np.testing.assert_array_equal(round_weights(documents.weights), documents.weights)
    queries = made.encode_queries(strange, 8)
    assert np.diff(queries.indptr).min() >= 1
    assert np.diff(queries.indptr).max() <= 8
    assert len(made.encode_documents(strange[:0])) == 0


@pytest.mark.parametrize("name", LEARNED)
def test_the_guide_finds_most_of_the_nearest(bundles: dict[str, Bundle], name: str) -> None:
    x, queries = clustered(2_000, 4), clustered(60, 5)
    retriever = Retriever(bundles[name].space("chip"), x)
    guided = retriever.search(queries, 10, Settings(32, 400, 400, 1.0))
    exhaustive = retriever.search(queries, 10, "exhaustive")
    pairs = zip(guided, exhaustive, strict=True)
    assert np.mean([recall_at_k(g.scores, e.scores) for g, e in pairs]) > 0.8
    assert max(result.scanned for result in guided) <= 400


@pytest.mark.parametrize("name", LEARNED)
def test_a_loaded_bundle_gives_the_same_codes(
    bundles: dict[str, Bundle], name: str, tmp_path: Path
) -> None:
    bundles[name].save(tmp_path / "bundle")
    loaded = Bundle.load(tmp_path / "bundle")
    assert loaded.digest == bundles[name].digest
    for kind in ("chip", "caption"):
        ours, theirs = bundles[name].space(kind).sparsifier, loaded.space(kind).sparsifier
        assert theirs.name == name
        assert theirs.lexicon == ours.lexicon
        assert same(theirs.encode_documents(clustered(50)), ours.encode_documents(clustered(50)))


@pytest.mark.parametrize("name", LEARNED)
def test_cells_do_not_depend_on_the_sparsifier(bundles: dict[str, Bundle], name: str) -> None:
    plain = fit(clustered(600), "e", settings=FitSettings(cells=10, prototypes=64))
    np.testing.assert_array_equal(
        bundles[name].space("chip").cells.centroids, plain.space("chip").cells.centroids
    )


def test_caption_words_are_the_terms_and_mean_what_they_say(bundles: dict[str, Bundle]) -> None:
    x = clustered(600, 9)
    made = bundles["caption-words"].space("chip").sparsifier
    assert set(made.lexicon.words) == set(WORDS)
    codes = made.encode_documents(x)
    strongest = [made.lexicon.words[int(terms[np.argmax(w)])] for terms, w in codes]
    said = [text.split()[3] for text in captions(x).texts]
    assert np.mean([ours == theirs for ours, theirs in zip(strongest, said, strict=True)]) > 0.6


def test_a_word_starts_from_how_the_texts_that_have_it_differ_from_all() -> None:
    """As with the table of texts and words, which is never made: it would not fit in memory."""
    x = clustered(50)
    spoken = [sorted({i % 3, i % 7}) for i in range(len(x))]
    head = WordHead(Examples(x, x, np.arange(len(x))), spoken, 8, 16)
    has = np.array([[word in said for word in range(8)] for said in spoken], np.float32)
    hidden = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    means = has.T @ hidden / np.maximum(has.sum(axis=0), 1)[:, None]
    expected = (means - hidden.mean(axis=0)) / np.sqrt(x.shape[1])
    np.testing.assert_allclose(head.exported()["words"], expected, atol=1e-5)


def test_an_autoencoder_needs_no_captions_and_takes_its_words_from_them() -> None:
    alone = fit(
        clustered(300), "e", settings=FitSettings(sparsifier="autoencoder", prototypes=32, steps=20)
    )
    assert alone.space("chip").sparsifier.lexicon.words == (None,) * 32
    x = clustered(300)
    named = fit(
        x,
        "e",
        captions=captions(x),
        settings=FitSettings(sparsifier="autoencoder", prototypes=32, steps=20),
    )
    assert set(named.space("chip").sparsifier.lexicon.words) & set(WORDS)


def test_captions_that_describe_no_chip_can_be_learned_from() -> None:
    x = clustered(200)
    texts = captions(x)
    strangers = CaptionSample(texts.texts, texts.embeddings, [-1] * len(x))
    for name in LEARNED:
        fitted = fit(
            x,
            "e",
            captions=strangers,
            settings=FitSettings(sparsifier=name, prototypes=32, steps=20),
        )
        assert fitted.space("caption").sparsifier.name == name


@pytest.mark.parametrize("count", [1, 2, 10, 65])
def test_a_small_archive_can_be_fitted_and_searched(count: int) -> None:
    x = clustered(count)
    bundle = fit(x, "e", settings=FitSettings(sparsifier="autoencoder", steps=50))
    results = Retriever(bundle.space("chip"), x).search(x, 1)
    assert [int(result.keys[0]) for result in results] == list(range(count))


@pytest.mark.parametrize("distinct", [1, 2, 40])
def test_thousands_of_copies_are_fitted_as_what_they_are(distinct: int) -> None:
    x = clustered(distinct)[np.arange(3_000) % distinct]
    bundle = fit(x, "e", settings=FitSettings(sparsifier="autoencoder", prototypes=64, steps=20))
    assert len(bundle.space("chip").cells) <= distinct
    found = Retriever(bundle.space("chip"), x).search(x[:1], 10)[0]
    np.testing.assert_allclose(found.scores, 1, atol=1e-3)


def test_caption_words_without_captions_are_refused() -> None:
    asked = FitSettings(sparsifier="caption-words")
    with pytest.raises(FitError, match="needs captions"):
        fit(clustered(20), "e", settings=asked)
    rare = CaptionSample(["a river", "a forest"], clustered(2), [0, 1])
    with pytest.raises(FitError, match="no word is in 5 captions"):
        fit(clustered(20), "e", captions=rare, settings=asked)


def test_an_unknown_sparsifier_is_refused_with_those_there_are() -> None:
    with pytest.raises(FitError, match="'magic'; choose one of prototypes, autoencoder"):
        fit(clustered(20), "e", settings=FitSettings(sparsifier="magic"))  # type: ignore[arg-type]


FIT_AND_PRINT_DIGESTS = """
import torch
from tests.sgpd.test_learned import LEARNED, captions
from tests.vectors import clustered
from sgpd.fit import FitSettings, fit
torch.set_num_threads({threads})
x = clustered(400)
for name in LEARNED:
    settings = FitSettings(sparsifier=name, cells=4, steps=20)
    print(fit(x, "e", captions=captions(x), settings=settings).digest)
"""


def test_two_processes_train_the_same_to_the_last_bit() -> None:
    runs = {
        subprocess.run(
            [sys.executable, "-c", FIT_AND_PRINT_DIGESTS.format(threads=threads)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in (1, 2)
    }
    assert len(runs) == 1


def test_opening_a_learned_bundle_needs_no_torch(
    bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    for name in LEARNED:
        bundles[name].save(tmp_path / name)
    code = (
        "import sys; from pathlib import Path; from sgpd.bundle import Bundle; "
        f"[Bundle.load(Path({str(tmp_path)!r}) / name) for name in {LEARNED!r}]; "
        "assert not {'torch', 'faiss'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
