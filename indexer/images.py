"""Images: from the bytes of a file to pixels, and to the thumbnail that people see.

One rule for every image, for indexing and for queries alike: the first frame, turned as its EXIF
orientation says, three channels of 8 bits. Transparent pixels lie on black; grey is repeated;
16-bit values lose their lower byte; float values are taken as shares from 0 to 1.
"""

from __future__ import annotations

import ctypes
import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, _imaging

from indexer.errors import ImageError

MAX_PIXELS = 100_000_000
"""Larger images are not decoded: 100 megapixels take 0.7 GB for a moment."""
MAX_BYTES = 1 << 30
MAX_ASPECT = 100
"""Narrower strips show nothing, and would grow huge when a model wants their short side larger."""
THUMBNAIL_PIXELS = 128
THUMBNAIL_BYTES = 16 << 10
"""A JPEG within both bounds is its own thumbnail."""
_QUALITY = 80
_FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "JPEG2000", "BMP", "GIF", "AVIF", "PPM")
"""Never a format that would run another program, such as EPS."""
_READ = "JPEG, PNG, TIFF, WebP, JPEG 2000, BMP, GIF, AVIF and PPM are read"
_JPEG = b"\xff\xd8\xff"
_ORIENTATION = 0x0112

# What an image's outcome says, nothing need say again on the terminal: no warning, no log record
# where nobody set up logging, and not libtiff, which comes with Pillow and writes errors to stderr.
# Its handler of them is one for the process: taking it away here, once, is safe whichever threads
# decode, and Pillow still raises.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("ignore", module=re.escape(__name__))
logging.getLogger("PIL").addHandler(logging.NullHandler())
with suppress(AttributeError, OSError):  # a Pillow that has libtiff within, out of reach
    ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


def read_file(path: Path) -> bytes:
    """The content of an image file; OSError when it cannot be read, ImageError when too large."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ImageError(f"{size} bytes, more than the {MAX_BYTES} allowed; cut it into images")
    return path.read_bytes()


def read_image(source: Path | bytes, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """The pixels [h, w, 3], RGB, of an image file or its content; ImageError says what is wrong."""
    with _opened(source, max_pixels) as image:
        if image.getexif().get(_ORIENTATION, 1) != 1:
            ImageOps.exif_transpose(image, in_place=True)
        return _rgb(image)


def check_image(source: Path | bytes, max_pixels: int = MAX_PIXELS) -> None:
    """Raise ImageError when the header alone shows that the image cannot be used."""
    with _opened(source, max_pixels):
        pass


def thumbnail(pixels: NDArray[np.uint8], content: bytes = b"") -> bytes:
    """A JPEG of pixels [h, w, 3], longest side at most 128; `content` is the file they are from.

    Reduced by a whole factor, which costs a tenth of a resampling.
    """
    longest = max(pixels.shape[:2])
    small_file = len(content) <= THUMBNAIL_BYTES and content.startswith(_JPEG)
    if small_file and longest <= THUMBNAIL_PIXELS:
        return content
    image = Image.fromarray(pixels)
    if longest > THUMBNAIL_PIXELS:
        image = image.reduce(-(-longest // THUMBNAIL_PIXELS))
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=_QUALITY)
    return packed.getvalue()


@contextmanager
def _opened(source: Path | bytes, max_pixels: int) -> Iterator[Image.Image]:
    """The image before it is decoded; errors of the library, here and in the block, translated."""
    try:
        if not (len(source) if isinstance(source, bytes) else source.stat().st_size):
            raise ImageError("the file is empty")
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file, formats=_FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise _too_large(f"{width} x {height}", max_pixels)
            if max(width, height) > MAX_ASPECT * min(width, height):
                raise ImageError(f"{width} x {height} pixels are too narrow a strip to encode")
            yield image
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"not an image of a known format; {_READ}") from error
    except Image.DecompressionBombError as error:
        raise _too_large("very many", max_pixels) from error
    except Exception as error:  # decoders raise anything: struct.error, SyntaxError, KeyError, ...
        if isinstance(error, OSError) and error.strerror:
            raise ImageError(f"cannot be read: {error.strerror}") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        if "truncated" in reason.lower():
            raise ImageError("the file ends early; copy, or send, the whole of it") from error
        raise ImageError(
            f"cannot be decoded ({reason[:200]}); copy the whole of it, or save it anew"
        ) from error


def _too_large(size: str, max_pixels: int) -> ImageError:
    return ImageError(
        f"{size} pixels, more than the {max_pixels / 1e6:g} million allowed; "
        "cut it into smaller images"
    )


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    mode = image.mode
    if mode.startswith("I"):
        return _grey(np.clip(np.asarray(image).astype(np.int64), 0, 0xFFFF) >> 8)
    if mode == "F":
        shares = np.nan_to_num(np.asarray(image), nan=0.0, posinf=1.0, neginf=0.0)
        return _grey(np.rint(np.clip(shares, 0, 1) * 255))
    if mode in {"RGBA", "RGBa", "LA", "La", "PA"} or "transparency" in image.info:
        visible = image.convert("RGBA")
        canvas = Image.new("RGBA", visible.size, (0, 0, 0, 255))
        canvas.alpha_composite(visible)
        image = canvas
    return np.asarray(image.convert("RGB"))


def _grey(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.repeat(values.astype(np.uint8)[:, :, None], 3, axis=2)
