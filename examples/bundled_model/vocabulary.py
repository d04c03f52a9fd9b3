"""The words of the bundled model: captions, class phrases and the tokenizer made from them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
MAX_TOKENS = 32

PREFIXES = (
    "{}",
    "a satellite image of {}",
    "an aerial image of {}",
    "an aerial photo of {}",
    "a satellite view of {}",
    "{} seen from above",
)

UCM_PHRASES: Mapping[str, Sequence[str]] = {
    "agricultural": ("farmland", "cropland", "an agricultural field"),
    "airplane": ("an airplane", "airplanes at the airport", "a plane"),
    "baseballdiamond": ("a baseball diamond", "a baseball field"),
    "beach": ("a beach", "the coast", "sand and waves"),
    "buildings": ("buildings", "large buildings"),
    "chaparral": ("chaparral", "shrubs on bare ground"),
    "denseresidential": ("a dense residential area", "many houses close together"),
    "forest": ("a forest", "dense trees", "woodland"),
    "freeway": ("a freeway", "a highway with cars"),
    "golfcourse": ("a golf course",),
    "harbor": ("a harbor", "boats in a harbor", "a marina"),
    "intersection": ("a road intersection", "crossroads"),
    "mediumresidential": ("a medium residential area", "houses with gardens"),
    "mobilehomepark": ("a mobile home park",),
    "overpass": ("an overpass", "a bridge over a road"),
    "parkinglot": ("a parking lot", "parked cars"),
    "river": ("a river", "a river with trees on its banks"),
    "runway": ("a runway", "an airport runway"),
    "sparseresidential": ("a sparse residential area", "a villa among trees"),
    "storagetanks": ("storage tanks", "round tanks"),
    "tenniscourt": ("a tennis court", "tennis courts"),
}

EUROSAT_PHRASES: Mapping[str, Sequence[str]] = {
    "AnnualCrop": ("farmland", "annual crops", "crop fields", "agricultural fields"),
    "Forest": ("a forest", "dense forest", "woodland", "trees"),
    "HerbaceousVegetation": ("herbaceous vegetation", "grassland", "wild grass and shrubs"),
    "Highway": ("a highway", "a motorway", "a main road", "a road through the country"),
    "Industrial": ("an industrial area", "factories", "warehouses", "industrial buildings"),
    "Pasture": ("a pasture", "a meadow", "green grazing land"),
    "PermanentCrop": ("permanent crops", "an orchard", "a vineyard", "a plantation"),
    "Residential": ("a residential area", "a town", "a suburb", "houses and streets"),
    "River": ("a river", "a waterway", "a river through the country"),
    "SeaLake": ("a lake", "the sea", "open water", "the ocean"),
}


def clean(caption: str) -> str:
    """Lower-case words with single spaces; punctuation goes, as in the tokenizer's normalizer."""
    return re.sub(r"[^a-z0-9]+", " ", caption.lower()).strip()


def class_texts(phrases: Sequence[str]) -> list[str]:
    """Every phrase of a class in every prefix."""
    return [prefix.format(phrase) for phrase in phrases for prefix in PREFIXES]


def build_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Tokenizer of the words seen in training; a regular plural is its noun and "##s"."""
    words = {word for text in texts for word in clean(text).split()}
    kept = sorted(w for w in words if not (w.endswith("s") and w[:-1] in words and len(w) > 2))
    vocabulary = {piece: i for i, piece in enumerate((*SPECIALS, "##s", *kept))}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex("[^a-z0-9]+"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        model_max_length=MAX_TOKENS,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )
