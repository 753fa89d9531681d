"""The shared options of `evaluate` commands that need no server: model, preset, seed and folder of the results."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graph.settings import settings

if TYPE_CHECKING:
    from training.evaluation.subject import Subject

ModelOption = Annotated[
    str, typer.Option(help="Model's id or folder, `scratch`, or a .pth or .safetensors file of torchvision's vgg16.")
]
OutputOption = Annotated[
    Path | None, typer.Option(help="Folder of the results. Default: evaluation/ in the model's folder.")
]
SizeOption = Annotated[str, typer.Option(help="Numbers of the head's training: paper, gpu-small or cpu-small.")]
StepsOption = Annotated[int, typer.Option(min=0, help="Steps of the head's training; 0: the number of the preset.")]
WidthOption = Annotated[str, typer.Option(help="Width of `scratch`: paper or cpu-small.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of random weights and of every random draw.")]


def open_model(name: str, preset: str, seed: int) -> "Subject":
    """Open the network that `--model` names; a model of this home is read from its folder, without a server."""
    from training.evaluation.subject import open_subject  # imports torch, which takes seconds

    data = settings().data
    local = Path(data) / "models" / name
    known = "://" not in data and name != "scratch" and (local / "model.json").is_file()
    size = "cpu-small" if preset == "cpu-small" else "paper"  # of `scratch`: an eighth of the width, or all of it
    return open_subject(str(local) if known else name, settings().home / "evaluations", size, seed)
