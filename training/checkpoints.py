"""The state of a training goes to a file and comes back; a file is there whole or not at all.

checkpoints/last.pt           weights, optimiser, cursor, random states, recipe, generation, fingerprint
checkpoints/last.safetensors  the same weights for other tools
"""

import json
import os
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from graph.errors import Conflict, StorageError

FOLDER, NAME = "checkpoints", "last.pt"


@dataclass(frozen=True)
class Identity:
    """What a checkpoint must share with the training that goes on from it."""

    recipe: dict[str, Any]
    generation: str
    fingerprint: str
    seed: int
    initial: str  # id of the model it started from

    def as_dict(self) -> dict[str, Any]:
        """Return it flat, the recipe's numbers by name, as JSON would give it back."""
        flat: dict[str, Any] = json.loads(json.dumps(self.recipe))
        flat |= {"generation": self.generation, "fingerprint": self.fingerprint}
        return flat | {"seed": self.seed, "initial": self.initial}


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place, then move it there: a reader or a crash never meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StorageError(
            f"{path} could not be written: {error.strerror}. Free some space and use --resume."
        ) from None


def save_checkpoint(output: Path, identity: Identity, weights: Mapping[str, Tensor], state: dict[str, Any]) -> None:
    """Write weights and state (plain values and tensors) in one step each; the .pt file is the one that counts."""
    folder = output / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(
        folder / "last.safetensors",
        safetensors_bytes({name: value.cpu().contiguous() for name, value in weights.items()}),
    )
    partial = folder / f"{NAME}.{os.getpid()}.partial"
    try:
        with partial.open("wb") as file:
            torch.save({"identity": identity.as_dict(), "weights": dict(weights), **state}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / NAME)
    except (OSError, RuntimeError) as error:  # torch wraps a full disk in a RuntimeError
        partial.unlink(missing_ok=True)
        raise StorageError(
            f"{folder / NAME} could not be written: {error}. Free some space and use --resume."
        ) from None


def has_checkpoint(output: Path) -> bool:
    """Say whether a training was interrupted in this folder."""
    return (output / FOLDER / NAME).is_file()


def load_checkpoint(output: Path, identity: Identity) -> dict[str, Any]:
    """Read the checkpoint; raises `StorageError` when cut short, `Conflict` that names what differs."""
    path = output / FOLDER / NAME
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, zipfile.BadZipFile, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StorageError(
            f"{path} is cut short or damaged ({reason}). Delete {path.parent} and train again without --resume."
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
