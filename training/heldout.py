"""Tracks of held-out videos come in once; their health is measured again and again while a network trains."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.batches import Links
from training.encoder import encode
from training.evaluation.health import HealthSet, health
from training.networks import Network
from training.pixels import PatchPixels, decode_patch
from training.source import PatchTable

MOST_TRACKS = 256  # measured while training; `transitive evaluate health` takes all
MOST_DISTRACTORS = 10_000
_SAMPLE = 64


def health_set(table: PatchTable, links: Links, most: int = 0, distractors: int = 0) -> HealthSet:
    """Choose the held-out tracks to measure (`most` of them, 0: all) and up to `distractors` ends of training videos.

    Links count from a held-out start to whichever end was chosen: no training saw such a pair. The ends of linked
    tracks are chosen first, the rest evenly spread.
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
    return HealthSet(rows, table.video[starts], np.array(found, np.int64).reshape(-1, 2))


@dataclass(frozen=True)
class HeldOut:
    """The held-out tracks with their pixels; there may be none."""

    tracks: HealthSet
    pixels: NDArray[np.uint8]  # (2T, 96, 96, 3)

    @staticmethod
    def choose(table: PatchTable, links: Links, pixels: PatchPixels) -> "HeldOut":
        """Take at most `MOST_TRACKS` tracks of held-out videos."""
        tracks = health_set(table, links, most=MOST_TRACKS)
        return HeldOut(
            tracks, pixels.get(tracks.rows).cpu().numpy() if len(tracks.rows) else np.empty((0, 96, 96, 3), np.uint8)
        )

    def measure(self, network: Network, device: torch.device) -> dict[str, float]:
        """Measure the embedding where the network has one and pool5 (as `pool5_…`); {} without held-out tracks."""
        if self.tracks.tracks < 2:
            return {}
        pool5 = health(encode(network, self.pixels, "pool5", device), self.tracks)
        if network.embedding is None:
            return pool5 | {f"pool5_{key}": value for key, value in pool5.items()}
        embedding = health(encode(network, self.pixels, "embedding", device), self.tracks)
        return embedding | {f"pool5_{key}": value for key, value in pool5.items()}

    def sample(self, frames: list[bytes], device: torch.device) -> Tensor:
        """Return some uint8 (N, 96, 96, 3) training pictures, to balance the scale of layers on."""
        chosen = frames[:: max(1, len(frames) // _SAMPLE)][:_SAMPLE]
        return torch.from_numpy(np.stack([decode_patch(frame) for frame in chosen])).to(device)
