"""The multi-view study: recipes learn from some objects of each category and are measured on others.

The measure is retrieval by category. Fold s trains with seed s and reports object s of every category, so an interval
over seeds is also one over objects.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph.linking.parameters import LinkParameters
from graph.records import Progress, no_progress
from training.encoder import Encoder
from training.evaluation.compare import with_image_budget
from training.evaluation.kept import read_measures, write_measures
from training.evaluation.multiview_data import Fold, MultiviewSource, Views, fold_of, linked_source
from training.evaluation.multiview_metrics import multiview_metrics
from training.evaluation.table import Comparison
from training.loop import train
from training.model_folder import read_card
from training.recipe import STARTS
from training.recipes import get_recipe
from training.source import TrainingSource, WithPictureFolder

GROWN = "contrast-transitive, linked anew"  # by features of the trained contrast-tracking
_GROWN_FROM = ("contrast-tracking", "contrast-transitive")


def compare_multiview(
    rows: Sequence[str],
    views: Views,
    output: Path,
    *,
    preset: str,
    seeds: Sequence[int],
    initial: Path,
    images: Path | None,
    image_budget: int,
    device: str = "auto",
    parameters: LinkParameters | None = None,
    change: Callable[[MultiviewSource, int], MultiviewSource] | None = None,
    progress: Progress = no_progress,
) -> Comparison:
    """Train every row with every seed from the same start, measure on the reported objects, and write one table.

    Args:
        rows: names of recipes; the start's own recipe is the start as it is; `GROWN` comes after contrast-tracking.
        views: all objects.
        output: folder of models and tables; finished models are not trained again.
        preset: of all recipes.
        seeds: seed s also selects fold s.
        initial: folder of the model that all start from and that the links are made with.
        images: folder of pictures for recipes that contrast them; None: the views of the learned objects.
        image_budget: images that each training encodes.
        device: where to train.
        parameters: of linking; None: the defaults.
        change: function applied to a seed's source before training, or None.
        progress: receives the running training and the number of finished ones.
    """
    start = str(read_card(initial)["recipe"])
    by = parameters or LinkParameters()
    measures: dict[str, list[dict[str, float]]] = {row: [] for row in rows}
    facts: dict[str, Any] = {"start": read_card(initial)["id"], "links": []}
    for done, seed in enumerate(seeds):
        fold = fold_of(views, seed)
        source = _source(fold, initial, seed, by, device)
        source = change(source, seed) if change else source
        facts["links"].append(_links_in_words(source))
        for number, row in enumerate(rows):
            progress("multiview study", done * len(rows) + number, len(seeds) * len(rows), "models")
            folder = initial if row == start else output / f"{row.replace(', ', '-').replace(' ', '-')}-s{seed}"
            learned = source
            if row == GROWN:
                learned = _source(fold, output / f"{_GROWN_FROM[0]}-s{seed}", seed, by, device)
                facts.setdefault("links, anew", []).append(_links_in_words(learned))
            if row != start:
                name = _GROWN_FROM[1] if row == GROWN else row
                _train(name, learned, folder, preset, start, initial, images, image_budget, seed, device, progress)
            kept, on = output / f"{folder.name}-s{seed}-measures.json", f"{source.generation}-{seed}"
            found = read_measures(kept, folder, on)
            if found is None:
                found = _measure(folder, fold, device)
                write_measures(kept, folder, on, found)
            measures[row].append(found)
            comparison = Comparison({row: runs for row, runs in measures.items() if runs}, image_budget, preset, facts)
            comparison.write(output)
    progress("multiview study", len(seeds) * len(rows), len(seeds) * len(rows), "models")
    return comparison


def _source(fold: Fold, model: Path, seed: int, parameters: LinkParameters, device: str) -> MultiviewSource:
    features = Encoder.load(model, device).pool5(fold.learned.pixels)
    return linked_source(fold.learned, features, str(read_card(model)["id"]), seed, parameters)


def _train(
    name: str,
    source: MultiviewSource,
    folder: Path,
    preset: str,
    start: str,
    initial: Path,
    images: Path | None,
    image_budget: int,
    seed: int,
    device: str,
    progress: Progress,
) -> None:
    recipe = get_recipe(name, preset, start)
    reading: TrainingSource = WithPictureFolder(source, images) if images else source
    recipe = with_image_budget(recipe, image_budget, reading, seed)
    weights = initial if recipe.initial in STARTS else None
    train(recipe, reading, folder, seed=seed, device=device, initial=weights, progress=progress)


def _measure(folder: Path, fold: Fold, device: str) -> dict[str, float]:
    encoder, card = Encoder.load(folder, device), read_card(folder)
    out = {"training/images": float(card["images_encoded"]), "training/seconds": float(card["seconds"])}
    encoders = {"pool5": encoder.pool5} | ({"embedding": encoder.embed} if encoder.model.embedding_dim else {})
    for vectors, encode in encoders.items():
        asked, held = encode(fold.reported.pixels), encode(fold.learned.pixels)
        found: Mapping[str, float] = multiview_metrics(asked, fold.reported, held, fold.learned)
        out |= {f"multiview/{vectors}/{name}": value for name, value in found.items()}
    return out


def _links_in_words(source: MultiviewSource) -> str:
    """Describe the number of links and the share of correct ones; categories are used for this text only."""
    if not len(source.edges):
        return "none"
    category = source.views.category[source.edges]
    right = float((category[:, 0] == category[:, 1]).mean())
    linked = len(np.unique(source.edges)) / len(source.views.jpegs)
    return f"{len(source.edges)} ({right:.1%} right, {linked:.0%} of the views linked)"
