"""Measurement of how many mined tracks stay on their object and do not latch onto the background.

    python -m tests.benchmarks.mining_follow ../shared/data/videos [--clips 40] [--part choose|report]

Parameters are tuned on one random half of the clips and reported on the other.

The reference shares only the frames with mining. It uses dense DIS flow at the full working size, chained from the
core's centre, for the object, and a homography of the pixels outside the crop for the background. Only tracks whose
object and background separate by 8 pixels count. For comparison, the same filter follows the boxes at 227 pixels.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from graph.errors import BadVideo
from graph.settings import LEAST_CONFIDENCE
from workers.mining.decode import Clip
from workers.mining.kcf import BatchedKCF
from workers.mining.recipe import Limits, Mining
from workers.mining.tracks import Track
from workers.mining.video import mine
from workers.mining.windows import Seen

PARTED, STEP = 8.0, 2  # working pixels; frames between two flows


def judge(lumas: list[np.ndarray], centre: np.ndarray, core: float, crop: tuple[float, float, float]) -> np.ndarray:
    """Return the displacements (2, 2) of object and background from `centre`, in pixels of `lumas`."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    spread = np.linspace(-0.3, 0.3, 7) * core
    points = centre + np.stack(np.meshgrid(spread, spread), axis=-1).reshape(-1, 2)
    start, background = points.copy(), centre.copy()
    height, width = lumas[0].shape
    grid = np.stack(np.meshgrid(np.arange(8, width - 8, 16), np.arange(8, height - 8, 16)), axis=-1).reshape(-1, 2)
    left, top, side = crop
    for before, after in zip(lumas[:-STEP:STEP], lumas[STEP::STEP], strict=False):
        moved = flow.calc(before, after, None)
        shift = np.median(points - start, axis=0)
        outside = (np.abs(grid - [left + side / 2, top + side / 2] - shift) > side / 2).any(axis=1)
        places = grid[outside].astype(np.float32)
        fitted, _ = cv2.findHomography(places, places + moved[places[:, 1].astype(int), places[:, 0].astype(int)], 8, 1)
        background = cv2.perspectiveTransform(background[None, None], fitted)[0, 0]
        at = np.clip(points.round().astype(int), 0, [width - 1, height - 1])
        points = points + moved[at[:, 1], at[:, 0]]
    return np.stack([np.median(points - start, axis=0), background - centre])


def main() -> None:
    """Mine the clips, compare with the reference, print the counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--part", choices=("choose", "report"), default="report")
    parser.add_argument("--trust", type=float, default=LEAST_CONFIDENCE, help="least confidence of a track that counts")
    arguments = parser.parse_args()
    paths = sorted(p for p in arguments.folder.iterdir() if p.is_file())
    order = np.random.default_rng(0).permutation(len(paths))
    order = order[: len(order) // 2] if arguments.part == "report" else order[len(order) // 2 :]
    on_object, whole_on_object, parted, total = 0, 0, 0, 0
    for path in [paths[i] for i in order[: arguments.clips]]:
        seen: list[Seen] = []
        try:
            mine(path, watch=seen.append)
            recipe = Mining()
            with Clip(path, Limits(), Mining(working_area=4 * recipe.working_area)) as clip:
                frames = [frame.luma for frame in clip.frames()]
                every = clip.every
        except BadVideo:
            continue
        for window in seen:
            lumas = frames[window.ends[0].first.index // every :][: recipe.track_length + 1]
            factor = lumas[0].shape[1] / window.ends[0].first.luma.shape[1]
            for box, (track, *_) in zip(window.boxes, window.tracks, strict=True):
                if not isinstance(track, Track) or track.confidence < arguments.trust:
                    continue
                total += 1
                centre, core = np.array(box.core[:2]) * factor, min(box.core[2:]) * factor
                crop = tuple(v * factor for v in track.crop)
                obj, background = judge(lumas, centre, core, crop)
                if np.hypot(*(obj - background)) < PARTED:
                    continue
                parted += 1
                went = (track.centres[-1] - track.centres[0]) * factor
                on_object += np.hypot(*(went - obj)) < np.hypot(*(went - background))
                middle, side = np.array(crop[:2]) + crop[2] / 2, np.full((1, 2), crop[2])
                whole = BatchedKCF([lumas[0]], middle[None], side)
                for luma in lumas[1:]:
                    whole.update([luma])
                went = whole.centres[0] - middle
                whole_on_object += np.hypot(*(went - obj)) < np.hypot(*(went - background))
    print(f"{arguments.clips} clips, {total} tracks, in {parted} of them object and background part by {PARTED:.0f} px")
    share, whole_share = on_object / max(parted, 1), whole_on_object / max(parted, 1)
    print(f"on the object: {share:.1%}; the same boxes followed whole: {whole_share:.1%}")


if __name__ == "__main__":
    main()
