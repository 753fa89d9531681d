"""Sheet and list of a video's windows for inspection: motion, boxes, pairs, trust, and reasons of refusals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from graph.errors import StorageError
from graph.records import Progress, no_progress
from workers.mining.boxes import Box
from workers.mining.pixels import Pixels, cut_out
from workers.mining.recipe import Limits, Mining
from workers.mining.segments import MinedVideo
from workers.mining.timeline import own_pixels
from workers.mining.tracks import Track
from workers.mining.video import mine
from workers.mining.view import resize
from workers.mining.windows import Ends, Seen

_WIDTH = 300  # of a window's picture
_SIDE = 96
_LINE = 14
_GREEN, _RED, _YELLOW, _WHITE = (80, 220, 80), (240, 80, 80), (250, 220, 60), (255, 255, 255)


def draw_sheet(
    path: Path,
    limits: Limits,
    progress: Progress = no_progress,
    recipe: Mining | None = None,
    sheet: Path | None = None,
) -> dict[str, Any]:
    """Mine `path` without storing anything, draw the sheet, and return the report, tracks and windows of the video.

    Raises:
        BadVideo: it cannot be mined.
        StorageError: the picture cannot be written.
    """
    tiles: list[Pixels] = []
    windows: list[dict[str, Any]] = []

    def watch(seen: Seen) -> None:
        windows.append(_window(seen))
        if sheet:
            tiles.append(_tile(seen))

    mined = mine(path, limits, progress, recipe, watch)
    if sheet is not None:
        write_png(sheet, _grid(tiles or [_text_tile("no windows")]))
    return {
        "video": mined.video.name,
        "patches": len(mined.patches),
        "report": mined.report,
        "tracks": _tracks(mined),
        "windows": windows,
    }


def _tracks(mined: MinedVideo) -> list[dict[str, Any]]:
    """List the tracks that are kept: both boxes as x, y, w, h in the video's own pixels, and the trust."""
    patches = {patch.id: patch for patch in mined.patches}
    return [
        {
            "frames": [patches[end].frame for end in (track.start_id, track.end_id)],
            "boxes": [[p.x, p.y, p.w, p.h] for p in (patches[track.start_id], patches[track.end_id])],
            "confidence": track.confidence,
            "trust": track.trust,
        }
        for track in mined.tracks
    ]


def _window(seen: Seen) -> dict[str, Any]:
    """Describe one window: its frames, the reason if it was refused, and the outcome of each box."""
    first = seen.ends[0].first
    boxes = []
    for box, tracks in zip(seen.boxes, seen.tracks, strict=True):
        kept = isinstance(tracks[0], Track)
        boxes.append({"box": list(own_pixels(first, box.crop)), "kept": kept, "why": _why(tracks)})
    found: dict[str, Any] = {
        "frames": [first.index, seen.ends[0].last.index],
        "reason": seen.reason,
        "boxes": boxes,
    }
    if seen.scene is not None:
        camera = seen.scene.cameras[min(seen.anchor, len(seen.scene.cameras) - 1)]
        found |= {"camera_stands": camera.stands, "background": round(camera.support, 3)}
    return found


def _why(tracks: Sequence[Track | str]) -> str:
    """Describe why the tracks of one box were kept or refused."""
    return "; ".join(track.why() if isinstance(track, Track) else track for track in tracks)


def _tile(seen: Seen) -> Pixels:
    """Draw one window: what moves in its first frame, the boxes, and the first and last patch of each box."""
    first, colours = seen.ends[0].first, seen.ends[0].colours
    width = first.luma.shape[1]
    factor = _WIDTH / width
    picture = resize(np.ascontiguousarray(colours[0]), _WIDTH, round(first.luma.shape[0] * factor), cv2.INTER_AREA)
    support = ""
    if seen.scene is not None:
        moving = cv2.resize(seen.scene.moving[seen.anchor], (picture.shape[1], picture.shape[0]))[..., None]
        picture = np.asarray(picture * (1 - 0.5 * moving) + 0.5 * moving * np.array(_YELLOW), np.uint8)
        camera = seen.scene.cameras[min(seen.anchor, len(seen.scene.cameras) - 1)]
        support = "camera stands" if camera.stands else f"background {camera.support:.2f}"
    strips, lines = [], [(f"{first.index}-{seen.ends[0].last.index} {seen.reason} {support}", bool(seen.reason))]
    for number, (box, tracks) in enumerate(zip(seen.boxes, seen.tracks, strict=True)):
        good = isinstance(tracks[0], Track)
        _draw_box(picture, box, factor, _GREEN if good else _RED)
        strips.append(_pair(seen.ends[0], box, tracks[0]))
        lines.append((f"{number + 1}: {_why(tracks)}", not good))
    height = max(picture.shape[0], (_SIDE + 2) * -(-len(strips) // 2))
    tile = np.full((height + _LINE * len(lines), _WIDTH + 2 * (2 * _SIDE + 6), 3), 24, np.uint8)
    tile[: picture.shape[0], :_WIDTH] = picture
    for number, strip in enumerate(strips):
        left, top = _WIDTH + 4 + number % 2 * (2 * _SIDE + 6), number // 2 * (_SIDE + 2)
        tile[top : top + strip.shape[0], left : left + strip.shape[1]] = strip
    for number, (line, bad) in enumerate(lines):
        _write(tile, line, 2, height + _LINE * number + 10, _RED if bad else _WHITE)
    return tile


def _pair(ends: Ends, box: Box, track: Track | str) -> Pixels:
    crops = (track.crop, track.end_crop) if isinstance(track, Track) else (box.crop, box.crop)
    frames = zip(ends.colours, (ends.first, ends.last), crops, strict=True)
    return np.concatenate([cut_out(colour, own_pixels(frame, crop), _SIDE) for colour, frame, crop in frames], axis=1)


def _draw_box(picture: Pixels, box: Box, factor: float, colour: tuple[int, int, int]) -> None:
    left, top, side = (v * factor for v in box.crop)
    cv2.rectangle(picture, (int(left), int(top)), (int(left + side), int(top + side)), colour, 1)
    x, y, width, height = (v * factor for v in box.core)
    corner = (int(x - width / 2), int(y - height / 2)), (int(x + width / 2), int(y + height / 2))
    cv2.rectangle(picture, *corner, colour, 1)


def _write(tile: Pixels, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    cv2.putText(tile, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)


def _text_tile(text: str) -> Pixels:
    tile = np.full((40, _WIDTH, 3), 24, np.uint8)
    _write(tile, text, 4, 24, _WHITE)
    return tile


def _grid(tiles: list[Pixels], columns: int = 2) -> Pixels:
    """Put tiles into rows."""
    width = max(tile.shape[1] for tile in tiles) + 6
    rows = []
    for start in range(0, len(tiles), columns):
        row = tiles[start : start + columns]
        strip = np.full((max(tile.shape[0] for tile in row) + 6, width * columns, 3), 0, np.uint8)
        for number, tile in enumerate(row):
            strip[: tile.shape[0], number * width : number * width + tile.shape[1]] = tile
        rows.append(strip)
    return np.concatenate(rows, axis=0)


def write_png(path: Path, pixels: Pixels) -> None:
    """Write an RGB picture; raises `StorageError` when its folder is missing or full."""
    _, data = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise StorageError(f"{path} could not be written: {error.strerror}. Check its folder.") from None
