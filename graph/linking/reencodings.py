"""Detection of videos that are re-encodings of each other, by perceptual hashes of their stored frames.

A clip that was uploaded in two qualities has two ids, so its objects would be linked to themselves. The hash of a frame
consists of the signs of its low frequencies, which scaling and compression preserve. Videos whose frames mostly match
form one family. Frames without contrast are ignored.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from graph.records import Progress, no_progress
from graph.shards import Shards

BITS = 64
_SIDE = 32  # frames are scaled to 32×32 pixels before the transform
_LOW = 8  # the 8×8 lowest frequencies are used
_CONTRAST = 8.0  # minimum standard deviation of a frame's grey values (0..255)
_SAME = 8  # maximum of differing bits between two encodings of one frame
_SHARE = 0.6  # minimum share of the shorter video's frames that match a frame of the other
_LEAST = 2  # minimum of matching frames, unless a video has fewer frames
_BANDS = 4  # bands of 16 bits by which hashes are looked up
_CROWD = 64  # a band value shared by more videos is ignored (title cards, test pictures)


def frame_hash(jpeg: bytes) -> int | None:
    """Return the 64-bit perceptual hash of a JPEG picture, or None if it has almost no contrast."""
    with Image.open(BytesIO(jpeg)) as picture:
        picture.draft("L", (_SIDE * 2, _SIDE * 2))  # lets the JPEG decoder scale: ten times faster
        grey = np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float32)
    if grey.std() < _CONTRAST:
        return None
    low = dctn(grey, norm="ortho")[:_LOW, :_LOW].ravel()
    low[0] = 0.0  # ignore the mean brightness
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


def find_reencodings(shards: Shards, video_ids: Sequence[str], progress: Progress = no_progress) -> dict[str, str]:
    """Map each video that has a re-encoding to the first of its family by id, which maps to itself.

    Videos without the shard `frames/<video>` are left out. Raises `StorageError` for a damaged shard.
    """
    hashes: dict[str, list[int]] = {}
    for done, video in enumerate(sorted(video_ids)):
        progress("re-encodings", done, len(video_ids), "videos")
        name = f"frames/{video}"
        if shards.exists(name):
            found = (frame_hash(jpeg) for jpeg in shards.read(name, ["jpeg"])["jpeg"].to_pylist())
            hashes[video] = [value for value in found if value is not None]
    progress("re-encodings", len(video_ids), len(video_ids), "videos")
    return families(hashes)


def families(hashes: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Map each video of a family of two or more to the first of that family; `hashes` are those of its frames."""
    head = {video: video for video in hashes}

    def find(video: str) -> str:
        while head[video] != video:
            head[video] = head[head[video]]
            video = head[video]
        return video

    packed = {video: np.array(values, np.uint64) for video, values in hashes.items()}
    for a, b in sorted(_candidates(hashes)):
        if find(a) != find(b) and _same_video(packed[a], packed[b]):
            first, second = sorted((find(a), find(b)))
            head[second] = first
    members: dict[str, list[str]] = defaultdict(list)
    for video in hashes:
        members[find(video)].append(video)
    return {video: first for first, family in members.items() if len(family) > 1 for video in family}


def _candidates(hashes: Mapping[str, Sequence[int]]) -> set[tuple[str, str]]:
    """Return the pairs of videos that have two frames with an equal band of bits."""
    bands: dict[tuple[int, int], set[str]] = defaultdict(set)
    width = BITS // _BANDS
    for video, values in hashes.items():
        for value in values:
            for band in range(_BANDS):
                bands[band, (value >> (band * width)) & ((1 << width) - 1)].add(video)
    crowds = (sorted(videos) for videos in bands.values() if 1 < len(videos) <= _CROWD)
    return {pair for videos in crowds for pair in combinations(videos, 2)}


def _same_video(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> bool:
    """Return whether most frames of the shorter video match a frame of the other."""
    differing = np.bitwise_count(a[:, None] ^ b[None, :])
    matched = (differing.min(axis=1 if len(a) <= len(b) else 0) <= _SAME).sum()
    shorter = min(len(a), len(b))
    return bool(matched >= min(_LEAST, shorter) and matched >= _SHARE * shorter)
