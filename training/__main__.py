"""`python -m training`: training from a pack file, and replay of a bad batch.

It needs torch, numpy and safetensors only.

python -m training RECIPE --pack FILE --output DIR [--preset P] [--seed N] [--resume] [--initial DIR]
torchrun --nproc-per-node 8 -m training RECIPE --pack FILE --output DIR …      many GPUs
python -m training replay RECIPE --output DIR …                                the batch that gave NaN
"""

import argparse
import sys
import time
from pathlib import Path

from graph.errors import TransitiveError
from training.failures import replay
from training.loop import train
from training.pack import PackSource
from training.presets import PRESETS
from training.recipes import RECIPES, get_recipe
from training.source import TrainingSource, WithPictureFolder


def _print_progress(stage: str, done: int, total: int, unit: str) -> None:
    """Rewrite one line on stderr, at most every half second."""
    now = time.monotonic()
    if done in (total, 0) or now - _print_progress.last > 0.5:  # type: ignore[attr-defined]
        _print_progress.last = now  # type: ignore[attr-defined]
        sys.stderr.write(f"\r{stage}: {done} of {total} {unit}" + ("\n" if done == total else ""))


_print_progress.last = 0.0  # type: ignore[attr-defined]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit status: 0, or 1 with one line on stderr."""
    words = sys.argv[1:] if arguments is None else arguments
    again = bool(words) and words[0] == "replay"
    parser = argparse.ArgumentParser(prog="python -m training", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("recipe", choices=sorted(RECIPES))
    parser.add_argument("--pack", type=Path, required=not again, help="file made by `transitive export --pack`")
    parser.add_argument("--output", type=Path, required=True, help="the model's folder")
    parser.add_argument("--preset", default="paper", choices=sorted(PRESETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--initial", type=Path, help="folder of the model to start from")
    parser.add_argument("--images", type=Path, help="folder of pictures to add to the frames; no labels are read")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in --output")
    given = parser.parse_args(words[1:] if again else words)
    try:
        recipe = get_recipe(given.recipe, given.preset)
        if again:
            sys.stdout.write(f"loss: {replay(given.output, recipe, given.seed)}\n")
            return 0
        source: TrainingSource = PackSource(given.pack)
        if given.images:
            source = WithPictureFolder(source, given.images)
        model = train(
            recipe,
            source,
            given.output,
            seed=given.seed,
            device=given.device,
            resume=given.resume,
            initial=given.initial,
            progress=_print_progress,
        )
    except TransitiveError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{model.id} in {given.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
