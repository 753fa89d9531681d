"""Checkpoint files of an interrupted training, and the identity that a resumed training must share.

checkpoints/last.pt           weights, optimiser, cursor, random states, recipe, generation, fingerprint
checkpoints/last.safetensors  the same weights for other tools
"""

import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from graph.atomic_write import atomic_write, replacement
from graph.errors import Conflict, StorageError

FOLDER, NAME = "checkpoints", "last.pt"


@dataclass(frozen=True)
class Identity:
    """Everything that determines the result of a training."""

    recipe: dict[str, Any]
    generation: str
    fingerprint: str
    seed: int
    initial: str  # id of the model it started from

    def as_dict(self) -> dict[str, Any]:
        """Return one flat dictionary with the recipe's numbers by name, as JSON would give it back."""
        flat: dict[str, Any] = json.loads(json.dumps(self.recipe))
        flat |= {"generation": self.generation, "fingerprint": self.fingerprint}
        return flat | {"seed": self.seed, "initial": self.initial}


def write_checkpoint(output: Path, identity: Identity, weights: Mapping[str, Tensor], state: dict[str, Any]) -> None:
    """Write weights and state (plain values and tensors), each file atomically; a training resumes from the .pt file.

    Raises `StorageError` if the disk is full.
    """
    folder = output / FOLDER
    atomic_write(
        folder / "last.safetensors",
        safetensors_bytes({name: value.cpu().contiguous() for name, value in weights.items()}),
    )
    try:
        with replacement(folder / NAME) as temporary:
            torch.save({"identity": identity.as_dict(), "weights": dict(weights), **state}, temporary)
    except RuntimeError as error:  # how torch reports a full disk
        raise StorageError(f"{folder / NAME} could not be written: {error}. Free some space and resume.") from None


def has_checkpoint(output: Path) -> bool:
    """Return whether a training was interrupted in this folder."""
    return (output / FOLDER / NAME).is_file()


def read_checkpoint(output: Path, identity: Identity) -> dict[str, Any]:
    """Read what `write_checkpoint` wrote.

    Raises:
        StorageError: the file is truncated or damaged.
        Conflict: it belongs to another training; the message lists the differences.
    """
    path = output / FOLDER / NAME
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, zipfile.BadZipFile, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StorageError(
            f"{path} is truncated or damaged ({reason}). Delete {path.parent} and train again without --resume."
        ) from None
    theirs, ours = state["identity"], identity.as_dict()
    differences = [
        f"{key}: {theirs.get(key)!r} there, {ours.get(key)!r} here"
        for key in sorted(theirs.keys() | ours.keys())
        if theirs.get(key) != ours.get(key)
    ]
    if differences:
        raise Conflict(
            f"{path} belongs to another training ({'; '.join(differences)}). "
            "Give the recipe, preset, seed and generation it was started with, or another --output."
        )
    return state
