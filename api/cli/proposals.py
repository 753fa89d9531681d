"""The folder of Fast R-CNN's proposals: beside the data, or in the home if the data's folder is not writable."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from graph.records import Progress
from graph.settings import settings

if TYPE_CHECKING:
    from training.evaluation.detection.dataset import Detection


def proposals_of(pictures: "Detection", data: Path, progress: Progress) -> Path:
    """Make the proposals that are missing by selective search, and return their folder."""
    from workers.mining.selective_search import propose_for

    beside = data / "SelectiveSearch"
    writable = os.access(beside if beside.is_dir() else data, os.W_OK)
    folder = beside if writable else settings().home / "proposals" / pictures.fingerprint
    propose_for([(one.id, one.picture) for one in pictures.train + pictures.test], folder, progress)
    return folder
