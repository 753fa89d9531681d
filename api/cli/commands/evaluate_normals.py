"""`transitive evaluate normals`: table 5, surface normals by FCN-32s on the trunk."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.evaluated_model import ModelOption, OutputOption, SeedOption, SizeOption, StepsOption, open_model
from api.cli.interrupt import cancelling
from api.cli.terminal import Bars, Json, answer
from api.cli.usage import checked_arguments
from graph.settings import settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(normals)


def normals(
    data: Annotated[
        Path,
        typer.Option(
            help="nyu_depth_v2_labeled.mat with splits.mat beside it, or a folder of NAME.color.jpg and NAME.depth.png "
            "(mm) with camera-intrinsics.txt."
        ),
    ],
    model: ModelOption,
    preset: SizeOption = "paper",
    iterations: StepsOption = 0,
    seed: SeedOption = 0,
    output: OutputOption = None,
    as_json: Json = False,
) -> None:
    """Train FCN-32s to predict surface normals and measure the angles (section 6.4, table 5).

    NYUv2, the paper's data, is nyu_depth_v2_labeled.mat at
    http://horatio.cs.nyu.edu/mit/silberman/nyu_depth_v2/, trained and tested on the official 795 and 654 pictures of
    http://horatio.cs.nyu.edu/mit/silberman/indoor_seg_sup/splits.mat. A folder is laid out like 7-Scenes
    (https://www.microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes/), and its last sixth is tested.
    Normals are fitted to the depth once and kept in the home. Run the command again to resume it.
    """
    from training.evaluation.normals.evaluate import evaluate_normals, get_preset, with_iterations
    from training.evaluation.normals.layouts import open_normals_data

    with checked_arguments():
        numbers = get_preset(preset)
    if iterations:
        numbers = with_iterations(numbers, iterations)
    pictures = open_normals_data(data)
    subject = open_model(model, preset, seed)
    folder = output or subject.folder / f"normals-{preset}-s{seed}"
    with Bars() as bars, cancelling(bars) as progress:
        found = evaluate_normals(
            subject,
            pictures,
            folder,
            numbers,
            cache=settings().home / "normals",
            seed=seed,
            device=settings().device,
            progress=progress,
        )
    lines = [f"model {subject.id}", *(f"{name:<13} {value:.3f}" for name, value in found.items())]
    lines.append(str(folder / "normals.png"))
    answer({"model": subject.id, "folder": str(folder), "measures": found}, as_json, "\n".join(lines))
