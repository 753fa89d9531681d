"""Trainings of three heads that SIGKILL ends; each runs in a fork of one process, so torch is imported once.

python -m tests.training.evaluation.killed_heads FOLDER     writes FOLDER/room, shapes, proposals, and a folder a head
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from tests.training.evaluation.detection.shapes import evaluate_shapes, write_proposals, write_shapes
from tests.training.evaluation.normals.room import evaluate, write_room
from tests.training.kill import killed_at


def run_until_killed(train: Callable[[], object]) -> None:
    """Run a training in a fork; raises `AssertionError` unless SIGKILL ends it."""
    child = os.fork()
    if child == 0:
        train()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), status
    assert os.WTERMSIG(status) == signal.SIGKILL


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    room, shapes = write_room(folder / "room"), write_shapes(folder / "shapes")
    proposals = write_proposals(folder / "proposals", shapes)
    run_until_killed(lambda: evaluate(room, folder / "normals", killed_at(5)))
    run_until_killed(lambda: evaluate_shapes(shapes, folder / "fast", "fast", proposals, killed_at(3)))
    run_until_killed(lambda: evaluate_shapes(shapes, folder / "faster", "faster", proposals, killed_at(3)))


if __name__ == "__main__":
    main()
