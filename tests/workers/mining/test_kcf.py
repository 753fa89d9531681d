"""Tests of the batched filter: against a naive one, against itself one track at a time, and on known motion."""

import numpy as np
import pytest
from scipy import ndimage

from tests.workers.mining.composites import paste, texture
from workers.mining.kcf import BatchedKCF, Filter
from workers.mining.opencv_kcf import OpenCVKCF


def sequence(seed: int, move: tuple[float, float], count: int = 12) -> tuple[list[np.ndarray], np.ndarray]:
    scene, thing = texture(200, 300, seed), texture(56, 56, seed + 1)
    start = np.array([140.0, 100.0])
    way = start + np.arange(count)[:, None] * np.array(move)
    return [paste(scene, thing, tuple(place))[..., 1].copy() for place in way], way


def test_known_motion_to_a_fraction_of_a_pixel() -> None:
    for seed, move in [(0, (1.5, -0.5)), (5, (-3.0, 2.0)), (9, (0.25, 0.25))]:
        lumas, way = sequence(seed, move)
        tracker = BatchedKCF([lumas[0]], way[:1], np.array([[56.0, 56.0]]))
        for luma, place in zip(lumas[1:], way[1:], strict=True):
            peak = tracker.update([luma])
            assert np.abs(tracker.centres[0] - place).max() < 1.0
        assert 0.3 < peak[0] <= 1.01


def test_a_batch_is_the_same_as_one_by_one() -> None:
    numbers = Filter()
    made = [sequence(seed, (1.0 + seed / 3, -1.0)) for seed in range(3)]
    sizes = np.array([[56.0, 56.0], [40.0, 60.0], [70.0, 50.0]])
    together = BatchedKCF([m[0][0] for m in made], np.stack([m[1][0] for m in made]), sizes, numbers)
    alone = [BatchedKCF([m[0][0]], m[1][:1], sizes[b : b + 1], numbers) for b, m in enumerate(made)]
    for k in range(1, 12):
        together.update([m[0][k] for m in made])
        for tracker, m in zip(alone, made, strict=True):
            tracker.update([m[0][k]])
    assert together.centres == pytest.approx(np.concatenate([t.centres for t in alone]), abs=1e-3)
    assert together.sizes == pytest.approx(np.concatenate([t.sizes for t in alone]))


def test_the_kernel_is_the_gaussian_of_every_shift() -> None:
    """Return the kernel of Henriques et al. (2015), equation 30, by a loop over all cyclic shifts."""
    numbers = Filter(grid=8)
    lumas, way = sequence(3, (1.0, 0.0), 2)
    tracker = BatchedKCF([lumas[0]], way[:1], np.array([[56.0, 56.0]]), numbers)
    spectra, energy = tracker._look([lumas[1]])
    model = np.fft.irfft2(tracker._model, s=(8, 8))[0]
    looks = np.fft.irfft2(spectra, s=(8, 8))[0]
    expected = np.zeros((8, 8))
    for row in range(8):
        for column in range(8):
            shifted = np.roll(model, (row, column), axis=(1, 2))
            distance = ((looks - shifted) ** 2).sum()
            expected[row, column] = np.exp(-distance / (numbers.sigma**2 * looks.size))
    found = np.fft.irfft2(tracker._kernel(spectra, energy, tracker._model, tracker._energy), s=(8, 8))[0]
    assert found == pytest.approx(expected, abs=1e-4)


def test_the_size_grows_with_the_object() -> None:
    scene, thing = texture(200, 300, 30), texture(56, 56, 31)
    lumas = []
    for k in range(31):
        larger = ndimage.zoom(thing, (1 + 0.015 * k, 1 + 0.015 * k, 1), order=1)
        lumas.append(paste(scene, larger, (150, 100))[..., 1].copy())
    tracker = BatchedKCF([lumas[0]], np.array([[150.0, 100.0]]), np.array([[56.0, 56.0]]))
    for luma in lumas[1:]:
        tracker.update([luma])
    assert tracker.sizes[0] == pytest.approx([56 * 1.45] * 2, rel=0.12)


def test_the_border_is_survived() -> None:
    lumas, way = sequence(2, (-14.0, 0.0), 12)
    tracker = BatchedKCF([lumas[0]], way[:1], np.array([[56.0, 56.0]]))
    for luma in lumas[1:]:
        assert np.isfinite(tracker.update([luma])).all()
    assert np.isfinite(tracker.centres).all()


def test_opencvs_stays_selectable_and_agrees_where_it_is_easy() -> None:
    lumas, way = sequence(4, (2.0, 1.0))
    pictures = [np.repeat(luma[..., None], 3, axis=2) for luma in lumas]
    ours = BatchedKCF([lumas[0]], way[:1], np.array([[56.0, 56.0]]))
    theirs = OpenCVKCF([pictures[0]], way[:1], np.array([[56.0, 56.0]]))
    for luma, picture in zip(lumas[1:], pictures[1:], strict=True):
        ours.update([luma])
        assert theirs.update([picture])[0] == 1
    assert np.abs(ours.centres - theirs.centres).max() < 3
