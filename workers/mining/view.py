"""Turning a decoded picture into what a viewer sees: display matrix, shape of pixels, and HDR's transfer curve."""

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
_SQUARE = 0.03  # pixels whose sides differ by less are taken for square; encoders round sizes by as much
_FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG
_SEMI_PLANAR = re.compile("p[024]1[026]le")  # 16 bits a code, which lies in the upper ones


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways to lay a stored picture down: first swap its axes, then mirror what that gives."""

    swapped: bool = False
    mirror_x: bool = False  # left and right change places
    mirror_y: bool = False

    def applied(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Lay down (height, width) or (height, width, 3)."""
        turned = pixels.swapaxes(0, 1) if self.swapped else pixels
        return turned[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1]

    def __bool__(self) -> bool:
        return self.swapped or self.mirror_x or self.mirror_y


def orientation_of(matrix: tuple[int, ...]) -> Orientation:
    """Read a display matrix of nine integers; as ffplay does, a matrix of zeros changes nothing.

    Its first two rows give where a step across and a step down the stored picture go on the screen. Other angles than
    quarter turns are taken for the nearest.
    """
    across_x, across_y, _, down_x, down_y = matrix[:5]
    straight, crossed = abs(across_x) + abs(down_y), abs(across_y) + abs(down_x)
    if crossed > straight:
        return Orientation(True, down_x < 0, across_y < 0)
    return Orientation(False, across_x < 0, down_y < 0)


@dataclass(frozen=True, slots=True)
class View:
    """How the pictures of one shot are shown. Sizes are in the video's own pixels unless they say otherwise."""

    stored: tuple[int, int]  # width and height as decoded
    orientation: Orientation
    pixel_aspect: float  # width over height of an upright pixel; 1 for square ones
    transfer: Transfer  # of HDR; empty otherwise

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
        """Width on a screen whose pixels are square and as high as the video's."""
        return self.width * self.pixel_aspect

    def conversions(self) -> tuple[str, ...]:
        """Name what is done to show the pictures as players do."""
        names = {
            "turned or mirrored": bool(self.orientation),
            "scaled to square pixels": self.pixel_aspect != 1,
            f"tone-mapped from {self.transfer.upper()} to SDR": bool(self.transfer),
        }
        return tuple(name for name, done in names.items() if done)

    def scales(self, scale: float, area: float) -> tuple[float, float]:
        """Give luma pixels a pixel, across and down: `scale`, or what makes a working frame of `area` half as large."""
        down = scale or 0.5 * math.sqrt(area / (self.shown_width * self.height))
        return down * self.pixel_aspect, down

    def luma(self, picture: VideoFrame, scales: tuple[float, float]) -> Luma:
        """Scale the luma of a picture, upright."""
        across, down = scales[::-1] if self.orientation.swapped else scales
        size = max(1, round(picture.width * across)), max(1, round(picture.height * down))
        luma = _half_luma(picture, size, self.transfer)
        return np.ascontiguousarray(self.orientation.applied(luma))

    def colour(self, picture: VideoFrame, converter: VideoReformatter) -> NDArray[np.uint8]:
        """Convert a whole picture to upright (height, width, 3) RGB in the video's own pixels."""
        if self.transfer:
            signal = converter.reformat(picture, format="rgb48le", threads=1).to_ndarray()
            return self.orientation.applied(tone_mapped(np.asarray(signal, np.uint16), self.transfer))
        if picture.format.name == "nv12":  # NVDEC's; other decoders give yuv420p, and pixels must be the same
            picture = converter.reformat(picture, format="yuv420p", threads=1)
        rgb = converter.reformat(picture, format="rgb24", threads=1).to_ndarray()
        return self.orientation.applied(np.asarray(rgb, np.uint8))


def view_of(picture: VideoFrame, sample_aspect: Fraction | None) -> View:
    """Read how `picture` is shown; `sample_aspect` is the width over the height of a stored pixel."""
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
    """Scale a picture of bytes, grey or colour."""
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
    """Scale the codes of HDR luma, then look up what a screen shows of them."""
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
    """Halve by area, which keeps aliasing out, until the linear step that follows skips no pixel."""
    while luma.shape[1] >= 2.3 * size[0] and luma.shape[0] > 2 * size[1]:
        even = luma[: luma.shape[0] // 2 * 2, : luma.shape[1] // 2 * 2]
        half = (even.shape[1] // 2, even.shape[0] // 2)
        luma = cv2.resize(even, half, interpolation=cv2.INTER_AREA)
    return cv2.resize(luma, size, interpolation=cv2.INTER_LINEAR)
