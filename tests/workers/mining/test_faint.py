"""Tests of the camera's motion where the ground is faint, striped or plain and corner points lie on one object."""

import cv2
import numpy as np
import pytest

from tests.workers.mining.composites import texture
from workers.mining.faint import faint_motion
from workers.mining.motion import camera_motion
from workers.mining.recipe import Mining
from workers.mining.residual import Picture

FAINT = cv2.GaussianBlur(texture(600, 900, 3, fine=12)[..., 0], (0, 0), 14)  # smooth: it has no corners
THING = texture(80, 90, 2, fine=4)[..., 0]
MIDDLE = np.array([75, 50, 1.0])


def small(scene: np.ndarray, place: tuple[float, float]) -> np.ndarray:
    return cv2.getRectSubPix(scene, (150, 100), (place[0] + 400, place[1] + 300))


def points(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    return np.array([[x, y] for x in np.linspace(left, right, 5) for y in np.linspace(top, bottom, 5)], np.float32)


@pytest.mark.parametrize("move", [(2.0, 0.0), (-3.0, 1.5)])
def test_a_pan_over_faint_texture_is_found(move: tuple[float, float]) -> None:
    found = faint_motion(small(FAINT, (0, 0)), small(FAINT, move), points(60, 40, 90, 60))
    assert found is not None
    assert (found @ MIDDLE - MIDDLE)[:2] == pytest.approx([-move[0], -move[1]], abs=0.3)


def test_a_zoom_on_faint_texture_is_found() -> None:
    zoom = cv2.getRotationMatrix2D((75, 50), 0, 1.04)
    before = small(FAINT, (0, 0))
    found = faint_motion(
        before, cv2.warpAffine(before, zoom, (150, 100), borderMode=cv2.BORDER_REFLECT), np.empty((0, 2))
    )
    assert found is not None
    assert found[[0, 1], [0, 1]] == pytest.approx([1.04, 1.04], abs=0.01)


def test_plain_ground_tells_nothing() -> None:
    plain = np.full((100, 150), 90, np.uint8)
    assert faint_motion(plain, plain, points(60, 40, 90, 60)) is None
    noisy = np.clip(plain + np.random.default_rng(0).normal(0, 2, plain.shape), 0, 255).astype(np.uint8)
    assert faint_motion(plain, noisy, points(60, 40, 90, 60)) is None


def test_of_another_picture_no_motion_is_accepted() -> None:
    other = cv2.GaussianBlur(texture(600, 900, 9, fine=12)[..., 0], (0, 0), 14)
    assert faint_motion(small(FAINT, (0, 0)), small(other, (0, 0)), np.empty((0, 2))) is None


def test_a_mover_on_striped_ground_under_a_pan_stands_out() -> None:
    across = np.mgrid[:200, :300][1]
    lumas = []
    for k in range(2):  # stripes 24 pixels apart; the camera goes 7 pixels, the thing 10 pixels down
        luma = (110 + 30 * np.sin((across + 7 * k) * 2 * np.pi / 24)).astype(np.uint8)
        luma[60 + 10 * k : 140 + 10 * k, 100:190] = THING
        lumas.append(luma)
    camera, moved = camera_motion(Picture.of(lumas[0]), Picture.of(lumas[1]), Mining())
    assert (camera.main @ [150, 100, 1])[0] - 150 == pytest.approx(-7, abs=0.5)
    assert moved[35:65, 55:90].mean() > 5 * moved[:25, :40].mean()


def test_an_object_whose_corner_points_cover_a_part_of_it_is_no_ground() -> None:
    smooth = cv2.GaussianBlur(THING, (0, 0), 3)[:50, :50]
    pictures = []
    for k in range(2):
        picture = np.full((100, 150), 90, np.uint8)
        picture[20 + 3 * k : 70 + 3 * k, 40:90] = smooth
        pictures.append(picture)
    assert faint_motion(*pictures, points(75, 55, 85, 65)) is None
