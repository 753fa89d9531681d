"""Conversion of decoded pictures for display: orientation, pixel aspect ratio, and tone mapping of HDR."""

import math
import re
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from workers.mining.tone import TRANSFERS, Transfer, luma_table, tone_mapped

Luma = NDArray[np.uint8]
Codes = NDArray[Any]  # uint8, or uint16 above 8 bits

_PLANAR_LUMA = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "nv21", "gray"}
_SQUARE = 0.03  # maximum deviation of a square pixel's aspect ratio from 1; encoders round sizes by this much
_FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG
_SEMI_PLANAR = re.compile("p[024]1[026]le")  # formats that store a code in the upper bits of 16


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight orientations of a stored picture: its axes are swapped first, the result is mirrored then."""

    swapped: bool = False
    mirror_x: bool = False  # swaps left and right
    mirror_y: bool = False  # swaps top and bottom

    def applied(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the upright picture of a stored one, (height, width) or (height, width, 3)."""
        turned = pixels.swapaxes(0, 1) if self.swapped else pixels
        return turned[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1]

    def __bool__(self) -> bool:
        return self.swapped or self.mirror_x or self.mirror_y


def orientation_of(matrix: tuple[int, ...]) -> Orientation:
    """Read the orientation from a display matrix of nine integers; a matrix of zeros changes nothing, as in ffplay.

    The first two rows are the images of a step to the right and a step down in the stored picture. An angle is rounded
    to the nearest multiple of 90 degrees.
    """
    across_x, across_y, _, down_x, down_y = matrix[:5]
    straight, crossed = abs(across_x) + abs(down_y), abs(across_y) + abs(down_x)
    if crossed > straight:
        return Orientation(True, down_x < 0, across_y < 0)
    return Orientation(False, across_x < 0, down_y < 0)


@dataclass(frozen=True, slots=True)
class View:
    """The conversion of one shot's pictures for display. Sizes are in the video's own pixels."""

    stored: tuple[int, int]  # width and height as decoded
    orientation: Orientation
    pixel_aspect: float  # width / height of a pixel of the upright picture
    transfer: Transfer  # HDR's transfer curve; empty for SDR

    @property
    def width(self) -> int:
        """Width of the upright picture."""
        return self.stored[1] if self.orientation.swapped else self.stored[0]

    @property
    def height(self) -> int:
        """Height of the upright picture."""
        return self.stored[0] if self.orientation.swapped else self.stored[1]

    @property
    def shown_width(self) -> float:
        """Width of the upright picture after scaling to square pixels; the height is unchanged."""
        return self.width * self.pixel_aspect

    def conversions(self) -> tuple[str, ...]:
        """Name the conversions that are applied."""
        names = {
            "turned or mirrored": bool(self.orientation),
            "scaled to square pixels": self.pixel_aspect != 1,
            f"tone-mapped from {self.transfer.upper()} to SDR": bool(self.transfer),
        }
        return tuple(name for name, done in names.items() if done)

    def scales(self, scale: float, area: float) -> tuple[float, float]:
        """Return the horizontal and vertical scale from the upright picture to its luma.

        The vertical scale is `scale`. If `scale` is 0, the luma has half the width and height of a working frame of
        `area` pixels.
        """
        down = scale or 0.5 * math.sqrt(area / (self.shown_width * self.height))
        return down * self.pixel_aspect, down

    def luma(self, picture: VideoFrame, scales: tuple[float, float]) -> Luma:
        """Return the upright luma of a picture, scaled by `scales` (horizontal, vertical)."""
        across, down = scales[::-1] if self.orientation.swapped else scales
        size = max(1, round(picture.width * across)), max(1, round(picture.height * down))
        luma = _half_luma(picture, size, self.transfer)
        return np.ascontiguousarray(self.orientation.applied(luma))

    def colour(self, picture: VideoFrame, converter: VideoReformatter) -> NDArray[np.uint8]:
        """Convert a whole picture to upright (height, width, 3) RGB in the video's own pixels."""
        if self.transfer:
            signal = converter.reformat(picture, format="rgb48le", threads=1).to_ndarray()
            return self.orientation.applied(tone_mapped(np.asarray(signal, np.uint16), self.transfer))
        if picture.format.name == "nv12":  # from NVDEC; converted as the yuv420p of other decoders, for equal pixels
            picture = converter.reformat(picture, format="yuv420p", threads=1)
        rgb = converter.reformat(picture, format="rgb24", threads=1).to_ndarray()
        return self.orientation.applied(np.asarray(rgb, np.uint8))


