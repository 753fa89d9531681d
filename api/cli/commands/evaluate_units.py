"""`transitive evaluate units`: the patches of the highest response of conv5_3 units (figure 8)."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from api.cli.evaluated_model import ModelOption, OutputOption, SeedOption, WidthOption, open_model
from api.cli.interrupt import cancelling
from api.cli.terminal import Bars, Json, answer, say
from graph.settings import settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(units)


def units(
    model: ModelOption,
    unit: Annotated[
        list[int] | None,
        typer.Option(help="Number of a unit; repeat the option for more. Default: the most selective."),
    ] = None,
    most_selective: Annotated[int, typer.Option(min=1, help="Number of units if no unit is named.")] = 8,
    data: Annotated[
        Path | None,
        typer.Option(help="Search the pictures in this folder and its subfolders, not the graph's patches."),
    ] = None,
    pack: Annotated[
        Path | None, typer.Option(help="Search the patches of this training pack, not the graph's.")
    ] = None,
    preset: WidthOption = "paper",
    seed: SeedOption = 0,
    output: OutputOption = None,
    as_json: Json = False,
) -> None:
    """Find the six patches with the highest response of each of some conv5_3 units (section 6.1, figure 8).

    The patches are the graph's, those of a training pack, or the pictures of a folder; the paper's are objects of
    PASCAL VOC 2007: http://host.robots.ox.ac.uk/pascal/VOC/voc2007/

    A unit's selectivity is the distance of its six highest responses from its mean response, in standard deviations.
    In the picture, pixels that hardly affect the response are dark; the measure is that of Zhou et al. 2015
    (https://arxiv.org/abs/1412.6856). The results are units.png, and units.json with the patches' ids. To resume a run
    after a stop, give the same command again.
    """
    from api.cli.commands.evaluate import open_source
    from training.evaluation.patches import folder_patches, source_patches
    from training.evaluation.units import evaluate_units  # imports torch, which takes seconds

    subject = open_model(model, preset, seed)
    folder = output or subject.folder
    with ExitStack() as open_things:
        if data is not None:
            patches = folder_patches(data)
        else:
            patches = source_patches(open_things.enter_context(open_source(pack))[0])
        say(f"{data or pack or 'the graph'}: {len(patches.ids):,} patches to search.")
        progress = open_things.enter_context(cancelling(open_things.enter_context(Bars())))
        found = evaluate_units(
            subject,
            patches,
            folder,
            units=tuple(unit or ()),
            most_selective=most_selective,
            device=settings().device,
            progress=progress,
        )
    lines = [f"model {subject.id}"]
    for one in found:
        lines.append(f"unit {one.number:<5} selectivity {one.selectivity:5.1f}  {' '.join(one.patches)}")
    lines.append(str(folder / "units.png"))
    facts = {"model": subject.id, "picture": str(folder / "units.png"), "units": [vars(one) for one in found]}
    answer(facts, as_json, "\n".join(lines))
