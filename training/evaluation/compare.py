"""Recipes and seeds come in; each is trained from the same start on the same number of images; one table goes out.

`small`, the suite of docs/results.md: all recipes of tables 1 and 2, by health and by retrieval.
"""

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import stats

from graph.records import Progress, no_progress
from training.encoder import Encoder
from training.evaluation.measure import evaluate_health, evaluate_retrieval
from training.loop import train
from training.recipes import Recipe, get_recipe
from training.source import TrainingSource

# What is shown, in this order; `pool5` is what the paper retrieves with (section 6.1)
COLUMNS = (
    "health/pool5/auc",
    "health/pool5/recall@1",
    "health/pool5/transitive_recall@5",
    "health/pool5/effective_rank",
    "health/embedding/auc",
    "health/embedding/transitive_recall@5",
    "retrieval/pool5/precision@1",
    "retrieval/pool5/mAP@R",
    "retrieval/pool5/kNN-20",
    "retrieval/embedding/mAP@R",
)


@dataclass(frozen=True)
class Comparison:
    """The measures of every recipe and seed."""

    measures: dict[str, list[dict[str, float]]]  # recipe → one dict a seed
    images: int  # encoded by each training
    preset: str

    def table(self) -> dict[str, dict[str, tuple[float, float]]]:
        """Return recipe → measure → (mean, half of the 95 % interval over seeds; nan for one seed)."""
        return {
            recipe: {
                name: interval([run[name] for run in runs]) for name in COLUMNS if all(name in run for run in runs)
            }
            for recipe, runs in self.measures.items()
        }

    def markdown(self) -> str:
        """Draw the table in Markdown."""
        rows = ["| recipe | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
        for recipe, cells in self.table().items():
            rows.append(f"| {recipe} | " + " | ".join(_cell(cells.get(name)) for name in COLUMNS) + " |")
        return "\n".join(rows) + "\n"

    def html(self) -> str:
        """Draw the table in HTML."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in ("recipe", *COLUMNS))
        body = "".join(
            f"<tr><th>{html.escape(recipe)}</th>"
            + "".join(f"<td>{_cell(cells.get(name))}</td>" for name in COLUMNS)
            + "</tr>"
            for recipe, cells in self.table().items()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def write(self, folder: Path) -> None:
        """Write comparison.json, .md and .html."""
        folder.mkdir(parents=True, exist_ok=True)
        about = {"preset": self.preset, "images": self.images, "measures": self.measures}
        (folder / "comparison.json").write_text(json.dumps(about, indent=1) + "\n")
        (folder / "comparison.md").write_text(self.markdown())
        (folder / "comparison.html").write_text(self.html())


def compare(
    recipes: Sequence[str],
    source_of: Callable[[str], TrainingSource],
    output: Path,
    *,
    preset: str,
    seeds: int,
    initial: Path,
    images: int = 0,
    labelled: Path | None = None,
    device: str = "auto",
    progress: Progress = no_progress,
) -> Comparison:
    """Train and measure.

    Args:
        recipes: their names.
        source_of: the source of a recipe (`transitive-hog` and `transitive-15` have links or tracks of their own).
        output: folder of the models and tables; what is finished there is not trained again.
        preset: for all of them.
        seeds: how many trainings each, with seeds 0, 1, …
        initial: the context model all start from. The row `context` is that model, as in the paper's tables.
        images: encoded by each training; 0: what the preset's `transitive` encodes.
        labelled: folder of labelled pictures to retrieve from, or None.
        device: where to train.
        progress: told which training runs.
    """
    budget = images or get_recipe("transitive", preset).iterations * get_recipe("transitive", preset).images_per_step
    measures: dict[str, list[dict[str, float]]] = {}
    for name in recipes:
        for seed in range(seeds):
            recipe = with_images(get_recipe(name, preset), budget)
            folder = initial
            if name != "context":
                folder = output / f"{name}-s{seed}"
                start = initial if recipe.initial == "context" else None
                train(recipe, source_of(name), folder, seed=seed, device=device, initial=start, progress=progress)
            measures.setdefault(name, []).append(_measure(folder, source_of("transitive"), labelled, device, output))
            if name in ("context", "imagenet"):
                break  # one model, whatever the seed
    comparison = Comparison(measures, budget, preset)
    comparison.write(output)
    return comparison


def with_images(recipe: Recipe, images: int) -> Recipe:
    """Set the schedule so that a training encodes `images` images, as near as whole batches come."""
    if not recipe.images_per_step:
        return recipe
    return replace(recipe, iterations=max(1, round(images / recipe.images_per_step)))


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and half of Student's 95 % interval of it."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, float("nan")
    return mean, float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)


def _measure(
    folder: Path, source: TrainingSource, labelled: Path | None, device: str, output: Path
) -> dict[str, float]:
    encoder = Encoder.load(folder, device)
    found: dict[str, Mapping[str, Mapping[str, float]]] = {"health": evaluate_health(encoder, source)}
    if labelled is not None:
        found["retrieval"] = evaluate_retrieval(encoder, labelled, output / f"{folder.name}-neighbours.png")
    return {
        f"{what}/{vectors}/{name}": value
        for what, by_vectors in found.items()
        for vectors, numbers in by_vectors.items()
        for name, value in numbers.items()
    }


def _cell(value: tuple[float, float] | None) -> str:
    if value is None:
        return ""
    mean, half = value
    return f"{mean:.3f}" if np.isnan(half) else f"{mean:.3f} ± {half:.3f}"
