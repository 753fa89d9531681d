"""`transitive evaluate detection`: Fast and Faster R-CNN on a model's convolutions (tables 1 to 4)."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.evaluated_model import ModelOption, OutputOption, SeedOption, SizeOption, StepsOption, open_model
from api.cli.interrupt import cancelling
from api.cli.proposals import proposals_of
from api.cli.terminal import Bars, Json, answer, say
from api.cli.usage import checked_arguments
from graph.errors import InvalidInput
from graph.settings import settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(detection)


def detection(
    data: Annotated[
        Path,
        typer.Option(
            help="Folder of the data. voc: it holds Annotations, ImageSets/Main and JPEGImages. coco: it holds "
            "annotations/instances_*.json and the folders of pictures."
        ),
    ],
    model: ModelOption,
    head: Annotated[
        str, typer.Option(help="fast: Fast R-CNN (tables 1, 2); faster: Faster R-CNN (tables 3, 4).")
    ] = "faster",
    layout: Annotated[str, typer.Option("--format", help="Layout of the data: voc, or coco (table 4).")] = "voc",
    freeze: Annotated[
        str, typer.Option(help="Keep conv1 up to this stage as they are: none, c1, … c5 (table 3).")
    ] = "none",
    preset: SizeOption = "paper",
    iterations: StepsOption = 0,
    seed: SeedOption = 0,
    output: OutputOption = None,
    as_json: Json = False,
) -> None:
    """Train a detector on a model's convolutions and measure its average precision (sections 6.2, 6.3; tables 1 to 4).

    Format voc (tables 1 to 3): the detector is trained on trainval, and the measure is VOC 2007's 11-point AP on test.
    The paper's data are PASCAL VOC 2007: http://host.robots.ox.ac.uk/pascal/VOC/voc2007/

    Format coco (table 4): the detector is trained on train2017, and the measure is COCO's AP on val2017. These are the
    paper's trainval35k and minival: https://cocodataset.org/#download

    Boxes are in stored pixels, before EXIF turns a picture. Fast R-CNN's proposals are made by selective search and
    kept in the data's folder, or in the home if that folder is not writable. The results are detection.json and
    detection.png. To resume a run after a stop, give the same command again.
    """
    from training.evaluation.detection.coco import read_coco
    from training.evaluation.detection.evaluate import evaluate_detection
    from training.evaluation.detection.presets import get_preset, with_iterations
    from training.evaluation.detection.voc import read_voc
    from training.evaluation.head_training import HeadRun

    with checked_arguments():
        if layout not in ("voc", "coco"):
            raise InvalidInput(f"Unknown --format {layout}. Use voc or coco.")
        numbers = get_preset(preset, head, "coco" if layout == "coco" else "voc07")
    if iterations:
        numbers = with_iterations(numbers, iterations)
    pictures = read_coco(data) if layout == "coco" else read_voc(data)
    subject = open_model(model, preset, seed)
    name = head if layout == "voc" else f"{head}-coco"
    folder = output or subject.folder / f"detection-{name}-{freeze}-{preset}-s{seed}"
    say(f"{data}: {pictures.summary}.")
    with Bars() as bars, cancelling(bars) as progress:
        proposals = proposals_of(pictures, data, progress) if head == "fast" else None
        found = evaluate_detection(
            subject,
            pictures,
            numbers,
            HeadRun(folder, seed, settings().device, progress),
            freeze=freeze,
            proposals=proposals,
        )
    lines = [f"model {subject.id}", *(f"{name:<16} {value:.3f}" for name, value in found.items())]
    lines.append(str(folder / "detection.png"))
    answer({"model": subject.id, "folder": str(folder), "AP": found}, as_json, "\n".join(lines))
