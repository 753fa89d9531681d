"""Small recipes for tests (the narrowest network, ten steps, every step logged), and a training that kills itself.

python -m tests.training.small OUTPUT RECIPE KILL_AT      trains, and sends itself SIGKILL after step KILL_AT
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tests.training.kill import killed_at
from tests.training.tiny import TinySource
from training.loop import train
from training.recipe import Recipe
from training.recipes import get_recipe

SOURCE = TinySource(videos=4, tracks=6, held_out_videos=1)


def small(name: str, **changes: Any) -> Recipe:
    """Return a demo recipe with eight channels in every layer, ten steps and small batches."""
    recipe = replace(
        get_recipe(name, "demo", "context"),
        width=0.02,
        hidden=16,
        embedding=8,
        context_hidden=12,
        context_frames=2,
        contrast_pictures=4 if name.startswith("contrast") else 0,
        batch_pairs=8 if name in ("tracking", "inter", "multitask", "contrast-tracking") else 30,
        added_tracks=4 if name == "contrast-all-tracks" else 0,
        iterations=0 if name == "scratch" else 10,
        warmup=2,
        log_every=1,
        checkpoint_every=4,
        held_out_every=100,
        optimiser="sgd",  # Adam's first steps use the sign of a gradient, so golden losses would differ between CPUs
        learning_rate=0.001 if name in ("context", "multitask") else 0.01,
    )
    return replace(recipe, **changes)


def train_small(
    output: Path, name: str = "transitive", source: Any = SOURCE, seed: int = 1, changes: Any = None, **settings: Any
) -> Any:
    """Train a small recipe into output/name; a context model to start from is trained into output/context if needed."""
    recipe = small(name, **(changes or {}))
    if recipe.initial == "context" and "initial" not in settings:
        context = output / "context"
        if not (context / "model.json").is_file():
            train(small("context", iterations=2), SOURCE, context, seed=0, device="cpu")
        settings["initial"] = context
    return train(recipe, source, output / name, seed=seed, device="cpu", **settings)


def main() -> None:
    torch.set_num_threads(1)  # as in tests/training/conftest.py, because another order of sums changes the bits
    output, name, kill_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

    train_small(output, name, progress=killed_at(kill_at, f"train {name}"))


if __name__ == "__main__":
    main()
