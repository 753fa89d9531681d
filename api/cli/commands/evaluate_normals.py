"""`transitive evaluate normals`: surface normals by FCN-32s on a model's convolutions (table 5)."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.evaluated_model import ModelOption, OutputOption, SeedOption, SizeOption, StepsOption, open_model
from api.cli.interrupt import cancelling
from api.cli.terminal import Bars, Json, answer, say
from api.cli.usage import checked_arguments
from graph.settings import settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(normals)


def normals(
    data: Annotated[
        Path,
        typer.Option(
            help="NYUv2's nyu_depth_v2_labeled.mat, in one folder with splits.mat; or a folder of NAME.color.jpg, "
            "NAME.depth.png (16 bits, millimetres) and camera-intrinsics.txt."
        ),
    ],
    model: ModelOption,
    preset: SizeOption = "paper",
    iterations: StepsOption = 0,
    seed: SeedOption = 0,
    output: OutputOption = None,
    as_json: Json = False,
) -> None:
    """Train FCN-32s on a model's convolutions and measure the angles of its surface normals (section 6.4, table 5).

    The paper's data are NYUv2's labelled pictures,
    http://horatio.cs.nyu.edu/mit/silberman/nyu_depth_v2/nyu_depth_v2_labeled.mat, with the official split into 795
    training and 654 test pictures, http://horatio.cs.nyu.edu/mit/silberman/indoor_seg_sup/splits.mat

    A folder of colour and depth has the layout of 7-Scenes
    (https://www.microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes/); its last sixth is the test part.

    The true normals are fitted to the depth once and kept in the home. The results are normals.json and normals.png.
    To resume a run after a stop, give the same command again.
    """
    from training.evaluation.head_training import HeadRun
    from training.evaluation.normals.evaluate import evaluate_normals, get_preset, with_iterations
    from training.evaluation.normals.layouts import open_normals_data
    from training.evaluation.normals.nyu import WHERE as NYU_ADDRESS

    with checked_arguments():
        numbers = get_preset(preset)
    if iterations:
        numbers = with_iterations(numbers, iterations)
    pictures = open_normals_data(data)
    subject = open_model(model, preset, seed)
    folder = output or subject.folder / f"normals-{preset}-s{seed}"
    say(
        f"{data}: {len(pictures.train):,} training and {len(pictures.test):,} test pictures. "
        f"The paper's data: NYUv2, {NYU_ADDRESS}"
    )
    with Bars() as bars, cancelling(bars) as progress:
        run = HeadRun(folder, seed, settings().device, progress)
        found = evaluate_normals(subject, pictures, numbers, run, cache=settings().home / "normals")
    lines = [f"model {subject.id}", *(f"{name:<13} {value:.3f}" for name, value in found.items())]
    lines.append(str(folder / "normals.png"))
    answer({"model": subject.id, "folder": str(folder), "measures": found}, as_json, "\n".join(lines))
