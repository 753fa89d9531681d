"""Decoding of any accepted picture as a viewer shows it, and cropping to the network's 96×96 input.

The encoder, the retrieval measures, `--images` folders and the HTTP API all use these functions, so one picture has
one array everywhere. A picture is rotated by its EXIF orientation, 16-bit grey is scaled to 8 bits, transparent
pixels are blended with white, and palettes, CMYK and grey become RGB.
"""

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from graph.errors import InvalidInput
from training.pixel_budget import PixelBudget

SIDE = 96  # pixels; section 4.1
FORMATS = ("JPEG", "PNG", "WEBP")  # PIL's other readers are less tested, and some start programs
ACCEPTED = "JPEG, PNG or WebP"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")  # of these formats, for files in a folder
LARGEST = 64 * 10**6  # pixels; a few bytes of PNG can decode to terabytes
_IN_FLIGHT = PixelBudget(LARGEST)  # one budget for all requests and threads of this process
_STRIP = 256  # rows that are blended with white at a time
# Damaged files make PIL's parsers raise these; struct.error and IndexError are among them
_DAMAGE = (OSError, ValueError, SyntaxError, ArithmeticError, LookupError, Image.DecompressionBombError)
_GROUND = (255, 255, 255)
_GREY_STEPS = {"L;2": 255 // 3, "L;4": 255 // 15}  # of one grey level, by PIL's name of a PNG's layout
_ENOUGH = 2 * SIDE  # a JPEG is decoded at a reduced size whose smaller side is at least this


def read_picture(name: str, data: bytes, smallest_side: int = 0, *, upright: bool = True) -> Image.Image:
    """Decode a picture to 8-bit RGB; arguments and errors are those of `decoded`."""
    with decoded(name, data, smallest_side, upright=upright) as picture:
        return picture


@contextmanager
def decoded(name: str, data: bytes, smallest_side: int = 0, *, upright: bool = True) -> Iterator[Image.Image]:
    """Yield a picture as 8-bit RGB; its pixels count in the process's budget until the block ends.

    Args:
        name: of the file or form part, for messages.
        data: the file's bytes.
        smallest_side: a JPEG may be decoded at half, a quarter or an eighth of its size, if its smaller side keeps this
            many pixels; 0: full size.
        upright: whether the picture is rotated by its EXIF orientation.

    Raises:
        InvalidInput: the picture is damaged, not in one of `FORMATS`, or has more than `LARGEST` pixels.
    """
    with _opened(name, data) as image:
        if smallest_side:
            ratio = min(1.0, smallest_side / min(image.size))
            image.draft(None, (int(image.width * ratio), int(image.height * ratio)))
        with _IN_FLIGHT.decoding(image.width * image.height):  # of the reduced size, if there is one
            yield _rgb(name, image, upright)


def _opened(name: str, data: bytes) -> Image.Image:
    """Read a picture's header; nothing is decoded yet."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise InvalidInput(f"{name} is not a readable picture. Accepted formats: {ACCEPTED}.") from None
    except Image.DecompressionBombError:  # PIL's own limit, which is higher
        raise _too_large(name) from None
    except _DAMAGE as error:
        raise _unreadable(name, error) from None
    if image.width * image.height > LARGEST:
        raise _too_large(name)
    _scale_transparent_grey(image)
    return image


def _too_large(name: str) -> InvalidInput:
    return InvalidInput(f"{name} has more than {LARGEST // 10**6} million pixels. Send a smaller picture.")


def picture_to_patch(name: str, data: bytes) -> NDArray[np.uint8]:
    """Decode a picture, cut its central square and resize it: (96, 96, 3). Raises `InvalidInput`."""
    patch = _patch(name, data)
    _IN_FLIGHT.give_memory_back()  # here, where the picture itself is freed
    return patch


def _patch(name: str, data: bytes) -> NDArray[np.uint8]:
    with decoded(name, data, smallest_side=_ENOUGH) as picture:
        return square(picture)


def pictures_to_patches(
    pictures: Sequence[tuple[str, bytes]], threads: ThreadPoolExecutor | None = None
) -> NDArray[np.uint8]:
    """Turn N (name, bytes) into (N, 96, 96, 3), in `threads` if given, because PIL decodes without Python's lock."""
    if not pictures:
        return np.empty((0, SIDE, SIDE, 3), np.uint8)
    names, data = zip(*pictures, strict=True)
    mapped = threads.map(picture_to_patch, names, data, chunksize=16) if threads else map(picture_to_patch, names, data)
    return np.stack(list(mapped))


def square(picture: Image.Image, side: int = SIDE) -> NDArray[np.uint8]:
    """Cut the central square of an RGB picture and resize it bilinearly: (side, side, 3)."""
    cut = min(picture.size)
    left, top = (picture.width - cut) / 2, (picture.height - cut) / 2
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR, (left, top, left + cut, top + cut)))


def _rgb(name: str, image: Image.Image, upright: bool) -> Image.Image:
    try:
        if upright:
            ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image)
    except _DAMAGE as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: Exception) -> InvalidInput:
    return InvalidInput(f"{name} is not a readable picture ({error}). Accepted formats: {ACCEPTED}.")


def _scale_transparent_grey(image: ImageFile.ImageFile) -> None:
    """Scale the transparent value of a PNG with 2 or 4 bits of grey; PIL scales only its pixels to 8 bits."""
    layout = image.tile[0].args if image.tile else None
    if layout in _GREY_STEPS and "transparency" in image.info:
        image.info["transparency"] *= _GREY_STEPS[layout]


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert every mode of `FORMATS` to 8-bit RGB, transparent pixels on white."""
    if image.mode.startswith("I"):  # 16-bit grey; PIL's own conversion clips at 255
        values = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        grey = ((values + 128) // 257).astype(np.uint8)
        if "transparency" in image.info:
            grey[values == image.info["transparency"]] = _GROUND[0]
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        result = Image.new("RGB", image.size)
        for top in range(0, image.height, _STRIP):  # in strips, because the intermediate steps need four copies
            strip = image.crop((0, top, image.width, min(top + _STRIP, image.height)))
            ground = Image.new("RGBA", strip.size, (*_GROUND, 255))
            ground.alpha_composite(strip.convert("RGBA"))
            result.paste(ground.convert("RGB"), (0, top))
        return result
    if image.mode == "RGB":
        image.load()
        return image  # `convert` would copy it
    return image.convert("RGB")
