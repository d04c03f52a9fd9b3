"""A bundle comes back as it was saved, or not at all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sgpd.bundle import Bundle
from sgpd.errors import BundleError
from tests.vectors import clustered


@pytest.fixture
def saved(bundle: Bundle, tmp_path: Path) -> Path:
    bundle.save(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_loaded_bundle_decides_the_same(
    bundle: Bundle, saved: Path, embeddings: NDArray[np.float32]
) -> None:
    loaded = Bundle.load(saved)
    assert loaded.digest == bundle.digest
    assert (loaded.encoder, loaded.dimension, loaded.fitted) == ("test-encoder", 32, bundle.fitted)
    ours, theirs = bundle.space("chip"), loaded.space("chip")
    np.testing.assert_array_equal(theirs.cells.assign(embeddings), ours.cells.assign(embeddings))
    assert theirs.sparsifier.lexicon == ours.sparsifier.lexicon
    for left, right in zip(
        theirs.sparsifier.encode_documents(embeddings),
        ours.sparsifier.encode_documents(embeddings),
        strict=True,
    ):
        np.testing.assert_array_equal(left, right)
    query = clustered(1, 3)[0]
    np.testing.assert_array_equal(
        theirs.cells.prior.expected_share(query, 0.3), ours.cells.prior.expected_share(query, 0.3)
    )


def test_a_bundle_loaded_and_saved_again_is_the_same_bundle(saved: Path, tmp_path: Path) -> None:
    Bundle.load(saved).save(tmp_path / "again")
    assert Bundle.load(tmp_path / "again").digest == Bundle.load(saved).digest


def test_saving_leaves_no_draft_and_is_safe_to_repeat(bundle: Bundle, saved: Path) -> None:
    bundle.save(saved)
    assert [path.name for path in saved.parent.iterdir()] == ["bundle"]


def change_a_byte(directory: Path) -> None:
    path = directory / "chip" / "sparsifier.prototypes.npy"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def rename_a_word(directory: Path) -> None:
    path = directory / "chip" / "lexicon.json"
    path.write_text(path.read_text().replace("null", '"xx"', 1))


def edit_manifest(**changes: object) -> Callable[[Path], None]:
    def edit(directory: Path) -> None:
        path = directory / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change_a_byte, "prototypes.npy was changed"),
        (rename_a_word, "lexicon.json"),
        (lambda d: (d / "chip" / "lexicon.json").unlink(), "lexicon.json is missing"),
        (lambda d: (d / "chip" / "notes.txt").write_text("x"), "notes.txt does not belong there"),
        (lambda d: (d / "manifest.json").unlink(), "manifest.json cannot be read"),
        (lambda d: (d / "manifest.json").write_text("{"), "not a manifest"),
        (edit_manifest(format=99), "format 99"),
        (edit_manifest(spaces={"chip": "magic"}), "not a bundle"),
        (edit_manifest(spaces=[]), "not a bundle"),
        (shutil.rmtree, "cannot be read"),
    ],
)
def test_a_damaged_bundle_is_refused_in_one_line(
    saved: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(saved)
    with pytest.raises(BundleError, match=message) as caught:
        Bundle.load(saved)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pickle_in_disguise_is_not_opened(bundle: Bundle, saved: Path, tmp_path: Path) -> None:
    """Even sealed with matching digests, as whoever made the bundle could."""
    from sgpd import sealed

    evil = np.array([{"code": "runs"}], dtype=object)
    np.save(saved / "chip" / "sparsifier.prototypes.npy", evil, allow_pickle=True)
    manifest = json.loads((saved / "manifest.json").read_text())
    del manifest["files"]
    (saved / "manifest.json").unlink()
    sealed.seal(saved, manifest)
    with pytest.raises(BundleError, match="not a bundle"):
        Bundle.load(saved)


def test_an_edited_manifest_changes_the_digest(saved: Path) -> None:
    before = Bundle.load(saved).digest
    edit_manifest(encoder="another")(saved)
    assert Bundle.load(saved).digest != before


def test_another_encoder_is_refused_with_both_names(bundle: Bundle) -> None:
    bundle.check_encoder("test-encoder")
    with pytest.raises(BundleError, match=r"test-encoder.*clip-b32"):
        bundle.check_encoder("clip-b32")


def test_a_folder_with_other_things_is_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(BundleError, match="cannot be written"):
        bundle.save(tmp_path)
    assert (tmp_path / "photo.jpg").exists()


def test_another_bundle_is_not_overwritten(bundle: Bundle, saved: Path) -> None:
    other = Bundle("other-encoder", 32, bundle.spaces)
    with pytest.raises(BundleError, match="holds another bundle"):
        other.save(saved)
    assert Bundle.load(saved).encoder == "test-encoder"


def test_opening_a_bundle_needs_neither_torch_nor_faiss(saved: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sgpd.bundle import Bundle; "
        f"Bundle.load(Path({str(saved)!r})); "
        "assert not {'torch', 'faiss', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_full_disk_is_named_as_the_cause(saved: Path, tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from sgpd.bundle import Bundle; "
        "from sgpd.errors import BundleError\n"
        "bundle = Bundle.load(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: bundle.save(Path(sys.argv[2]))\n"
        "except BundleError as error: print(error)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, saved, tmp_path / "full" / "bundle"],
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = ran.stdout.splitlines()
    assert "full/bundle: cannot be written (" in line
    assert "None" not in line
    assert "make room" in line
    assert not list((tmp_path / "full").iterdir())
