"""Images of every kind, good and bad."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from indexer.errors import ImageError
from indexer.images import MAX_ASPECT, check_image, read_image, thumbnail


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    packed = io.BytesIO()
    image.save(packed, form, **options)
    return packed.getvalue()


def ramp(height: int = 16, width: int = 24) -> NDArray[np.uint8]:
    """Smooth colours, different at every pixel."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 8, columns * 8, (rows + columns) * 4], axis=2).astype(np.uint8)


RAMP = Image.fromarray(ramp())


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "PPM"])
def test_lossless_formats_give_back_every_pixel(form: str) -> None:
    assert np.array_equal(read_image(saved(RAMP, form)), ramp())


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "JPEG2000", "AVIF"])
def test_lossy_formats_give_nearly_the_same(form: str) -> None:
    difference = read_image(saved(RAMP, form)).astype(int) - ramp()
    assert np.abs(difference).mean() < 8


def test_a_path_and_its_content_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "ramp.jpg"  # a PNG: the content decides
    path.write_bytes(saved(RAMP, "PNG"))
    assert np.array_equal(read_image(path), ramp())


def test_grey_becomes_three_equal_channels() -> None:
    pixels = read_image(saved(RAMP.convert("L"), "PNG"))
    assert np.array_equal(pixels[:, :, 0], np.asarray(RAMP.convert("L")))
    assert (pixels == pixels[:, :, :1]).all()


def test_bilevel_is_black_and_white() -> None:
    assert set(np.unique(read_image(saved(RAMP.convert("1"), "PNG")))) == {0, 255}


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_lose_their_lower_byte_in_every_image_alike(form: str) -> None:
    values = np.array([[0, 255, 256, 4095], [32768, 65279, 65280, 65535]], np.uint16)
    pixels = read_image(saved(Image.fromarray(values), form))
    assert pixels[:, :, 1].tolist() == [[0, 0, 1, 15], [128, 254, 255, 255]]


def test_thirty_two_bits_are_read_as_sixteen_and_clipped() -> None:
    values = np.array([[-5, 256, 70_000]], np.int32)
    assert read_image(saved(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 1, 255]


def test_floats_are_shares_and_nan_is_black() -> None:
    values = np.array([[0.0, 0.5, 1.0, 3.0, -1.0, np.nan]], np.float32)
    pixels = read_image(saved(Image.fromarray(values), "TIFF"))
    assert pixels[0, :, 0].tolist() == [0, 128, 255, 255, 0, 0]


def test_cmyk_and_palette_look_as_they_should() -> None:
    red = Image.new("RGB", (16, 16), (200, 10, 20))
    for content in (saved(red.convert("CMYK"), "TIFF"), saved(red.quantize(2), "GIF")):
        assert np.abs(read_image(content)[8, 8].astype(int) - (200, 10, 20)).max() < 12


def test_transparent_pixels_lie_on_black() -> None:
    veiled = np.dstack([np.full((1, 3, 3), 200, np.uint8), np.array([[0, 128, 255]], np.uint8)])
    assert read_image(saved(Image.fromarray(veiled), "PNG"))[0, :, 0].tolist() == [0, 100, 200]


def test_a_transparent_palette_entry_is_black() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 250, 250, 250])
    image.putpixel((0, 0), 1)
    assert read_image(saved(image, "PNG", transparency=1)).tolist() == [[[0, 0, 0], [0, 0, 0]]]


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_image(content)[4, 4].tolist() == [255, 0, 0]


def test_exif_orientation_turns_the_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees to the right
    pixels = read_image(saved(RAMP, "PNG", exif=exif))
    assert np.array_equal(pixels, np.rot90(ramp(), -1))


JPEG = saved(RAMP.resize((200, 200)), "JPEG")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hello", "not an image of a known format; JPEG, PNG, TIFF, .* are read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image of a known format"),
        (JPEG[: len(JPEG) // 2], "the file ends early; copy, or send, the whole of it"),
        (saved(RAMP, "PNG")[:-40], "the file ends early"),
        (saved(RAMP, "JPEG2000")[:-60], "cannot be decoded .*; copy the whole of it, or save it"),
        (saved(RAMP, "TIFF")[:60], "cannot be decoded|known format"),
        (saved(Image.new("L", (MAX_ASPECT + 1, 1)), "PNG"), "too narrow"),
    ],
)
def test_a_bad_image_says_why_in_one_line(content: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as caught:
        read_image(content)
    assert "\n" not in str(caught.value)
    assert "object at 0x" not in str(caught.value)


def bomb(side: int) -> bytes:
    """A PNG that claims to be side x side pixels, without any of them."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_001, 12_000, 60_000])
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    for refuse in (read_image, check_image):
        with pytest.raises(ImageError, match="more than the 100 million"):
            refuse(bomb(side))


def test_the_limit_can_be_set_lower() -> None:
    with pytest.raises(ImageError, match=r"24 x 16 pixels, more than the 0\.0001 million"):
        read_image(saved(RAMP, "PNG"), max_pixels=100)


def test_an_unreadable_file_says_what_the_system_says(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read: Is a directory"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="cannot be read: No such file"):
        check_image(tmp_path / "nowhere.png")


def test_nothing_is_printed_about_odd_images(tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / "large.png").write_bytes(bomb(9_900))  # Pillow warns of it
    tiff = bytearray(saved(RAMP, "TIFF", compression="tiff_lzw"))
    tiff[-60:-40] = bytes(20)
    (odd / "broken.tif").write_bytes(tiff)
    tiff = bytearray(saved(RAMP, "TIFF", compression="tiff_adobe_deflate"))
    tiff[40:60] = b"not what was packed."
    (odd / "deflated.tif").write_bytes(tiff)  # libtiff complains of it
    tiff = bytearray(saved(RAMP, "TIFF"))
    samples = tiff.index(struct.pack("<HHLH", 277, 3, 1, 3))
    tiff[samples + 8 : samples + 10] = struct.pack("<H", 5_000)
    (odd / "samples.tif").write_bytes(tiff)  # Pillow logs it
    script = (
        "import sys, pathlib\n"
        "from indexer.images import read_image\n"
        "from indexer.errors import ImageError\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    try: read_image(path)\n"
        "    except ImageError: pass\n"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "default", "-c", script, odd],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ran.stdout, ran.stderr) == ("", "")


@pytest.mark.parametrize("size", [(500, 300), (129, 64), (128, 128), (3, 200), (1, 1)])
def test_a_thumbnail_is_a_small_jpeg_of_the_same_shape(size: tuple[int, int]) -> None:
    pixels = np.asarray(RAMP.resize(size))
    small = Image.open(io.BytesIO(thumbnail(pixels)))
    assert small.format == "JPEG"
    assert max(small.size) <= 128
    factor = -(-max(size) // 128)
    assert small.size == tuple(-(-side // factor) for side in size)


def test_a_small_jpeg_is_its_own_thumbnail_but_no_other_file_is() -> None:
    pixels = np.asarray(RAMP)
    small, png = saved(RAMP, "JPEG"), saved(RAMP, "PNG")
    assert thumbnail(pixels, small) == small
    assert thumbnail(pixels, png) != png
    assert thumbnail(np.asarray(RAMP.resize((200, 200))), JPEG) != JPEG
