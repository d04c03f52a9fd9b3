"""The bundled model: small, loadable as it is, and sensible about the sample archive."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoModel, AutoTokenizer

from examples.bundled_model.dataset import read_rows
from examples.bundled_model.measure import retrieval_figures
from sgpd.encoders import Encoder, load

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "scenesift" / "assets" / "model"
ARCHIVE = ROOT / "examples" / "sample_archive"
UCM_TAR = ROOT.parent / "shared" / "data" / "ucm_captions.tar"

QUERIES = {
    "airplane": "airplanes parked at the airport",
    "baseballdiamond": "a baseball diamond",
    "beach": "waves on a sandy beach",
    "forest": "a dense forest",
    "harbor": "boats in a harbor",
    "parkinglot": "many cars in a parking lot",
    "runway": "a straight runway with white mark lines",
    "tenniscourt": "two tennis courts",
    "Highway": "a motorway through the country",
    "Residential": "houses and streets of a town",
    "SeaLake": "open water",
}
TOWNS = {"Residential", "denseresidential", "mediumresidential", "mobilehomepark"}
ALIKE = {"forest": {"forest", "Forest"}, "Residential": TOWNS}  # the same thing in both data sets


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load(MODEL, device="cpu")


@pytest.fixture(scope="module")
def images() -> list[tuple[str, NDArray[np.uint8]]]:
    lines = (ARCHIVE / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    found = []
    for line in map(json.loads, lines):
        if Path(line["image"]).parts[1] in {"ucm", "eurosat"}:
            with Image.open(ARCHIVE / line["image"]) as image:
                found.append((Path(line["image"]).parts[2], np.asarray(image.convert("RGB"))))
    return found


def test_it_is_small() -> None:
    assert (MODEL / "model.safetensors").stat().st_size <= 20_000_000


def test_transformers_loads_it_without_our_code_and_in_float32() -> None:
    model, report = AutoModel.from_pretrained(
        MODEL, local_files_only=True, trust_remote_code=False, output_loading_info=True
    )
    assert type(model).__module__.startswith("transformers.")
    assert model.dtype == torch.float32
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]


def test_transformers_alone_gives_the_same_embeddings(encoder: Encoder) -> None:
    model = AutoModel.from_pretrained(MODEL).eval()
    tokens = AutoTokenizer.from_pretrained(MODEL)(["A River!"], return_tensors="pt")
    with torch.inference_mode():
        text = model.get_text_features(**tokens).pooler_output.numpy()[0]
    ours = encoder.encode_texts(["a river"])[0]
    np.testing.assert_allclose(ours, text / np.linalg.norm(text), atol=1e-5)


def test_text_finds_images_of_what_it_says(
    encoder: Encoder, images: list[tuple[str, NDArray[np.uint8]]]
) -> None:
    embeddings = encoder.encode_images([image for _, image in images])
    classes = [name for name, _ in images]
    right = {}
    for wanted, query in QUERIES.items():
        best = np.argsort(-(embeddings @ encoder.encode_texts([query])[0]))[:10]
        right[wanted] = sum(classes[i] in ALIKE.get(wanted, {wanted}) for i in best)
    assert np.mean(list(right.values())) >= 6, right


def test_an_image_is_most_like_images_of_its_class(
    encoder: Encoder, images: list[tuple[str, NDArray[np.uint8]]]
) -> None:
    embeddings = encoder.encode_images([image for _, image in images])
    similarity = embeddings @ embeddings.T
    np.fill_diagonal(similarity, -1)
    classes = np.array([name for name, _ in images])
    assert np.mean(classes[similarity.argmax(axis=1)] == classes) >= 0.6


def test_words_it_never_saw_do_no_harm(encoder: Encoder) -> None:
    known, mixed, empty = encoder.encode_texts(["a river", "a zymurgic river", ""])
    assert known @ mixed > 0.7
    assert np.isfinite(empty).all()


def test_the_model_card_states_what_is_measured(encoder: Encoder) -> None:
    card = (MODEL / "README.md").read_text(encoding="utf-8")
    stated = float(card.partition("mR **")[2].partition("**")[0])
    assert stated > 35
    if UCM_TAR.exists():
        rows = [row for row in read_rows(UCM_TAR) if row["split"] == "val"]
        measured = retrieval_figures(encoder, UCM_TAR, rows)["mean_recall"]
        assert measured == pytest.approx(stated, abs=0.3)
