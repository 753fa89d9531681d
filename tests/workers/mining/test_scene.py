"""Tests of the camera's motion and of independent motion, on scenes with known motion."""

import cv2
import numpy as np
import pytest

from tests.workers.mining.composites import texture
from workers.mining.motion import camera_motion
from workers.mining.recipe import Mining
from workers.mining.residual import Picture, residual, scaled_down
from workers.mining.scene import watch

SIZE = (300, 200)
GROUND = texture(500, 900, 1, fine=3)[..., 0]
THING = texture(120, 160, 2, fine=4)[..., 0]


def view(camera: tuple[float, float], thing: tuple[int, int, int, int] | None = None) -> np.ndarray:
    """Return the ground seen from `camera`, with a `thing` pasted at left, top, width, height."""
    luma = cv2.getRectSubPix(GROUND, SIZE, (300 + camera[0], 250 + camera[1]))
    if thing is not None:
        left, top, width, height = thing
        luma[top : top + height, left : left + width] = THING[:height, :width]
    return np.ascontiguousarray(luma)


def shift_of(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    camera, _ = camera_motion(Picture.of(before), Picture.of(after), Mining())
    return camera.main @ [150, 100, 1] - [150, 100, 1]


def test_a_standing_camera_stands_behind_a_large_mover() -> None:
    before, after = view((0, 0), (60, 40, 160, 120)), view((0, 0), (72, 44, 160, 120))
    camera, moved = camera_motion(Picture.of(before), Picture.of(after), Mining())
    assert camera.stands
    assert moved[25:75, 35:105].mean() > 5 * moved[:15].mean()


def test_the_background_is_what_reaches_the_border() -> None:
    # The thing has most corners and is static on the screen, like an object that the camera follows.
    before, after = view((0, 0), (70, 40, 160, 120)), view((8, 3), (70, 40, 160, 120))
    assert shift_of(before, after)[:2] == pytest.approx([-8, -3], abs=0.3)


def test_a_thing_on_plain_ground_is_not_the_background() -> None:
    before, after = (np.full((200, 300), 90, np.uint8) for _ in range(2))
    before[60:160, 80:200], after[60:160, 88:208] = THING[:100, :120], THING[:100, :120]
    camera, moved = camera_motion(Picture.of(before), Picture.of(after), Mining())
    assert camera.stands
    assert moved[35:75, 45:95].mean() > 5 * moved[:15].mean()


@pytest.mark.parametrize("move", [(4.0, 0.0), (-11.0, 6.0), (1.0, 1.0)])
def test_a_pan_is_found(move: tuple[float, float]) -> None:
    assert shift_of(view((0, 0)), view(move))[:2] == pytest.approx([-move[0], -move[1]], abs=0.2)


def test_the_residual_is_that_of_a_loop() -> None:
    one, other = Picture.of(view((0, 0))), Picture.of(view((3, 0)))
    found = residual(one, other, [np.eye(3)])
    change = np.abs(one.detail.astype(float) - other.detail)
    change = np.maximum(change - max(1.5, 2.5 * np.median(change[::3, ::3])), 0)
    for row, column in [(20, 30), (50, 75), (71, 101)]:
        near = change[row - 2 : row + 3, column - 2 : column + 3]
        expected = np.sqrt((near**2).mean() / one.slope[row, column])
        assert found[row, column] == pytest.approx(expected, rel=0.02, abs=1e-3)


def test_nothing_is_left_of_a_background_that_is_aligned() -> None:
    one, other = Picture.of(view((0, 0))), Picture.of(view((6, 2)))
    pan = np.array([[1, 0, -6], [0, 1, -2], [0, 0, 1.0]])
    assert residual(one, other, [scaled_down(pan)]).mean() < 0.05
    assert residual(one, other, [np.eye(3)]).mean() > 0.15
    both = residual(one, other, [np.eye(3), scaled_down(pan)])
    assert (both <= residual(one, other, [scaled_down(pan)])).all()


def test_light_is_no_motion() -> None:
    dark = np.uint8(view((0, 0)) * 0.7)
    assert residual(Picture.of(view((0, 0))), Picture.of(dark), [np.eye(3)]).mean() < 0.05


def test_only_the_mover_moves_and_not_what_it_uncovers() -> None:
    lumas = [view((0.4 * k, 0), (40 + 3 * k, 60, 40, 40)) for k in range(31)]
    scene = watch(lumas, Mining())
    assert len(scene.moving) == 7
    for k in range(1, 6):
        moving, left = scene.moving[k], (40 + 15 * k) // 2
        inside = moving[30:50, left : left + 20].mean()
        before, behind = moving[30:50, left + 24 : left + 32].mean(), moving[30:50, left - 12 : left - 4].mean()
        assert inside > 0.5
        assert max(before, behind) < 0.2


def test_the_background_is_followed_through_the_window() -> None:
    scene = watch([view((0.8 * k, 0.4 * k)) for k in range(31)], Mining())
    way = scene.background(0, 6, np.array([150.0, 100.0]))
    assert way[-1] == pytest.approx([150 - 24, 100 - 12], abs=0.8)
