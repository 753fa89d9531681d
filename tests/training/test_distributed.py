"""Tests of distributed training: two ranks that share a batch and its negatives give the result of one rank."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.small import train_small
from training.journal import read_log

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "loss"), [("transitive", "ranking_loss"), ("contrast-transitive", "contrast_loss")])
def test_two_gloo_ranks_equal_one(name, loss, tmp_path):
    train_small(tmp_path, "context", seed=0, changes={"iterations": 2})
    start = tmp_path / "context"
    changes = {"iterations": 4, "gradient_clip": 0.0}
    train_small(tmp_path / "one", name, changes=changes, initial=start)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torchrun = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.training.ddp_rank", str(tmp_path / "two"), str(start), name],
            cwd=ROOT,
            env={**os.environ, **torchrun, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()
    one, two = (read_log(tmp_path / ranks / name) for ranks in ("one", "two"))
    for alone, shared in zip(one, two, strict=True):
        assert abs(alone[loss] - shared[loss]) < 1e-5
        assert alone.get("active") == shared.get("active")
    first, second = (load_file(tmp_path / ranks / name / "model.safetensors") for ranks in ("one", "two"))
    begun = load_file(start / "model.safetensors")
    for weight in first:
        assert torch.allclose(first[weight], second[weight], atol=1e-6), weight
    assert any(
        not torch.allclose(first[weight], begun[weight], atol=1e-6) for weight in first if weight in begun
    )  # the weights have changed
