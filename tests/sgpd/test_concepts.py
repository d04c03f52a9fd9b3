"""Every entry gets plain words of the field, as far as the model knows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sgpd.bundle import Bundle
from sgpd.concepts import Concepts, ConceptTexts, field_concepts, read_concepts
from sgpd.embeddings import stored
from sgpd.encoders import Encoder, load
from sgpd.fit import CaptionSample, FitSettings, fit
from sgpd.words import said
from tests.vectors import clustered

MODEL = Path(__file__).parents[2] / "scenesift" / "assets" / "model"
NAMES = [("forest", "woodland"), ("river",), ("harbor", "port")]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load(MODEL, device="cpu")


@pytest.fixture(scope="module")
def texts() -> ConceptTexts:
    """Three concepts, each along an axis of its own, all near to a fourth."""
    return ConceptTexts(NAMES, unit(np.eye(4)[:3] + 2 * np.eye(4)[3]))


def unit(x: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def showing(*things: int) -> NDArray[np.float32]:
    """Embeddings of chips that show the things, far from any text."""
    return unit(np.eye(4)[list(things)] - 3 * np.eye(4)[3])


def test_an_entry_is_named_by_what_sets_it_apart(texts: ConceptTexts) -> None:
    x = showing(*[0, 1, 2] * 20)
    concepts = Concepts.fit(texts, x, {})
    assert concepts.strongest(x[:3], 5) == [("forest",), ("river",), ("harbor",)]


def test_what_captions_speak_of_decides_between_near_equals(texts: ConceptTexts) -> None:
    x = showing(*[0, 1, 2] * 20)
    between = unit(x[:1] + x[1:2])
    for row, caption, first in ((1, "the river", "river"), (0, "a woodland", "forest")):
        assert Concepts.fit(texts, x, {row: [caption]}).strongest(between, 1) == [(first,)]


def test_a_concept_that_captions_do_not_confirm_is_trusted_less(texts: ConceptTexts) -> None:
    x = showing(*[0, 1, 2] * 20)
    between = unit(x[:1] + x[1:2])
    rivers = {row: ["a river"] for row in range(60)}
    both = {row: [("a forest", "a river", "a port")[row % 3]] for row in range(60)}
    assert Concepts.fit(texts, x, rivers).strongest(between, 3) == [("river",)]
    assert Concepts.fit(texts, x, both).strengths(between)[0, :2] == pytest.approx(
        Concepts.fit(texts, x, {}).strengths(between)[0, :2] - 0.25 * np.log(3), abs=0.05
    )


def test_words_do_not_depend_on_the_batch() -> None:
    x = stored(clustered(300, dimension=16))
    names = [(f"thing {i}",) for i in range(40)]
    concepts = Concepts.fit(ConceptTexts(names, clustered(40, 5, 16)), x, {})
    every = concepts.strongest(x, 5)
    assert [concepts.strongest(row[None], 5)[0] for row in x] == every
    assert all(1 <= len(words) <= 5 for words in every)


def test_copies_of_one_vector_are_named_too(texts: ConceptTexts) -> None:
    x = np.repeat(showing(1), 50, axis=0)
    assert len(Concepts.fit(texts, x, {}).strongest(x[:1], 5)[0]) >= 1


def test_the_fields_concepts_have_each_name_once() -> None:
    names = [name for names in field_concepts() for name in names]
    assert len(field_concepts()) >= 150
    assert len(names) == len(set(names))
    assert all(name == " ".join(name.lower().split()) for name in names)


def test_a_model_is_asked_for_words_that_it_knows(encoder: Encoder) -> None:
    asked = [("runway",), ("zymurgic runway",), ("glacier",), ("glacier", "tennis court")]
    read = read_concepts(encoder, asked)
    assert read is not None
    assert list(read.names) == [("runway",), ("glacier", "tennis court")]
    np.testing.assert_allclose(np.linalg.norm(read.embeddings, axis=1), 1, atol=1e-5)
    court = read_concepts(encoder, [("tennis court",)])
    assert court is not None
    np.testing.assert_allclose(read.embeddings[1], court.embeddings[0], atol=1e-5)
    assert read_concepts(encoder, [("glacier",)]) is None


def test_a_text_says_a_thing_by_any_name_and_in_the_plural() -> None:
    captions = ["Many houses beside bushes.", "A parking  LOT", "the port", ""]
    things = [("house",), ("bush", "shrub"), ("parking lots",), ("harbor", "port"), ("?",)]
    assert said(captions, things).tolist() == [
        [True, True, False, False, False],
        [False, False, True, False, False],
        [False, False, False, True, False],
        [False] * 5,
    ]


def test_a_bundle_keeps_its_concepts(texts: ConceptTexts, tmp_path: Path) -> None:
    x = showing(*[0, 1, 2] * 20)
    captions = CaptionSample(["a river", "a forest"], texts.embeddings[[1, 0]], [1, 0])
    settings = FitSettings(cells=1, prototypes=2)
    bundle = fit(x, "e", captions=captions, concepts=texts, settings=settings)
    bundle.save(tmp_path / "bundle")
    loaded = Bundle.load(tmp_path / "bundle")
    assert loaded.digest == bundle.digest
    assert loaded.fitted["concepts"] == 3
    for kind, vectors in (("chip", x), ("caption", texts.embeddings)):
        made, kept = bundle.space(kind).concepts, loaded.space(kind).concepts
        assert made is not None
        assert kept is not None
        assert kept.strongest(stored(vectors), 3) == made.strongest(stored(vectors), 3)


def test_a_bundle_fitted_without_a_model_has_none(bundle: Bundle, tmp_path: Path) -> None:
    bundle.save(tmp_path / "bundle")
    assert Bundle.load(tmp_path / "bundle").space("chip").concepts is None


def test_terms_that_captions_say_nothing_of_are_named_by_concepts(texts: ConceptTexts) -> None:
    x = showing(*[0, 1, 2] * 20)
    captions = CaptionSample(["a jungle"] * 5, texts.embeddings[[0] * 5], [0, 3, 6, 9, 12])
    settings = FitSettings(cells=1, prototypes=3)
    bundle = fit(x, "e", captions=captions, concepts=texts, settings=settings)
    assert sorted(map(str, bundle.space("chip").sparsifier.lexicon.words)) == [
        "harbor",
        "jungle",
        "river",
    ]
    bundle = fit(x, "e", concepts=ConceptTexts([("wild forest",)], texts.embeddings[:1]))
    assert set(bundle.space("chip").sparsifier.lexicon.words) == {"wild-forest"}
