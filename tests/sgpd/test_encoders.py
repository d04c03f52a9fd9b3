"""Encoders: any transformers dual encoder from a folder, and embeddings computed elsewhere."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from sgpd.encoders import ArrayEncoder, Encoder, load
from sgpd.encoders.preparation import Preparation
from sgpd.errors import EmbeddingError, EncoderError

WORDS = ["[PAD]", "[UNK]", "[EOS]", "a", "river", "runway", "forest"]
SHAPES = [(256, 256), (64, 64), (97, 180), (301, 57), (5, 9), (32, 32)]
TOWER: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((height // 3 + 1, width // 3 + 1, 1), np.uint8))[:height, :width]


def save_tokenizer(folder: Path) -> None:
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = TemplateProcessing(single="$A [EOS]", special_tokens=[("[EOS]", 2)])
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]"
    ).save_pretrained(folder)


def save_clip(folder: Path) -> Path:
    torch.manual_seed(1)
    text = {
        **TOWER,
        "vocab_size": len(WORDS),
        "max_position_embeddings": 8,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    vision = {**TOWER, "image_size": 32, "patch_size": 16}
    CLIPModel(
        CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
    ).save_pretrained(folder)
    save_tokenizer(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)
    return folder


def save_siglip(folder: Path) -> Path:
    torch.manual_seed(1)
    text = {**TOWER, "vocab_size": len(WORDS), "max_position_embeddings": 8}
    vision = {**TOWER, "image_size": 32, "patch_size": 16}
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    save_tokenizer(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_siglip(tmp_path_factory.mktemp("siglip"))


@pytest.fixture(scope="module", params=["clip", "siglip"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return load(request.getfixturevalue(request.param), device="cpu")


@pytest.fixture
def copied(clip: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clip, tmp_path / "model"))


class TestDualEncoder:
    """Tiny random models, saved and loaded as real ones are."""

    def test_any_dual_encoder_fills_the_protocol(self, encoder: Encoder) -> None:
        assert isinstance(encoder, Encoder)
        images = encoder.encode_images([picture(*shape) for shape in SHAPES])
        texts = encoder.encode_texts(["a river", "a runway", ""])
        assert images.shape == (len(SHAPES), encoder.dimension)
        assert texts.shape == (3, encoder.dimension)
        for rows in (images, texts):
            assert rows.dtype == np.float32
            np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)

    def test_nothing_in_nothing_out(self, encoder: Encoder) -> None:
        assert encoder.encode_images([]).shape == (0, encoder.dimension)
        assert encoder.encode_texts([]).shape == (0, encoder.dimension)

    def test_an_embedding_does_not_depend_on_its_batch(self, encoder: Encoder) -> None:
        images = [picture(40, 40, seed) for seed in range(70)]
        alone = np.concatenate([encoder.encode_images([image]) for image in images])
        np.testing.assert_allclose(encoder.encode_images(images), alone, atol=1e-5)
        texts = ["a river", "a", "a runway a forest a river"] * 30
        alone = np.concatenate([encoder.encode_texts([text]) for text in texts])
        np.testing.assert_allclose(encoder.encode_texts(texts), alone, atol=1e-5)

    def test_encoding_prepares_what_was_not_prepared(self, encoder: Encoder) -> None:
        images = [picture(*shape) for shape in SHAPES]
        prepared = [encoder.prepare(image) for image in images]
        assert {image.shape for image in prepared} == {(32, 32, 3)}
        assert all(np.array_equal(encoder.prepare(image), image) for image in prepared)
        assert np.array_equal(encoder.encode_images(images), encoder.encode_images(prepared))

    def test_a_long_text_is_cut_to_the_window(self, encoder: Encoder) -> None:
        cut = encoder.encode_texts(["river " * 8, "river " * 10_000])
        np.testing.assert_allclose(cut[0], cut[1], atol=1e-6)

    def test_images_can_be_prepared_in_threads(self, encoder: Encoder) -> None:
        images = [picture(200, 150, seed) for seed in range(40)]
        with ThreadPoolExecutor(4) as pool:
            threaded = list(pool.map(encoder.prepare, images))
        assert all(
            np.array_equal(one, encoder.prepare(image))
            for one, image in zip(threaded, images, strict=True)
        )

    def test_identity_follows_weights_and_preprocessing(self, clip: Path, copied: Path) -> None:
        original = load(clip).identity
        assert original.startswith("transformers:clip:")
        (copied / "README.md").write_text("a model card changes nothing")
        assert load(copied).identity == original
        path = copied / "preprocessor_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"image_mean": [0.5, 0.5, 0.5]}))
        assert load(copied).identity != original

    def test_a_model_in_half_precision_works_in_float32(self, clip: Path, copied: Path) -> None:
        CLIPModel.from_pretrained(clip, dtype=torch.float16).save_pretrained(copied)
        image = picture(50, 50)
        np.testing.assert_allclose(
            load(copied).encode_images([image]), load(clip).encode_images([image]), atol=5e-3
        )

    @pytest.mark.parametrize(
        "bad",
        [
            np.zeros((0, 4, 3), np.uint8),
            np.zeros((4, 4), np.uint8),
            np.zeros((4, 4, 4), np.uint8),
            np.zeros((4, 4, 3), np.float32),
        ],
    )
    def test_what_is_no_rgb_image_is_refused(self, clip: Path, bad: NDArray[np.uint8]) -> None:
        with pytest.raises(EncoderError, match=r"give uint8 \[h, w, 3\]"):
            load(clip).encode_images([bad])

    def test_one_string_is_not_a_list_of_texts(self, clip: Path) -> None:
        with pytest.raises(EncoderError, match="give a list of strings"):
            load(clip).encode_texts("a river")


class TestLoading:
    """What is wrong with a model is said in one line."""

    def test_the_protocol_is_there_without_torch(self) -> None:
        code = "import sys, sgpd.encoders; print({'torch', 'transformers'} & set(sys.modules))"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert found.stdout == "set()\n", found.stderr

    def test_nothing_but_our_own_lines_on_the_terminal(
        self, clip: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        load(clip)
        assert capfd.readouterr() == ("", "")

    def test_a_missing_model_says_how_to_get_it(self) -> None:
        with pytest.raises(EncoderError, match="hf download nobody/no-such-model") as error:
            load("nobody/no-such-model")
        assert "\n" not in str(error.value)

    def test_an_empty_folder_is_no_model(self, tmp_path: Path) -> None:
        with pytest.raises(EncoderError, match=r"no config\.json"):
            load(tmp_path)

    def test_a_truncated_weights_file_is_one_line(self, copied: Path) -> None:
        weights = copied / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
        with pytest.raises(EncoderError, match="not a model that can be loaded") as error:
            load(copied)
        assert "\n" not in str(error.value)

    def test_missing_weights_are_an_error(self, clip: Path, copied: Path) -> None:
        model = CLIPModel.from_pretrained(clip)
        state = {k: v for k, v in model.state_dict().items() if k != "visual_projection.weight"}
        model.save_pretrained(copied, state_dict=state)
        with pytest.raises(EncoderError, match=r"1 weights are missing.*visual_projection\.weight"):
            load(copied)

    def test_settings_of_another_image_size_are_found_at_once(self, copied: Path) -> None:
        path = copied / "preprocessor_config.json"
        other = json.loads(path.read_text()) | {"crop_size": {"height": 48, "width": 48}}
        path.write_text(json.dumps(other))
        with pytest.raises(EncoderError, match=r"not a model that can be loaded .*48"):
            load(copied)

    def test_a_text_model_is_no_dual_encoder(self, copied: Path) -> None:
        BertModel(BertConfig(vocab_size=len(WORDS), **TOWER)).save_pretrained(copied)
        with pytest.raises(EncoderError, match="BertModel is no dual encoder"):
            load(copied)

    def test_an_unknown_device_names_the_usable_ones(self, clip: Path) -> None:
        with pytest.raises(EncoderError, match="device tpu: not on this machine; use one of auto"):
            load(clip, device="tpu")


class TestPreparation:
    """Held against the image processors of transformers themselves."""

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize(
        "processor",
        [
            CLIPImageProcessorPil(
                size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
            ),
            CLIPImageProcessorPil(
                size={"shortest_edge": 40}, crop_size={"height": 31, "width": 24}
            ),
            SiglipImageProcessorPil(size={"height": 24, "width": 40}),
        ],
        ids=["shorter side", "crop", "square"],
    )
    def test_pixels_are_those_of_transformers(
        self, processor: CLIPImageProcessorPil, shape: tuple[int, int]
    ) -> None:
        preparation = Preparation.of(processor.to_dict())
        image = picture(*shape)
        ours = (preparation(image) / 255 - preparation.mean) / preparation.std
        theirs = processor(image, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)

    def test_the_older_notation_of_sizes_is_read(self) -> None:
        old = {"do_resize": True, "size": 224, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
        assert Preparation.of(old).resize == (224, 224)
        cropped = Preparation.of(old | {"do_center_crop": True, "crop_size": 200})
        assert (cropped.resize, cropped.size) == (224, (200, 200))

    def test_a_line_of_pixels_does_not_blow_up(self, encoder: Encoder) -> None:
        line = np.zeros((1, 60_000, 3), np.uint8)
        assert encoder.prepare(line).shape == (32, 32, 3)

    def test_settings_inside_a_processor_are_found(self, copied: Path) -> None:
        alone = Preparation.read(copied)
        path = copied / "preprocessor_config.json"
        nested = {"image_processor": json.loads(path.read_text())}
        (copied / "processor_config.json").write_text(json.dumps(nested))
        path.unlink()
        assert Preparation.read(copied) == alone

    def test_missing_and_broken_settings_are_named(self, copied: Path) -> None:
        path = copied / "preprocessor_config.json"
        path.write_text("{")
        with pytest.raises(EncoderError, match=r"preprocessor_config\.json: not a JSON object"):
            load(copied)
        path.unlink()
        with pytest.raises(EncoderError, match=r"no preprocessor_config\.json"):
            load(copied)

    def test_a_size_we_cannot_follow_is_refused(self) -> None:
        with pytest.raises(EncoderError, match=r"cannot follow size .'max_height': 9"):
            Preparation.of({"do_resize": True, "size": {"max_height": 9}})


class TestArrayEncoder:
    """Vectors by name."""

    VECTORS = np.array([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]], dtype=np.float32)
    NAMES = ("a.png", "b.png", "a river")

    def test_vectors_by_name_are_of_unit_length(self) -> None:
        encoder = ArrayEncoder(self.NAMES, self.VECTORS)
        assert isinstance(encoder, Encoder)
        found = encoder.vectors(["b.png", "a.png", "b.png"])
        np.testing.assert_allclose(found, np.array([[0, 1], [0.6, 0.8], [0, 1]]))
        assert encoder.vectors([]).shape == (0, encoder.dimension)

    def test_every_way_in_gives_the_same_encoder(self, tmp_path: Path) -> None:
        table = pa.table({"name": self.NAMES, "embedding": self.VECTORS.tolist()})
        pq.write_table(table, tmp_path / "e.parquet")
        np.save(tmp_path / "e.npy", self.VECTORS)
        (tmp_path / "e.txt").write_text("\n".join(self.NAMES))
        ways = [
            ArrayEncoder.of(dict(zip(self.NAMES, self.VECTORS, strict=True))),
            ArrayEncoder.read_parquet(tmp_path / "e.parquet"),
            ArrayEncoder.read_npy(tmp_path / "e.npy", tmp_path / "e.txt"),
        ]
        assert {way.identity for way in ways} == {ArrayEncoder(self.NAMES, self.VECTORS).identity}

    def test_identity_follows_names_and_vectors(self) -> None:
        original = ArrayEncoder(self.NAMES, self.VECTORS).identity
        assert ArrayEncoder(("x", "y", "z"), self.VECTORS).identity != original
        assert ArrayEncoder(self.NAMES, self.VECTORS[::-1]).identity != original

    def test_it_does_not_pretend_to_be_a_model(self) -> None:
        encoder = ArrayEncoder(self.NAMES, self.VECTORS)
        with pytest.raises(EncoderError, match="there is no model to encode with"):
            encoder.encode_texts(["a lake"])
        with pytest.raises(EncoderError, match="there is no model to encode with"):
            encoder.encode_images([picture(4, 4)])

    def test_bad_input_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(EncoderError, match=r"'c\.png': no embedding"):
            ArrayEncoder(self.NAMES, self.VECTORS).vectors(["c.png"])
        with pytest.raises(EncoderError, match="2 names for 3 vectors"):
            ArrayEncoder(self.NAMES[:2], self.VECTORS)
        with pytest.raises(EncoderError, match="'x' comes twice"):
            ArrayEncoder(("x", "y", "x"), self.VECTORS)
        with pytest.raises(EmbeddingError, match="row 1 is all zeros"):
            ArrayEncoder(self.NAMES, [[1, 0], [0, 0], [0, 1]])
        (tmp_path / "bad.parquet").write_bytes(b"PAR1")
        with pytest.raises(EncoderError, match="not a Parquet file"):
            ArrayEncoder.read_parquet(tmp_path / "bad.parquet")
