"""The comparison of recipes: each is trained from the same start on the same number of images, then measured."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graph.records import Progress, no_progress
from training.batches import steps_for
from training.context import context_batch
from training.encoder import Encoder
from training.evaluation.head_measures import HeadMeasure
from training.evaluation.head_training import HeadRun
from training.evaluation.kept import measured_on, read_measures, write_measures
from training.evaluation.measure import evaluate_by_kind, evaluate_held_out, evaluate_retrieval, require_held_out_tracks
from training.evaluation.subject import open_subject
from training.evaluation.table import PAPER, Comparison
from training.loop import train
from training.model_folder import read_card
from training.recipe import STARTS, Recipe
from training.recipes import get_recipe, with_iterations
from training.source import TrainingSource
from training.source_checks import check_learnable

_SAMPLED_BATCHES = 20  # to estimate how many patches the frames give
_ONE_MODEL = (*STARTS, "imagenet")  # rows with one model for all seeds: the start itself, and weights from a file


def compare(
    recipes: Sequence[str],
    source_of: Callable[[str], TrainingSource],
    output: Path,
    *,
    preset: str,
    seeds: int,
    initial: Path,
    image_budget: int = 0,
    labelled: Path | None = None,
    kinds: Sequence[str] | None = None,
    health: bool = True,
    heads: Sequence[HeadMeasure] = (),
    device: str = "auto",
    facts: Mapping[str, Any] | None = None,
    progress: Progress = no_progress,
) -> Comparison:
    """Train every recipe with every seed, measure the models, and write one table.

    Args:
        recipes: their names.
        source_of: returns the source of a recipe (`transitive-hog` and `transitive-15` have their own links or
            tracks). All models are measured on the source of `transitive`.
        output: folder of the models and tables. Finished models are neither trained nor measured again;
            interrupted trainings are resumed.
        preset: preset of all recipes.
        seeds: number of trainings of each recipe, with seeds 0, 1, …
        initial: the model that all start from. The row with the name of its recipe is that model, as `context` in the
            paper's tables.
        image_budget: images that each training encodes; 0: as many as the preset's `transitive` encodes.
        labelled: folder of labelled pictures for the retrieval measures, or None.
        kinds: kind of the object in each video of the source of `transitive`, by the video's number, or None.
        health: whether held-out tracks are measured.
        heads: measures that train a head. The start is one model, and has a head of every seed.
        device: where to train.
        facts: printed above the table.
        progress: receives the running training and the number of finished ones.
    """
    # Both raise for missing data here, before hours of training.
    if health:
        require_held_out_tracks(source_of("transitive"))
    on = measured_on(source_of("transitive"), labelled, kinds, health)
    start = str(read_card(initial)["recipe"])
    usual = get_recipe("transitive", preset)
    budget = image_budget or usual.iterations * usual.images_per_step
    runs = [(name, seed) for name in recipes for seed in range(1 if name in _ONE_MODEL else seeds)]
    places = {(name, seed): initial if name == start else output / f"{name}-s{seed}" for name, seed in runs}
    files = {(name, seed): output / f"{name}-s{seed}-measures.json" for name, seed in runs}
    found = {run: read_measures(files[run], places[run], on) for run in runs}
    for done, (name, seed) in enumerate(runs):
        progress("comparison", done, len(runs), "models")
        folder = places[name, seed]
        if name != start:
            recipe = with_image_budget(get_recipe(name, preset, start), budget, source_of(name), seed)
            weights = initial if recipe.initial in STARTS else None
            train(recipe, source_of(name), folder, seed=seed, device=device, initial=weights, progress=progress)
        if found[name, seed] is None:
            picture = output / f"{name}-s{seed}-neighbours.png"
            measured = source_of("transitive") if health else None
            measures = _measure(folder, measured, labelled, kinds, device, picture, progress)
            write_measures(files[name, seed], folder, on, measures)
            found[name, seed] = measures
        for head in heads:
            for head_seed in range(seeds) if name in _ONE_MODEL and head.seeded else (seed,):
                numbers = _measure_head(head, folder, output / f"{name}-s{head_seed}", head_seed, device, progress)
                paper = {f"{head.name}/{PAPER}": head.paper[name]} if name in head.paper else {}
                found[name, head_seed] = (found.get((name, head_seed)) or {}) | numbers | paper
        # The table so far is written, because a comparison takes hours and people read it before the end.
        comparison = _table(found, output, budget, preset, dict(facts or {}))
        comparison.write(output)
    progress("comparison", len(runs), len(runs), "models")
    return comparison


def _table(
    found: Mapping[tuple[str, int], dict[str, float] | None],
    output: Path,
    image_budget: int,
    preset: str,
    facts: dict[str, Any],
) -> Comparison:
    measures: dict[str, list[dict[str, float]]] = {}
    pictures = []
    for (name, seed), numbers in found.items():
        if numbers is not None:
            measures.setdefault(name, []).append(numbers)
            picture = output / f"{name}-s{seed}-neighbours.png"
            pictures += [picture.name] if picture.is_file() else []
    return Comparison(measures, image_budget, preset, facts, tuple(pictures))


def with_image_budget(recipe: Recipe, images: int, source: TrainingSource, seed: int) -> Recipe:
    """Set the length of the schedule so that a training encodes about `images` images, in whole batches."""
    if not recipe.has_ranking_loss:
        return recipe
    table = source.table()
    check_learnable(table, recipe)
    more = 2.0 * (recipe.contrast_pictures + recipe.added_tracks)
    if recipe.predict_context:
        frames = list(source.frames())
        more += float(
            np.mean([len(context_batch(frames, recipe, seed, step).patches) for step in range(_SAMPLED_BATCHES)])
        )
    return with_iterations(recipe, steps_for(images, source, recipe, table, seed, more))


def _measure_head(
    head: HeadMeasure, folder: Path, place: Path, seed: int, device: str, progress: Progress
) -> dict[str, float]:
    """Return a head's numbers for the model in `folder`; kept in `place`-NAME.json, its run in `place`-NAME."""
    file = place.with_name(f"{place.name}-{head.name}.json")
    kept = read_measures(file, folder, head.fingerprint)
    if kept is None:
        run = place.with_name(f"{place.name}-{head.name}")
        measured = head.measure(open_subject(str(folder), run), HeadRun(run, seed, device, progress))
        kept = {f"{head.name}/{name}": value for name, value in measured.items()}
        write_measures(file, folder, head.fingerprint, kept)
    return kept


def _measure(
    folder: Path,
    source: TrainingSource | None,
    labelled: Path | None,
    kinds: Sequence[str] | None,
    device: str,
    picture: Path,
    progress: Progress,
) -> dict[str, float]:
    encoder = Encoder.load(folder, device)
    found: dict[str, Mapping[str, Mapping[str, float]]] = {}
    if source is not None:
        found["health"] = evaluate_held_out(encoder, source, progress)
        if kinds is not None:
            found["kinds"] = evaluate_by_kind(encoder, source, kinds)
    if labelled is not None:
        found["retrieval"] = evaluate_retrieval(encoder, labelled, picture, progress)
    card = read_card(folder)
    return {"training/images": float(card["images_encoded"]), "training/seconds": float(card["seconds"])} | {
        f"{what}/{vectors}/{name}": value
        for what, by_vectors in found.items()
        for vectors, numbers in by_vectors.items()
        for name, value in numbers.items()
    }
