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
_SAMPLE = 64


def health_set(table: PatchTable, links: Links, held_out: bool = True, most: int = 0) -> HealthSet:
    """Choose the tracks to measure (`most` of them, evenly spread; 0: all), and the links among their starts."""
    tracks = table.tracks(held_out=held_out)
    if most and len(tracks) > most:
        tracks = tracks[np.linspace(0, len(tracks) - 1, most).astype(np.int64)]
    place = {int(start): index for index, start in enumerate(tracks[:, 0])}
    among = [(place[int(a)], place[int(b)]) for a, b in links.edges if int(a) in place and int(b) in place]
    return HealthSet(tracks.reshape(-1), table.video[tracks[:, 0]], np.array(among, np.int64).reshape(-1, 2))


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
        if len(self.tracks.videos) < 2:
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
