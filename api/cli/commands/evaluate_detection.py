"""`transitive evaluate detection`: tables 1 to 4, Fast and Faster R-CNN on the trunk."""

from pathlib import Path
from typing import Annotated

import typer

from api.cli.evaluated_model import ModelOption, OutputOption, SeedOption, SizeOption, StepsOption, open_model
from api.cli.interrupt import cancelling
from api.cli.proposals import proposals_of
from api.cli.terminal import Bars, Json, answer
from api.cli.usage import checked_arguments
from graph.errors import InvalidInput
from graph.settings import settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(detection)


def detection(
    data: Annotated[
        Path,
        typer.Option(help="Data folder. voc: Annotations, ImageSets/Main, JPEGImages; coco: annotations, pictures."),
    ],
    model: ModelOption,
    head: Annotated[str, typer.Option(help="fast (tables 1 and 2) or faster (tables 3 and 4).")] = "faster",
    layout: Annotated[str, typer.Option("--format", help="Layout of the data: voc, or coco (table 4).")] = "voc",
    freeze: Annotated[str, typer.Option(help="Last conv stage that is not tuned: none, c1, … c5.")] = "none",
    preset: SizeOption = "paper",
    iterations: StepsOption = 0,
    seed: SeedOption = 0,
    output: OutputOption = None,
    as_json: Json = False,
) -> None:
    """Train Fast or Faster R-CNN and measure its average precision on the test pictures (sections 6.2 and 6.3).

    voc: trained on trainval, VOC 2007's 11-point AP on test (tables 1 to 3). PASCAL VOC 2007 is at
    http://host.robots.ox.ac.uk/pascal/VOC/voc2007/. coco: trained on train2017 and measured on val2017, which are the
    paper's trainval35k and minival, by COCO's AP (table 4); https://cocodataset.org/#download. Boxes are in stored
    pixels, before EXIF turns a picture. Fast R-CNN's proposals come from selective search. They are kept beside the
    data, or in the home if the data's folder is not writable. Run the command again to resume it.
    """
    from training.evaluation.detection.coco import read_coco
    from training.evaluation.detection.evaluate import evaluate_detection
    from training.evaluation.detection.presets import get_preset, with_iterations
    from training.evaluation.detection.voc import read_voc

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
    with Bars() as bars, cancelling(bars) as progress:
        proposals = proposals_of(pictures, data, progress) if head == "fast" else None
        found = evaluate_detection(
            subject,
            pictures,
            folder,
            numbers,
            freeze=freeze,
            proposals=proposals,
            seed=seed,
            device=settings().device,
            progress=progress,
        )
    lines = [f"model {subject.id}", *(f"{name:<16} {value:.3f}" for name, value in found.items())]
    lines.append(str(folder / "detection.png"))
    answer({"model": subject.id, "folder": str(folder), "AP": found}, as_json, "\n".join(lines))
