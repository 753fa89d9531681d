"""Tests of overlays: they are distinguished from objects that the camera follows and from the ground."""

import numpy as np
import pytest

from tests.workers.mining.composites import texture
from workers.mining.standing import standing_share

STEPS = 6
PLACES = np.array([[60, 50]], np.float32)


def window(velocity: tuple[float, float], tremble: float = 0.0) -> list[np.ndarray]:
    """Return ground that moves by `velocity` per step behind a textured square that only trembles."""
    ground, thing = texture(200, 300, 1)[..., 0], texture(48, 48, 2, fine=6)[..., 0]
    lumas = []
    for k in range(STEPS + 1):
        x, y = (round(60 - v * k) for v in velocity)
        luma = ground[y : y + 100, x : x + 150].copy()
        off = round(tremble * (-1) ** k)
        luma[26 + off : 74 + off, 36 + off : 84 + off] = thing
        lumas.append(luma)
    return lumas


def ways(velocity: tuple[float, float]) -> np.ndarray:
    return np.array([[PLACES[0] + np.array(velocity) * k] for k in range(STEPS + 1)], np.float64)


@pytest.mark.parametrize("velocity", [(4.0, 0.0), (0.0, 4.0), (-3.0, 3.0)])
def test_an_overlay_stands_and_a_trembling_object_does_not(velocity: tuple[float, float]) -> None:
    assert standing_share(window(velocity), PLACES, ways(velocity))[0] > 0.9
    assert standing_share(window(velocity, tremble=1), PLACES, ways(velocity))[0] < 0.2


def test_the_ground_does_not_stand() -> None:
    ground = np.array([[15, 10], [120, 90]], np.float32)
    way = np.repeat(ways((4.0, 0.0)), 2, axis=1)
    assert standing_share(window((4.0, 0.0)), ground, way).max() < 0.1


def test_a_still_camera_tells_nothing() -> None:
    assert standing_share(window((0.0, 0.0)), PLACES, ways((0.0, 0.0)))[0] == 0


def test_an_edge_along_the_cameras_way_tells_nothing() -> None:
    luma = np.where(np.arange(100)[:, None] < 50, 40, 200).astype(np.uint8).repeat(150, axis=1)
    along, across = ways((4.0, 0.0)), ways((0.0, 4.0))
    assert standing_share([luma] * (STEPS + 1), PLACES, along)[0] == 0
    assert standing_share([luma] * (STEPS + 1), PLACES, across)[0] == pytest.approx(1)


def test_places_at_the_border_are_looked_at_as_far_as_there_is_picture() -> None:
    corner = np.array([[0, 0], [149, 99]], np.float32)
    assert np.isfinite(standing_share(window((4.0, 0.0)), corner, np.repeat(ways((4.0, 0.0)), 2, axis=1))).all()
