"""Tone mapping of HDR video (PQ and HLG) to 8-bit SDR, for motion and patches alike.

The unit of light is reference white, 203 nits (ITU-R BT.2408), which is mapped to the screen's white. Brighter light,
up to 1,000 nits, is compressed by a roll-off. It depends on a pixel's brightest channel, which preserves hues.
Curves: ITU-R BT.2100.
"""

from functools import cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Transfer = Literal["", "pq", "hlg"]
Floats = NDArray[np.float32]

TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}  # FFmpeg's AVColorTransferCharacteristic

_WHITE = 203.0  # nits
_PEAK = 1000.0  # nits
_KNEE = 0.75  # of reference white; darker light is kept as it is
_SCREEN_GAMMA = 2.4  # ITU-R BT.1886
_SYSTEM_GAMMA = 1.2  # of HLG on a screen of 1,000 nits
_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)  # of BT.2020
# Linear BT.2020 to linear BT.709 (ITU-R BT.2087)
_TO_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32)
_ROWS = 64  # rows of a picture worked on together, which stay in the processor's cache
_FINE = 4096  # steps of the table that encodes light for the screen


def tone_mapped(signal: NDArray[np.uint16], transfer: Transfer) -> NDArray[np.uint8]:
    """Map (height, width, 3) RGB of BT.2020 in 16 bits to (height, width, 3) RGB of BT.709 in 8 bits."""
    out = np.empty(signal.shape, np.uint8)
    for top in range(0, len(signal), _ROWS):
        light = _light(signal[top : top + _ROWS], transfer)
        _roll_off(light)
        out[top : top + _ROWS] = _encoded(light)
    return out


@cache
def luma_table(transfer: Transfer, bits: int, full_range: bool) -> NDArray[np.uint8]:
    """Tabulate the 8-bit studio-range luma, (2**bits,) uint8, of each luma code of a grey HDR picture."""
    codes = np.arange(1 << bits, dtype=np.float64)
    scale = 1 << (bits - 8)
    signal = codes / codes[-1] if full_range else (codes - 16 * scale) / (219 * scale)
    grey = np.round(np.clip(signal, 0, 1) * 65535).astype(np.uint16)
    shown = tone_mapped(np.repeat(grey[:, None, None], 3, axis=2), transfer)[:, 0, 1]
    return np.round(16 + shown.astype(np.float64) * (219 / 255)).astype(np.uint8)


def _light(signal: NDArray[np.uint16], transfer: Transfer) -> Floats:
    """Turn a signal into linear light of BT.709 primaries, in reference whites."""
    linear = _linear_table(transfer)[signal]
    if transfer == "hlg":  # the screen's part: brighter scenes gain contrast
        luma = cv2.transform(linear, _LUMA[None])
        linear *= np.power(np.maximum(luma, 1e-6), _SYSTEM_GAMMA - 1).reshape(*linear.shape[:2], 1)
    return np.asarray(cv2.transform(linear, _TO_709 * np.float32(_unit(transfer) / _WHITE)), np.float32)


def _unit(transfer: Transfer) -> float:
    """Nits of linear light 1."""
    return 10_000.0 if transfer == "pq" else _PEAK


@cache
def _linear_table(transfer: Transfer) -> Floats:
    """Tabulate the linear light, 0..1, of each 16-bit code."""
    signal = np.arange(65536) / 65535
    if transfer == "pq":
        root = np.power(signal, 32 / 2523)
        light = np.power(np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root), 16384 / 2610)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(signal <= 0.5, np.square(signal) / 3, (np.exp((signal - c) / a) + b) / 12)
    return light.astype(np.float32)


def _roll_off(light: Floats) -> None:
    """Bring bright light down in place: kept below the knee, and above it so that the peak becomes 1.

    The curve is the extended Reinhard operator, which leaves the knee with slope 1.
    """
    brightest = cv2.max(cv2.max(light[..., 0], light[..., 1]), light[..., 2])
    if brightest.max() <= _KNEE:
        return
    most = (_PEAK / _WHITE - _KNEE) / (1 - _KNEE)
    over = np.maximum(brightest - _KNEE, 0) * np.float32(1 / (1 - _KNEE))
    rolled = _KNEE + (1 - _KNEE) * over * (1 + over / most**2) / (1 + over)
    light *= np.where(brightest > _KNEE, rolled / np.maximum(brightest, _KNEE), np.float32(1))[..., None]


def _encoded(light: Floats) -> NDArray[np.uint8]:
    # The table is fine where the curve is steep: its steps are even in the root of light.
    place = np.sqrt(np.clip(light, 0, 1, out=light), out=light)
    place *= _FINE - 1
    place += 0.5
    return _screen_table()[place.astype(np.uint16)]


@cache
def _screen_table() -> NDArray[np.uint8]:
    root = np.arange(_FINE) / (_FINE - 1)
    return np.round(255 * np.power(np.square(root), 1 / _SCREEN_GAMMA)).astype(np.uint8)
