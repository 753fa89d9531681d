"""The training of a head on the trunk: SGD with a stepped rate, resumed exactly from checkpoints.

All random draws of step n are seeded by (seed, n). So a training that was killed and resumed gives the same weights as
an uninterrupted one, bit for bit on a CPU.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from graph.errors import Cancelled, TransitiveError
from graph.records import Progress, no_progress
from training.checkpoints import Identity, has_checkpoint, read_checkpoint, write_checkpoint
from training.random_streams import RandomStream, generator


@dataclass(frozen=True)
class Schedule:
    """SGD with momentum; the learning rate is divided by ten at each step in `drops`."""

    iterations: int
    learning_rate: float
    drops: tuple[int, ...] = ()
    momentum: float = 0.9  # Caffe's default, as the published heads use it
    weight_decay: float = 0.0005
    gradient_clip: float = 0.0  # maximum norm of the gradient; 0: no limit
    checkpoint_every: int = 500

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        return self.learning_rate * 0.1 ** sum(step >= drop for drop in self.drops)


@dataclass(frozen=True)
class HeadRun:
    """The run of one head's training, for every kind of head."""

    output: Path  # folder of results and checkpoints; an interrupted run continues there
    seed: int = 0  # of the head's weights and of every random draw
    device: str = "auto"
    progress: Progress = no_progress


def train_head(
    model: nn.Module,
    loss_of: Callable[[int], Mapping[str, Tensor]],
    schedule: Schedule,
    run: HeadRun,
    identity: Identity,
    title: str,
) -> float:
    """Train the parameters of `model` that need a gradient; returns the seconds of all steps, including earlier runs.

    Args:
        model: on its device, in training mode.
        loss_of: returns the named losses of a step, which are added.
        schedule: of the optimiser.
        run: its output is the folder of the checkpoint; its progress is told after every step, and a checkpoint is
            written when it raises `Cancelled`.
        identity: all that determines the result.
        title: name of the stage in the progress.

    Raises `TransitiveError` for a loss that is not finite, `Conflict` for another training's checkpoint.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.SGD(
        weights, lr=schedule.learning_rate, momentum=schedule.momentum, weight_decay=schedule.weight_decay
    )
    step, seconds = 0, 0.0
    if has_checkpoint(run.output):
        state = read_checkpoint(run.output, identity)
        model.load_state_dict(state["weights"])
        optimiser.load_state_dict(state["optimiser"])
        step, seconds = state["step"], state["seconds"]

    def save() -> None:
        state: dict[str, Any] = {"optimiser": optimiser.state_dict(), "step": step, "seconds": seconds}
        write_checkpoint(run.output, identity, model.state_dict(), state)

    text, clock = "", time.perf_counter()
    while step < schedule.iterations:
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        # torchvision's samplers and dropout draw from torch's global generator
        torch.manual_seed(int(generator(identity.seed, RandomStream.HEADS, step).integers(2**62)))
        losses = loss_of(step)
        loss = torch.stack(list(losses.values())).sum()
        value = loss.item()
        if not math.isfinite(value):
            raise TransitiveError(
                f"The loss of step {step} is {value}: the training diverged. Try another --seed or --preset."
            )
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if schedule.gradient_clip:
            torch.nn.utils.clip_grad_norm_(weights, schedule.gradient_clip)
        optimiser.step()
        step += 1
        seconds, clock = seconds + time.perf_counter() - clock, time.perf_counter()
        if step % schedule.checkpoint_every == 0 or step == schedule.iterations:
            save()
        if step % 10 == 0 or step == 1:
            text = f" · loss {value:.3f}"
        try:
            run.progress(f"{title}{text}", step, schedule.iterations, "steps")
        except Cancelled:
            save()
            raise
    return seconds
