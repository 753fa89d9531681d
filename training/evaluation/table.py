"""The table of a comparison in Markdown, HTML and JSON, with means and 95 % intervals over seeds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from scipy import stats

from graph.atomic_write import atomic_write

PAPER = "paper"  # last part of the columns with the paper's own numbers
# The columns in this order, measure → title. The paper retrieves by pool5 (section 6.1).
COLUMNS = {
    "training/images": "images",
    "health/pool5/auc": "health, pool5: AUC",
    "health/pool5/recall@1": "recall@1",
    "health/pool5/transitive_auc": "transitive AUC",
    "health/pool5/transitive_recall@5": "transitive recall@5",
    "health/pool5/effective_rank": "effective rank",
    "health/embedding/auc": "health, embedding: AUC",
    "health/embedding/recall@1": "recall@1",
    "health/embedding/transitive_auc": "transitive AUC",
    "health/embedding/transitive_recall@5": "transitive recall@5",
    "kinds/pool5/precision@1": "kind of another video, pool5: precision@1",
    "kinds/embedding/precision@1": "embedding: precision@1",
    "retrieval/pool5/precision@1": "retrieval, pool5: precision@1",
    "retrieval/pool5/mAP@R": "mAP@R",
    "retrieval/pool5/kNN-20": "kNN-20",
    "retrieval/embedding/precision@1": "retrieval, embedding: precision@1",
    "retrieval/embedding/mAP@R": "mAP@R",
    "retrieval/embedding/kNN-20": "kNN-20",
    "multiview/pool5/precision@1": "category, pool5: precision@1",
    "multiview/pool5/mAP@R": "mAP@R",
    "multiview/pool5/far precision@1": "far views: precision@1",
    "multiview/pool5/far mAP@R": "mAP@R",
    "multiview/embedding/precision@1": "category, embedding: precision@1",
    "multiview/embedding/mAP@R": "mAP@R",
    "multiview/embedding/far precision@1": "far views: precision@1",
    "multiview/embedding/far mAP@R": "mAP@R",
    "probe/conv3/linear": "probe: linear classifier, conv3",
    "probe/conv4/linear": "conv4",
    "probe/conv5/linear": "conv5",
    "probe/embedding/linear": "embedding",
    "probe/conv5/kNN-20": "kNN-20, conv5",
    "probe/embedding/kNN-20": "embedding",
    "detection/mAP": "detection: mAP",
    "detection/AP": "detection: AP",
    "detection/AP50": "AP50",
    "detection/AP75": "AP75",
    "detection/AP small": "AP small",
    "detection/AP medium": "AP medium",
    "detection/AP large": "AP large",
    f"detection/{PAPER}": "the paper's",
    "normals/mean": "normals: mean angle in degrees",
    "normals/median": "median",
    "normals/within 11.25": "within 11.25°",
    "normals/within 22.5": "22.5°",
    "normals/within 30": "30°",
    f"normals/{PAPER}": "the paper's mean",
}
_TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)


@dataclass(frozen=True)
class Comparison:
    """The measures of every recipe and seed."""

    measures: dict[str, list[dict[str, float]]]  # recipe → one dictionary per seed
    images: int  # number of images that each training encodes
    preset: str
    facts: dict[str, Any] = field(default_factory=dict)  # start, generations and device of the comparison
    pictures: tuple[str, ...] = ()  # files beside the table: nearest neighbours (figure 7)

    def table(self) -> dict[str, dict[str, tuple[float, float]]]:
        """Return recipe → measure → (mean, half of the 95 % interval over seeds; nan for one seed).

        A measure may have fewer seeds than another: one model has one health, and a detector of every seed.
        """
        values = {
            recipe: {name: [run[name] for run in runs if name in run] for name in COLUMNS}
            for recipe, runs in self.measures.items()
        }
        return {
            recipe: {name: interval(some) for name, some in by_name.items() if some}
            for recipe, by_name in values.items()
        }

    @property
    def columns(self) -> list[str]:
        """The measures that at least one recipe has."""
        return [name for name in COLUMNS if any(name in cells for cells in self.table().values())]

    def markdown(self) -> str:
        """Return the table in Markdown."""
        columns = self.columns
        lines = [
            "| recipe | " + " | ".join(COLUMNS[name] for name in columns) + " |",
            "|---" * (len(columns) + 1) + "|",
        ]
        lines += [f"| {recipe} | " + " | ".join(cells) + " |" for recipe, cells in self._rows().items()]
        return "\n".join(lines) + "\n"

    def html(self) -> str:
        """Return a page with the table and the pictures of nearest neighbours."""
        titles = [COLUMNS[name] for name in self.columns]
        return _TEMPLATES.get_template("comparison.html").render(
            facts=self._about(), titles=titles, rows=self._rows(), pictures=self.pictures
        )

    def write(self, folder: Path) -> None:
        """Write comparison.json, .md and .html."""
        about = self._about() | {"measures": self.measures, "table": self.table()}
        atomic_write(folder / "comparison.json", json.dumps(_without_nan(about), indent=1) + "\n")
        facts = "".join(f"- {name}: {value}\n" for name, value in self._about().items())
        atomic_write(folder / "comparison.md", f"{facts}\n{self.markdown()}")
        atomic_write(folder / "comparison.html", self.html())

    def _rows(self) -> dict[str, list[str]]:
        columns = self.columns
        return {recipe: [_cell(name, cells.get(name)) for name in columns] for recipe, cells in self.table().items()}

    def _about(self) -> dict[str, Any]:
        seeds = max((len(runs) for runs in self.measures.values()), default=0)
        return {"preset": self.preset, "images a training encodes": self.images, "seeds": seeds, **self.facts}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and half of its 95 % confidence interval (Student's t; nan for one value)."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, float("nan")
    return mean, float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)


def _cell(name: str, value: tuple[float, float] | None) -> str:
    if value is None:
        return ""
    mean, half = value
    if name == "training/images":
        return f"{mean:,.0f}"
    if name.endswith(f"/{PAPER}"):
        return f"{mean:g}"
    return f"{mean:.3f}" if np.isnan(half) else f"{mean:.3f} ± {half:.3f}"


def _without_nan(value: Any) -> Any:
    """Replace nan, which JSON lacks, by None."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
