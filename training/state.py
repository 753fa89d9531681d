"""The state of a running training: the plain values that change from step to step, saved and loaded in one place.

With the network's weights, the optimiser and torch's random state it is all that a checkpoint holds. Everything else is
either part of the training's identity or drawn from (seed, step).
"""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from torch import nn

from training.alarms import Alarms
from training.batches import Cursor
from training.checkpoints import Identity, read_checkpoint, write_checkpoint


@dataclass
class TrainingState:
    """State of a training. A new field is saved and loaded without further code."""

    alarms: Alarms
    before: dict[str, float]  # held-out metrics before the first step
    step: int = 0  # steps done
    cursor: Cursor = field(default_factory=Cursor)  # position after the last batch
    images: int = 0  # images encoded so far, by all ranks
    seconds: float = 0.0  # time spent in steps
    waited: float = 0.0  # seconds of them spent waiting for batches


def save(
    output: Path, identity: Identity, network: nn.Module, optimiser: torch.optim.Optimizer, state: TrainingState
) -> None:
    """Write the checkpoint of a training; raises `StorageError` if the disk is full."""
    plain = asdict(state) | {"optimiser": optimiser.state_dict(), "random": torch.get_rng_state()}
    write_checkpoint(output, identity, network.state_dict(), plain)


def load(output: Path, identity: Identity, network: nn.Module, optimiser: torch.optim.Optimizer) -> TrainingState:
    """Restore network, optimiser and random state from the checkpoint, and return the saved state.

    Raises `StorageError` for a damaged file and `Conflict` for another training's.
    """
    read = read_checkpoint(output, identity)
    network.load_state_dict(read["weights"])
    optimiser.load_state_dict(read["optimiser"])
    torch.set_rng_state(read["random"])
    values = {one.name: read[one.name] for one in fields(TrainingState) if one.name in read}
    return TrainingState(
        **{**values, "cursor": Cursor(**read["cursor"]), "alarms": Alarms.from_checkpoint(read["alarms"])}
    )
