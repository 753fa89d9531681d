"""A batched tracker with kernelized correlation filters (Henriques et al. 2015; section 4.3).

The kernelized correlation filter uses grey and gradient channels on a small grid, a Gaussian kernel, and real FFTs over
the whole batch. It needs no training data. See docs/decisions/0102-batched-kcf.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from workers.mining.view import Luma

Array = NDArray[np.float64]
Real = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter's parameters, tuned on the tuning part of `python -m tests.benchmarks.mining_tracking`."""

    grid: int = 48  # samples per side of the search window
    padding: float = 1.6  # side of the search window / side of the object; with 2, tracks followed the ground too often
    sigma: float = 0.25  # bandwidth of the kernel
    target: float = 0.06  # standard deviation of the target response / side of the object
    ridge: float = 1e-3  # regularisation
    scales: tuple[float, ...] = (1 / 1.08, 1.08)  # other sizes that are tested ...
    scale_every: int = 5  # ... in every fifth update, for two fifths more time
    scale_penalty: float = 0.98  # factor on the peaks at other sizes
    rate: float = 0.06  # learning rate of the model
    learn_every: int = 1  # updates between two updates of the model


class BatchedKCF:
    """Tracker of B objects, each in its own sequence of lumas."""

    def __init__(self, lumas: Sequence[Luma], centres: Array, sizes: Array, numbers: Filter | None = None) -> None:
        """Start on `lumas[b]` at `centres` (B, 2) with `sizes` (B, 2), both x, y in luma pixels."""
        self._numbers = numbers = numbers or Filter()
        self.sizes = np.array(sizes, np.float64)
        self._updates = 0
        self._pitch = self.sizes * numbers.padding / numbers.grid  # luma pixels per sample
        self.centres = np.array(centres, np.float64)
        grid = numbers.grid
        hann = np.hanning(grid + 2)[1:-1].astype(np.float32)
        self._taper = hann[:, None] * hann[None]
        offset = (np.arange(grid) + grid // 2) % grid - grid // 2
        width = numbers.target * grid / numbers.padding
        wanted = np.exp(-0.5 * (offset[:, None] ** 2 + offset[None] ** 2) / width**2)
        self._wanted = np.asarray(fft.rfft2(wanted.astype(np.float32)), np.complex64)
        self._model, self._energy = self._look(lumas)
        self._weights = self._train(self._model, self._energy)

    def update(self, lumas: Sequence[Luma]) -> Real:
        """Move every track to its next luma; returns the peak responses (B,), 1 for a perfect match."""
        numbers = self._numbers
        shift, peak = self._find(lumas, 1.0)
        grown = np.ones(len(peak))
        self._updates += 1
        for scale in numbers.scales if self._updates % numbers.scale_every == 0 else ():
            other_shift, other_peak = self._find(lumas, scale)
            better = other_peak * np.float32(numbers.scale_penalty) > peak
            shift = np.where(better[:, None], other_shift, shift)
            peak, grown = np.where(better, other_peak, peak), np.where(better, scale, grown)
        self.centres = self.centres + shift
        self.sizes = self.sizes * grown[:, None]
        self._pitch = self._pitch * grown[:, None]
        if self._updates % numbers.learn_every:
            return peak
        looks, energy = self._look(lumas)
        rate = np.float32(numbers.rate)
        self._weights += rate * (self._train(looks, energy) - self._weights)
        self._model += rate * (looks - self._model)
        self._energy += rate * (energy - self._energy)
        return peak

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Go on with some of the tracks only, by their numbers in the batch."""
        self.centres, self.sizes, self._pitch = self.centres[rows], self.sizes[rows], self._pitch[rows]
        self._model, self._energy, self._weights = self._model[rows], self._energy[rows], self._weights[rows]

    def _find(self, lumas: Sequence[Luma], scale: float) -> tuple[Array, Real]:
        """Search windows of `scale` times the size; returns shifts (B, 2) in luma pixels and peaks (B,)."""
        grid = self._numbers.grid
        looks, energy = self._look(lumas, scale)
        kernel = self._kernel(looks, energy, self._model, self._energy)
        shift, peak = _peaks(fft.irfft2(kernel * self._weights, s=(grid, grid)))
        return shift * self._pitch * scale, peak

    def _look(self, lumas: Sequence[Luma], scale: float = 1.0) -> tuple[Spectrum, Real]:
        """Return spectra (B, C, grid, grid/2+1) and energies (B,) of the tapered channels around each centre."""
        grid = self._numbers.grid
        windows = np.empty((len(lumas), grid, grid), np.uint8)
        places = np.zeros((len(lumas), 2, 3))
        places[:, [0, 1], [0, 1]] = pitch = self._pitch * scale
        places[:, :, 2] = self.centres - pitch * ((grid - 1) / 2)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        for luma, place, window in zip(lumas, places, windows, strict=True):
            cv2.warpAffine(luma, place, (grid, grid), dst=window, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        channels = _channels(windows.astype(np.float32))
        channels *= self._taper
        energy = np.einsum("bcij,bcij->b", channels, channels)
        return np.asarray(fft.rfft2(channels, overwrite_x=True), np.complex64), np.asarray(energy, np.float32)

    def _kernel(self, a: Spectrum, a_energy: Real, b: Spectrum, b_energy: Real) -> Spectrum:
        """Return the spectrum (B, grid, grid/2+1) of the correlation with a Gaussian kernel."""
        grid = self._numbers.grid
        cross = fft.irfft2((a * b.conj()).sum(axis=1), s=(grid, grid))
        scale = np.float32(-1 / (self._numbers.sigma**2 * a.shape[1] * grid * grid))
        cross *= -2 * scale
        cross += (scale * (a_energy + b_energy))[:, None, None]  # minus the squared distance, so at most 0
        np.exp(np.minimum(cross, 0, out=cross), out=cross)
        return np.asarray(fft.rfft2(cross, overwrite_x=True), np.complex64)

    def _train(self, looks: Spectrum, energy: Real) -> Spectrum:
        return self._wanted / (self._kernel(looks, energy, looks, energy) + np.float32(self._numbers.ridge))


def _channels(windows: Real) -> Real:
    """Return grey and four one-sided gradient channels, (B, 5, grid, grid), of about unit variance each."""
    grey = windows - windows.mean(axis=(1, 2), keepdims=True)
    grey /= np.sqrt(np.einsum("bij,bij->b", grey, grey) / grey[0].size)[:, None, None] + 4
    out = np.empty((len(windows), 5, *windows.shape[1:]), np.float32)
    out[:, 0] = grey
    out[:, 1:3, :, [0, -1]] = 0
    out[:, 3:, [0, -1]] = 0
    across, down = grey[:, :, 2:] - grey[:, :, :-2], grey[:, 2:] - grey[:, :-2]
    np.maximum(across, 0, out=out[:, 1, :, 1:-1])
    np.maximum(down, 0, out=out[:, 3, 1:-1])
    np.subtract(out[:, 1, :, 1:-1], across, out=out[:, 2, :, 1:-1])
    np.subtract(out[:, 3, 1:-1], down, out=out[:, 4, 1:-1])
    return out


def _peaks(response: Real) -> tuple[Array, Real]:
    """Return the sub-sample position (B, 2) as x, y and the height (B,) of each response map's peak."""
    count, grid, _ = response.shape
    each = np.arange(count)
    row, column = np.divmod(response.reshape(count, -1).argmax(axis=1), grid)
    peak = response[each, row, column]
    along_x = _vertex(response[each, row, column - 1], peak, response[each, row, (column + 1) % grid])
    along_y = _vertex(response[each, row - 1, column], peak, response[each, (row + 1) % grid, column])
    wrap = grid // 2
    shift = np.stack([(column + wrap) % grid - wrap + along_x, (row + wrap) % grid - wrap + along_y], axis=1)
    return shift, peak


def _vertex(left: Real, middle: Real, right: Real) -> Array:
    """Return the vertex of the parabola through three samples, in -0.5..0.5."""
    bend = 2 * middle - left - right
    return np.clip(0.5 * (right - left) / np.where(bend > 1e-9, bend, np.inf), -0.5, 0.5)
