"""The bytes of somebody's picture come in; uint8 (96, 96, 3) RGB goes out, as the network takes it (section 4.1)."""

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from graph.errors import InvalidInput

SIDE = 96  # pixels
FORMATS = ("JPEG", "PNG", "WEBP")  # some of PIL's other readers start programs or are seldom tried
LARGEST = 64 * 10**6  # pixels of a picture; a few bytes of PNG can unfold to terabytes


def to_patch(name: str, data: bytes) -> NDArray[np.uint8]:
    """Turn a picture upright, cut its central square, scale it to 96×96; raises `InvalidInput` that names it."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > LARGEST:
                raise InvalidInput(f"{name} has more than {LARGEST // 10**6} million pixels. Send a smaller picture.")
            picture = ImageOps.fit(ImageOps.exif_transpose(image).convert("RGB"), (SIDE, SIDE))
            return np.asarray(picture)
    # PIL's decoders raise whatever their format's parser met; struct.error and IndexError come from broken files too
    except (OSError, ValueError, SyntaxError, ArithmeticError, LookupError, Image.DecompressionBombError) as error:
        raise InvalidInput(f"{name} is no picture that can be read ({error}). Send JPEG, PNG or WebP.") from None


def to_patches(pictures: Sequence[tuple[str, bytes]]) -> NDArray[np.uint8]:
    """Turn N named pictures into (N, 96, 96, 3)."""
    return np.stack([to_patch(name, data) for name, data in pictures])
