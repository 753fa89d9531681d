"""The encoder of a trained model: pool5 features and embeddings of pictures.

Other rooms use networks only through it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from graph.errors import InvalidInput
from graph.records import Model
from training.devices import choose_device, put
from training.inference import pool5_of
from training.model_folder import card_model, load_network
from training.networks import Network
from training.pictures import SIDE, pictures_to_patches


class Encoder:
    """A trained network that encodes pictures. Threads may share it."""

    def __init__(self, network: Network, model: Model, device: torch.device) -> None:
        """Store the parts; `load` creates them from a model's folder."""
        self.model = model
        self._network = network
        self._device = device

    @staticmethod
    def load(folder: Path | str, device: str = "auto") -> "Encoder":
        """Open a model's folder; raises `NotFound`, `StorageError` or `NoDevice`."""
        chosen = choose_device(device)
        network, _, card = load_network(Path(folder))
        return Encoder(put(network, chosen), card_model(card), chosen)

    @staticmethod
    def decode(pictures: Sequence[bytes]) -> NDArray[np.uint8]:
        """Decode N pictures to (N, 96, 96, 3) with `training.pictures`; raises `InvalidInput` that names a bad one."""
        return pictures_to_patches([(f"Picture {number}", data) for number, data in enumerate(pictures, start=1)])

    def pool5(self, images: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Encode uint8 (N, 96, 96, 3) to float16 (N, D), not normalised: the features of section 4.2."""
        return encode(self._network, images, "pool5", self._device).astype(np.float16)

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode uint8 (N, 96, 96, 3) to float32 (N, E) of length 1; raises `InvalidInput` without an embedding."""
        if self._network.embedding is None:
            raise InvalidInput(f"Model {self.model.id} has no embedding: {self.model.recipe} trains convolutions only.")
        return encode(self._network, images, "embedding", self._device)


@torch.inference_mode()
def encode(
    network: Network, images: NDArray[np.uint8] | Tensor, what: str, device: torch.device, batch: int = 0
) -> NDArray[np.float32]:
    """Encode uint8 (N, 96, 96, 3) to float32 (N, D) ("pool5") or unit vectors (N, E) ("embedding"), batch by batch."""
    if images.shape[1:] != (SIDE, SIDE, 3):
        raise InvalidInput(f"Images must be {SIDE}x{SIDE} RGB, as (N, {SIDE}, {SIDE}, 3); these are {images.shape}.")
    training = network.training
    network.eval()
    size = batch or (1024 if device.type == "cuda" else 64)
    out: list[Any] = []
    pool5 = pool5_of(network)
    for first in range(0, len(images), size):
        part = images[first : first + size]
        pixels = part if isinstance(part, Tensor) else torch.from_numpy(np.ascontiguousarray(part))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            vectors = pool5(network.prepare(pixels.to(device)))
            if what == "embedding":
                assert network.embedding is not None  # noqa: S101
                vectors = functional.normalize(network.embedding(vectors).float(), dim=1)
        out.append(vectors.float().cpu().numpy())
    network.train(training)
    width = network.embedding_dim if what == "embedding" else network.pool5_dim
    return np.concatenate(out) if out else np.empty((0, width), np.float32)