def view_of(picture: VideoFrame, sample_aspect: Fraction | None) -> View:
    """Return the view of `picture`; `sample_aspect` is width / height of a stored pixel."""
    try:
        matrix = picture.side_data[Type.DISPLAYMATRIX]  # type: ignore[typeddict-item]  # unknown to PyAV's stub
        orientation = orientation_of(struct.unpack("=9i", bytes(matrix)[:36]))
    except (KeyError, struct.error):
        orientation = Orientation()
    aspect = float(sample_aspect) if sample_aspect and sample_aspect > 0 else 1.0
    aspect = 1.0 if abs(aspect - 1) < _SQUARE else aspect
    return View(
        (picture.width, picture.height),
        orientation,
        1 / aspect if orientation.swapped else aspect,
        TRANSFERS.get(int(picture.color_trc), ""),
    )


def resize(pixels: NDArray[np.uint8], width: int, height: int, how: int) -> NDArray[np.uint8]:
    """Scale a grey or colour picture of uint8 by the OpenCV interpolation `how`."""
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=how), np.uint8)


def _half_luma(picture: VideoFrame, size: tuple[int, int], transfer: Transfer) -> Luma:
    if transfer:
        return _tone_mapped_luma(picture, size, transfer)
    if picture.format.name in _PLANAR_LUMA:
        luma = _plane(picture, np.uint8)
    else:
        luma = np.asarray(picture.to_ndarray(format="gray"), np.uint8)
    return np.asarray(_scaled(luma, size), np.uint8)


def _tone_mapped_luma(picture: VideoFrame, size: tuple[int, int], transfer: Transfer) -> Luma:
    """Scale the codes of HDR luma, then map them to 8-bit SDR luma by a table."""
    part = picture.format.components[0]
    shift = 16 - part.bits if _SEMI_PLANAR.fullmatch(picture.format.name) else 0
    readable = picture.format.is_planar or shift
    if picture.format.is_rgb or picture.format.is_big_endian or not readable:
        picture = picture.reformat(format="yuv420p10le", threads=1)
        part = picture.format.components[0]
    luma = _plane(picture, np.uint16 if part.bits > 8 else np.uint8)
    table = luma_table(transfer, part.bits, int(picture.color_range) == _FULL_RANGE)
    codes = np.minimum(_scaled(luma, size) >> shift, len(table) - 1)
    return np.asarray(table[codes], np.uint8)


def _plane(picture: VideoFrame, kind: type[np.uint8] | type[np.uint16]) -> Codes:
    plane = picture.planes[0]
    rows = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // np.dtype(kind).itemsize)
    return rows[: picture.height, : picture.width]


def _scaled(luma: Codes, size: tuple[int, int]) -> Codes:
    """Scale a luma to `size` (width, height) without aliasing.

    It is halved by area averaging until it is less than 2.3 times as wide as `size`, then scaled linearly.
    """
    while luma.shape[1] >= 2.3 * size[0] and luma.shape[0] > 2 * size[1]:
        even = luma[: luma.shape[0] // 2 * 2, : luma.shape[1] // 2 * 2]
        half = (even.shape[1] // 2, even.shape[0] // 2)
        luma = cv2.resize(even, half, interpolation=cv2.INTER_AREA)
    return cv2.resize(luma, size, interpolation=cv2.INTER_LINEAR)
