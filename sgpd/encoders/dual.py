"""Any dual encoder of the transformers library: CLIP, SigLIP, VisionTextDualEncoder and so on."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import snapshot_download
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from sgpd.encoders.preparation import RULE, Preparation
from sgpd.errors import EncoderError

BATCH = 64
HASHED = frozenset({".safetensors", ".bin", ".json", ".txt", ".model"})

log = logging.getLogger(__name__)


class DualEncoder:
    """A frozen transformers model with an image and a text tower, as an `Encoder`."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        preparation: Preparation,
        identity: str,
        device: torch.device,
    ) -> None:
        self.identity = identity
        self.prepare = preparation
        self._model = model.eval().requires_grad_(False).to(device)
        self._tokenizer = tokenizer
        self._device = device
        self._scale = 255 * torch.tensor(preparation.std, device=device).view(3, 1, 1)
        self._offset = 255 * torch.tensor(preparation.mean, device=device).view(3, 1, 1)
        self.dimension = self._probe()

    @classmethod
    def open(cls, path_or_name: str | Path, device: str = "auto") -> DualEncoder:
        """Load a folder, or a name in the local Hugging Face cache. Raises EncoderError."""
        place = choose_device(device)
        folder = find_folder(path_or_name)
        with quiet_transformers():
            try:
                model, report = AutoModel.from_pretrained(
                    folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
                )
                check_towers(folder, model)
                check_weights(folder, report)
                tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
                preparation = Preparation.read(folder)
                return cls(model, tokenizer, preparation, identify(folder, model), place)
            except EncoderError:
                raise
            except Exception as error:  # the libraries below raise their own, of every kind
                raise EncoderError(
                    f"{folder}: not a model that can be loaded ({first_line(error)})"
                ) from error

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """L2-normalised embeddings [n, d]; an image not of the input size is prepared first."""
        return self._batched("image", images, self._embed_images)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """L2-normalised embeddings [n, d]; texts beyond the model's window are cut."""
        if isinstance(texts, str):
            raise EncoderError("texts: one string given; give a list of strings")
        return self._batched("text", texts, self._embed_texts)

    def _probe(self) -> int:
        """Length of the embeddings, after one image and one text through the model."""
        black = np.zeros((*self.prepare.size, 3), dtype=np.uint8)
        image, text = self._embed_images([black]), self._embed_texts(["a"])
        if image.ndim != 2 or image.shape != text.shape:
            raise EncoderError(
                f"{self.identity}: embeds an image as {list(image.shape)} and a text as "
                f"{list(text.shape)}; a dual encoder gives both the same length"
            )
        return image.shape[1]

    def _batched(
        self, what: str, items: Sequence[Any], embed: Callable[[Sequence[Any]], Tensor]
    ) -> NDArray[np.float32]:
        found = np.empty((len(items), self.dimension), dtype=np.float32)
        for start in range(0, len(items), BATCH):
            features = embed(items[start : start + BATCH])
            rows = torch.nn.functional.normalize(features.float(), dim=1).cpu().numpy()
            bad = ~np.isfinite(rows).all(axis=1)
            if bad.any():
                raise EncoderError(
                    f"{what} {start + int(bad.argmax())}: the model gives NaN; leave it out"
                )
            found[start : start + BATCH] = rows
        return found

    @torch.inference_mode()
    def _embed_images(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        pixels = torch.from_numpy(np.stack([self.prepare(image) for image in images]))
        pixels = pixels.to(self._device).permute(0, 3, 1, 2).float()
        pixels = pixels.sub_(self._offset).div_(self._scale)
        return pooled(self._model.get_image_features(pixel_values=pixels))

    @torch.inference_mode()
    def _embed_texts(self, texts: Sequence[str]) -> Tensor:
        config = self._model.config
        window = min(self._tokenizer.model_max_length, config.text_config.max_position_embeddings)
        # SigLIP was trained on full windows and reads its embedding from the last position.
        padding = "max_length" if config.model_type.startswith("siglip") else "longest"
        tokens = self._tokenizer(
            list(texts), padding=padding, truncation=True, max_length=window, return_tensors="pt"
        ).to(self._device)
        names = tokens.keys() & {"input_ids", "attention_mask"}
        return pooled(self._model.get_text_features(**{name: tokens[name] for name in names}))


def pooled(features: Any) -> Tensor:
    """The embeddings [n, d], which transformers gives as a tensor or, since 5.0, in an output."""
    return features if isinstance(features, Tensor) else features.pooler_output


def choose_device(name: str) -> torch.device:
    """The torch device for auto, cpu, cuda or mps; EncoderError for one that is not there."""
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return torch.device("cuda" if available["cuda"] else "cpu")
    if not available.get(name):
        usable = ", ".join(["auto", *(n for n, there in available.items() if there)])
        raise EncoderError(f"device {name}: not on this machine; use one of {usable}")
    return torch.device(name)


def find_folder(path_or_name: str | Path) -> Path:
    """The folder of a model; a name is looked up in the Hugging Face cache, without network."""
    folder = Path(path_or_name)
    if not folder.is_dir():
        try:
            folder = Path(snapshot_download(str(path_or_name), local_files_only=True))
        except Exception as error:  # an invalid name and a missing one raise different errors
            raise EncoderError(
                f"{path_or_name}: no such model folder, and no such name in the Hugging Face "
                f"cache; check the path, or fetch it first with: hf download {path_or_name}"
            ) from error
    if not (folder / "config.json").is_file():
        raise EncoderError(f"{folder}: no config.json; give the folder of a transformers model")
    return folder


def identify(folder: Path, model: Any) -> str:
    """transformers:<model type>:<16 hex digits over the files of the model and our own RULE>."""
    digest = hashlib.sha256(RULE.encode())
    for path in sorted(folder.iterdir()):
        if path.suffix in HASHED:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"\n{path.name} {content}".encode())
    return f"transformers:{model.config.model_type}:{digest.hexdigest()[:16]}"


def check_towers(folder: Path, model: Any) -> None:
    """EncoderError for a model that has not both an image and a text tower."""
    if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
        raise EncoderError(
            f"{folder}: {type(model).__name__} is no dual encoder; it must have "
            "get_image_features and get_text_features"
        )


def check_weights(folder: Path, report: dict[str, Any]) -> None:
    """EncoderError if weights are missing or of another shape; surplus ones are only logged."""
    lacking = sorted(map(str, (*report["missing_keys"], *report["mismatched_keys"])))
    if lacking:
        raise EncoderError(
            f"{folder}: {len(lacking)} weights are missing or of another shape, first "
            f"{lacking[0]}; the file is not of this model, fetch it again"
        )
    if report["unexpected_keys"]:
        surplus = sorted(map(str, report["unexpected_keys"]))
        log.warning("%s: %d unused weights, first %s", folder, len(surplus), surplus[0])


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' progress bars and load reports off the terminal; ours say it shorter."""
    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.CRITICAL)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
