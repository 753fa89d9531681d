"""The interface of patch encoders, and its two implementations: trained networks and imported ONNX files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from graph.records import ONNX_RECIPE, Model
from training.encoder import Encoder
from training.model_folder import read_card
from training.onnx_encoder import OnnxEncoder


class PatchEncoder(Protocol):
    """An encoder of uint8 (N, 96, 96, 3) patches; safe to share between threads."""

    @property
    def model(self) -> Model:
        """Its entry in the list of models."""

    def decode(self, pictures: Sequence[bytes]) -> NDArray[np.uint8]:
        """Decode N pictures to (N, 96, 96, 3); raises `InvalidInput` that names a bad one."""

    def pool5(self, images: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Return (N, D) features to link by, not normalised."""

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N, E) embeddings of length 1; raises `InvalidInput` for a model without one."""


def open_encoder(folder: Path, device: str = "auto") -> PatchEncoder:
    """Open a model's folder of either kind; raises `NotFound`, `StorageError`, `InvalidInput` or `NoDevice`."""
    if read_card(folder)["recipe"] == ONNX_RECIPE:
        return OnnxEncoder(folder, device)
    return Encoder.load(folder, device)
