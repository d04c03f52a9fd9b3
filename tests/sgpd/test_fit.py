"""A fit works on any archive, small or full of copies, and comes out the same every time."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from sgpd.bundle import Bundle
from sgpd.embeddings import stored
from sgpd.errors import EmbeddingError, FitError
from sgpd.fit import MOST_PROTOTYPES, CaptionSample, FitSettings, fit, sizes
from sgpd.retriever import Retriever
from tests.vectors import clustered

FIT_AND_PRINT_DIGEST = """
import numpy as np
from sgpd.fit import CaptionSample, fit
x = np.random.default_rng(0).standard_normal((3000, 64))
texts = [f"a {word} scene" for word in ("river", "forest", "harbor")] * 40
captions = CaptionSample(texts, np.random.default_rng(1).standard_normal((120, 64)), np.arange(120))
print(fit(x, "encoder", captions=captions).digest)
"""


def test_two_processes_fit_the_same_bundle_to_the_last_bit() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", FIT_AND_PRINT_DIGEST], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(digests) == 1


def test_another_seed_gives_another_bundle() -> None:
    x = clustered(300)
    assert fit(x, "e", settings=FitSettings(seed=1)).digest != fit(x, "e").digest


@pytest.mark.parametrize("count", [1, 2, 10, 63, 65, 200])
def test_a_small_archive_can_be_fitted_and_searched(
    count: int, capfd: pytest.CaptureFixture[str]
) -> None:
    x = clustered(count)
    bundle = fit(x, "e")
    results = Retriever(bundle.space("chip"), x).search(x, 1)
    assert [int(result.keys[0]) for result in results] == list(range(count))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("distinct", [1, 2, 40])
def test_thousands_of_copies_are_fitted_as_what_they_are(distinct: int) -> None:
    x = clustered(distinct)[np.arange(3_000) % distinct]
    bundle = fit(x, "e")
    cells, sparsifier = bundle.space("chip").cells, bundle.space("chip").sparsifier
    assert len(cells) <= len(sparsifier.lexicon) <= distinct
    assert np.bincount(cells.assign(x), minlength=len(cells)).min() > 0
    assert len(Retriever(bundle.space("chip"), x).search(x[:1], 10)[0].keys) == 10


def test_numbers_grow_with_the_archive_and_stay_in_bounds() -> None:
    found = [sizes(count, FitSettings()) for count in (1, 10, 1_000, 100_000, 10**7)]
    assert found == sorted(found)
    assert found[0] == (1, 1)
    assert all(1 <= cells <= prototypes <= MOST_PROTOTYPES for cells, prototypes in found)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (FitSettings(cells=11), "11 cells asked for, but only 10 different vectors"),
        (FitSettings(cells=5, prototypes=3), "5 cells and 3 prototypes"),
        (FitSettings(cells=-1), "at least one cell"),
    ],
)
def test_impossible_settings_are_refused(settings: FitSettings, message: str) -> None:
    with pytest.raises(FitError, match=message):
        fit(clustered(10), "e", settings=settings)


def test_bad_embeddings_are_refused() -> None:
    with pytest.raises(EmbeddingError, match="row 1"):
        fit([[1.0, 0.0], [np.nan, 0.0]], "e")
    with pytest.raises(FitError, match="no embeddings"):
        fit(np.empty((0, 4)), "e")


def test_the_callers_settings_decide(bundle: Bundle) -> None:
    space = bundle.space("chip")
    assert len(space.cells) == 10
    assert len(space.sparsifier.lexicon) == 96
    assert {"vectors": 600, "cells": 10, "terms": 96}.items() <= bundle.fitted["chip"].items()
    lengths = np.linalg.norm(space.cells.centroids, axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-3)
    np.testing.assert_array_equal(space.cells.centroids, stored(space.cells.centroids))


def test_captions_name_the_terms_and_get_a_space_of_their_own() -> None:
    chips = np.repeat(np.eye(8)[:3], 50, axis=0) + 0.05 * clustered(150, dimension=8)
    words = ["river", "forest", "harbor"]
    texts = [f"there is a {words[i % 3]} in the image" for i in range(60)]
    vectors = np.eye(8)[np.arange(60) % 3 + 3] + 0.05 * clustered(60, 1, dimension=8)
    rows = [(i % 3) * 50 + i // 3 for i in range(60)]
    bundle = fit(chips, "e", captions=CaptionSample(texts, vectors, rows))

    chip, caption = bundle.space("chip").sparsifier, bundle.space("caption").sparsifier
    for made, examples in ((chip, chips[::50]), (caption, vectors[:3])):
        for word, code in zip(words, made.encode_documents(stored(examples)), strict=True):
            strongest = int(code[0][np.argmax(code[1])])
            assert made.lexicon.words[strongest] == word
    assert bundle.space("caption") is not bundle.space("chip")


def test_without_captions_terms_are_numbered_and_captions_share_the_chips_space() -> None:
    bundle = fit(clustered(100), "e")
    assert bundle.space("chip").sparsifier.lexicon.terms[0] == "p-00000"
    assert bundle.space("caption") is bundle.space("chip")


def test_captions_that_describe_no_chip_name_terms_by_nearness() -> None:
    x = np.eye(8)[:2]
    captions = CaptionSample(["a river", "a forest"], x + 0.1, [-1, -1])
    bundle = fit(x, "e", captions=captions, settings=FitSettings(cells=2, prototypes=2))
    assert set(bundle.space("chip").sparsifier.lexicon.words) == {"river", "forest"}


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        (CaptionSample(["a"], np.eye(2), [0]), "1 captions, 2 embeddings"),
        (CaptionSample(["a", "b"], np.eye(2), [0, 9]), "row 9, but there are 2 embeddings"),
        (CaptionSample(["a", "b"], np.eye(2), [0, -2]), "row -2, but there are 2 embeddings"),
    ],
)
def test_captions_that_do_not_fit_together_are_refused(
    captions: CaptionSample, message: str
) -> None:
    with pytest.raises(FitError, match=message):
        fit(np.eye(2), "e", captions=captions)
