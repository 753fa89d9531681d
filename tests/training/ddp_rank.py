"""One rank of a distributed training; the test starts it as torchrun would.

`python -m tests.training.ddp_rank OUTPUT INITIAL RECIPE`
"""

import sys
from pathlib import Path

import torch

from tests.training.small import train_small

if __name__ == "__main__":
    torch.set_num_threads(1)
    changes = {"iterations": 4, "gradient_clip": 0.0}
    train_small(Path(sys.argv[1]), sys.argv[3], changes=changes, initial=Path(sys.argv[2]))
