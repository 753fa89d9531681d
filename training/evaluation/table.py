"""Measures of recipes and seeds come in; one table (Markdown, HTML, JSON) with means and 95 % intervals goes out."""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

# What is shown, in this order, and under which name; `pool5` is what the paper retrieves with (section 6.1)
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
    "retrieval/pool5/precision@1": "retrieval, pool5: precision@1",
    "retrieval/pool5/mAP@R": "mAP@R",
    "retrieval/pool5/kNN-20": "kNN-20",
    "retrieval/embedding/precision@1": "retrieval, embedding: precision@1",
    "retrieval/embedding/mAP@R": "mAP@R",
    "retrieval/embedding/kNN-20": "kNN-20",
}
_STYLE = (
    "body{font:15px sans-serif;margin:2em}table{border-collapse:collapse}"
    "th,td{border:1px solid #ccc;padding:4px 8px;text-align:right}th{background:#f4f4f4}img{max-width:100%}"
)


@dataclass(frozen=True)
class Comparison:
    """The measures of every recipe and seed."""

    measures: dict[str, list[dict[str, float]]]  # recipe → one dict a seed
    images: int  # each training was given to encode
    preset: str
    facts: dict[str, Any] = field(default_factory=dict)  # where it comes from: start, generations, device
    pictures: tuple[str, ...] = ()  # files beside the table: nearest neighbours (figure 7)

    def table(self) -> dict[str, dict[str, tuple[float, float]]]:
        """Return recipe → measure → (mean, half of the 95 % interval over seeds; nan for one seed)."""
        return {
            recipe: {
                name: interval([run[name] for run in runs]) for name in COLUMNS if all(name in run for run in runs)
            }
            for recipe, runs in self.measures.items()
        }

    @property
    def columns(self) -> list[str]:
        """The measures that some recipe has."""
        return [name for name in COLUMNS if any(name in cells for cells in self.table().values())]

    def markdown(self) -> str:
        """Draw the table in Markdown."""
        columns = self.columns
        rows = ["| recipe | " + " | ".join(COLUMNS[name] for name in columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for recipe, cells in self.table().items():
            rows.append(f"| {recipe} | " + " | ".join(_cell(name, cells.get(name)) for name in columns) + " |")
        return "\n".join(rows) + "\n"

    def html(self) -> str:
        """Draw a page with the table and the pictures of nearest neighbours."""
        columns = self.columns
        head = "".join(f"<th>{html.escape(name)}</th>" for name in ("recipe", *(COLUMNS[name] for name in columns)))
        body = "".join(
            f"<tr><th>{html.escape(recipe)}</th>"
            + "".join(f"<td>{_cell(name, cells.get(name))}</td>" for name in columns)
            + "</tr>"
            for recipe, cells in self.table().items()
        )
        facts = "".join(f"<li>{html.escape(f'{name}: {value}')}</li>" for name, value in self._about().items())
        shown = "".join(
            f'<h2>{html.escape(name)}</h2><img src="{html.escape(name)}" alt="nearest neighbours">'
            for name in self.pictures
        )
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Comparison</title><style>{_STYLE}</style>'
            f"<h1>Comparison of recipes</h1><ul>{facts}</ul>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{shown}</html>\n"
        )

    def write(self, folder: Path) -> None:
        """Write comparison.json, .md and .html."""
        folder.mkdir(parents=True, exist_ok=True)
        about = self._about() | {"measures": self.measures, "table": self.table()}
        (folder / "comparison.json").write_text(json.dumps(_without_nan(about), indent=1) + "\n")
        facts = "".join(f"- {name}: {value}\n" for name, value in self._about().items())
        (folder / "comparison.md").write_text(f"{facts}\n{self.markdown()}")
        (folder / "comparison.html").write_text(self.html())

    def _about(self) -> dict[str, Any]:
        seeds = max((len(runs) for runs in self.measures.values()), default=0)
        return {"preset": self.preset, "images a training encodes": self.images, "seeds": seeds, **self.facts}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and half of Student's 95 % interval of it."""
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
    return f"{mean:.3f}" if np.isnan(half) else f"{mean:.3f} ± {half:.3f}"


def _without_nan(value: Any) -> Any:
    """Turn nan, which JSON does not have, into null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
