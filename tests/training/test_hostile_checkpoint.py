"""Test of a hostile checkpoint: PyTorch's loader of weights runs no code from a pickle."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from graph.errors import StorageError
from training.checkpoints import FOLDER, NAME, Identity, read_checkpoint


class _Runs:
    """What unpickles to a call of `os.mkdir`."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("form", ["torch", "pickle", "torch in a dict"])
def test_a_checkpoint_that_would_run_code_runs_nothing(tmp_path: Path, form: str) -> None:
    target = tmp_path / "made by the checkpoint"
    path = tmp_path / FOLDER / NAME
    path.parent.mkdir()
    hostile = _Runs(target)
    if form == "pickle":
        path.write_bytes(pickle.dumps(hostile, protocol=2))
    else:
        torch.save({"identity": hostile} if form == "torch in a dict" else hostile, path)
    with pytest.raises(StorageError, match="truncated or damaged"):
        read_checkpoint(tmp_path, Identity({}, "g", "f", 0, ""))
    assert not target.exists()
