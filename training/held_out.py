"""The held-out tracks that are measured during a training, with their pixels in memory."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from training.encoder import encode
from training.held_out_metrics import HeldOutTracks, held_out_metrics
from training.links import Links
from training.networks import Network
from training.pictures import SIDE, read_picture
from training.pixels import PatchPixels
from training.source import PatchTable

MOST_TRACKS = 256  # measured during a training; `transitive evaluate health` measures all
MOST_DISTRACTORS = 10_000
_SAMPLE = 64  # pictures


def choose_held_out_tracks(table: PatchTable, links: Links, most: int = 0, distractors: int = 0) -> HeldOutTracks:
    """Choose held-out tracks (at most `most`, evenly spread; 0: all) and up to `distractors` ends of training videos.

    The ends of linked tracks are chosen first, the rest evenly spread. A link from a held-out start to any chosen end
    counts, because no training saw such a pair.
    """
    tracks, others = table.tracks(held_out=True), table.tracks(held_out=False)
    if most and len(tracks) > most:
        tracks = tracks[np.linspace(0, len(tracks) - 1, most).astype(np.int64)]
    linked = np.isin(
        others[:, 0], np.concatenate([np.empty(0, np.int64), *(links.of(int(start)) for start in tracks[:, 0])])
    )
    spread = np.flatnonzero(~linked)
    left = max(0, min(distractors - int(linked.sum()), len(spread)))
    chosen = np.concatenate([np.flatnonzero(linked), spread[np.linspace(0, len(spread) - 1, left).astype(np.int64)]])
    others = others[np.sort(chosen)[:distractors]]
    starts = np.concatenate([tracks[:, 0], others[:, 0]])  # of each end
    ends_of: dict[int, list[int]] = {}
    for end, start in enumerate(starts):
        ends_of.setdefault(int(start), []).append(end)
    found = [
        (track, end)
        for track, start in enumerate(tracks[:, 0])
        for other in links.of(int(start))
        for end in ends_of.get(int(other), [])
    ]
    rows = np.concatenate([tracks.reshape(-1), others[:, 1]])
    return HeldOutTracks(rows, table.video[starts], np.array(found, np.int64).reshape(-1, 2))


@dataclass(frozen=True)
class HeldOut:
    """Held-out tracks with their pixels; there may be none."""

    tracks: HeldOutTracks
    pixels: NDArray[np.uint8]  # (2T, 96, 96, 3)

    @staticmethod
    def choose(table: PatchTable, links: Links, pixels: PatchPixels) -> "HeldOut":
        """Take at most `MOST_TRACKS` tracks of held-out videos."""
        tracks = choose_held_out_tracks(table, links, most=MOST_TRACKS)
        return HeldOut(
            tracks, pixels.get(tracks.rows).cpu().numpy() if len(tracks.rows) else np.empty((0, 96, 96, 3), np.uint8)
        )

    def measure(self, network: Network, device: torch.device) -> dict[str, float]:
        """Measure the embedding if the network has one, and pool5 (as `pool5_…`); {} without held-out tracks."""
        if self.tracks.count < 2:
            return {}
        pool5 = held_out_metrics(encode(network, self.pixels, "pool5", device), self.tracks)
        named = {f"pool5_{key}": value for key, value in pool5.items()}
        if network.embedding is None:
            return pool5 | named
        return held_out_metrics(encode(network, self.pixels, "embedding", device), self.tracks) | named


def sample_frames(frames: list[bytes], device: torch.device) -> Tensor:
    """Return some frames, evenly spread and resized whole: uint8 (N, 96, 96, 3) on the device."""
    chosen = frames[:: max(1, len(frames) // _SAMPLE)][:_SAMPLE]
    resized = [read_picture("A frame", frame).resize((SIDE, SIDE), Image.Resampling.BILINEAR) for frame in chosen]
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in resized])).to(device)
