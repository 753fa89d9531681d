"""`transitive compare --suite multiview`: comparison of recipes on multi-view pictures, without graph or server."""

from pathlib import Path

import typer

from api.cli.interrupt import cancelling
from api.cli.terminal import Bars, answer
from graph.settings import settings

MULTIVIEW = "multiview"


def compare_objects(
    rows: list[str] | None,
    data: Path | None,
    images: Path | None,
    preset: str,
    seeds: int,
    budget: int,
    output: Path | None,
    initial: Path | None,
    start: str,
    as_json: bool,
) -> None:
    """Run the multi-view study on the objects in `data`.

    If `initial` is None, the initial model is trained first, on the pictures in `images`.
    """
    from training.devices import choose_device
    from training.evaluation.multiview import GROWN, compare_multiview
    from training.evaluation.multiview_data import read_views
    from training.loop import train
    from training.model_folder import read_card
    from training.recipes import get_recipe, with_iterations
    from training.source import NoVideos, WithPictureFolder
    from training.suites import START, get_suite

    if data is None or not data.is_dir():
        raise typer.BadParameter("Name the folder of objects (category/object/view.jpg): --data DIR.")
    if images is None or not images.is_dir():
        raise typer.BadParameter("Name a folder of pictures to train the initial model on: --images DIR.")
    device = settings().device
    plan = get_suite(MULTIVIEW, choose_device(device).type)
    preset = preset or plan.preset
    begin = str(read_card(initial)["recipe"]) if initial else start
    names = [begin if row == START else row for row in rows or plan.recipes]
    recipe = with_iterations(get_recipe(begin, preset), plan.start_iterations.get(begin, 0))
    for name in names:
        if name != GROWN:
            get_recipe(name, preset, begin)
    folder = output or settings().home / "comparisons" / f"{MULTIVIEW}-{preset}-{begin}"
    views = read_views(data)
    with Bars() as bars, cancelling(bars) as progress:
        if initial is None:
            initial = folder / begin
            train(recipe, WithPictureFolder(NoVideos(), images), initial, device=device, progress=progress)
        found = compare_multiview(
            names,
            views,
            folder,
            preset=preset,
            seeds=range(seeds or plan.seeds),
            initial=initial,
            images=images,
            image_budget=budget or plan.image_budget,
            device=device,
            progress=progress,
        )
    facts = {"folder": str(folder), "preset": preset, "seeds": seeds or plan.seeds, "images": found.images}
    answer({**facts, "table": found.table()}, as_json, f"{found.markdown()}\n{folder / 'comparison.html'}")
