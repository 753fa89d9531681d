"""Figures of docs/results.md, drawn from its own tables, so a figure and its table never differ.

python -m tests.benchmarks.results_figures [docs/results.md]
"""

import re
import sys
from pathlib import Path

from matplotlib.figure import Figure

_CELL = re.compile(r"(-?[\d.]+)(?: ± ([\d.]+))?")
_COLOURS = {  # of docs/results.md's tables of ETH-80, in their order
    "72,000 images from contrast": "#15803d",
    "24,000 images from contrast": "#2563eb",
    "24,000 images from context": "#d97706",
}


def tables(text: str, first_column: str) -> list[dict[str, list[str]]]:
    """Return every table whose first column has this title: row → cells, the header under "header"."""
    found: list[dict[str, list[str]]] = []
    rows: dict[str, list[str]] = {}
    for line in [*text.splitlines(), ""]:
        cells = [cell.strip().replace("**", "") for cell in line.strip().strip("|").split("|")]
        if line.startswith(f"| {first_column} |"):
            rows = {"header": cells[1:]}
            found.append(rows)
        elif rows and line.startswith("|") and not line.startswith("|---"):
            rows[cells[0]] = cells[1:]
        elif not line.startswith("|"):
            rows = {}
    return found


def value(cell: str) -> tuple[float, float]:
    """Read `0.392 ± 0.004` as a mean and half an interval, 0 where none is given."""
    match = _CELL.search(cell)
    if match is None:
        raise ValueError(f"no number in {cell!r}")
    return float(match[1]), float(match[2] or 0)


def draw_recipes(text: str, path: Path) -> None:
    """Draw mAP@R of pool5 on ETH-80 by recipe, for each budget and start, with the intervals over seeds."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    studies = [one for one in tables(text, "recipe") if "pool5: P@1" in one["header"]][: len(_COLOURS)]
    names = [name for name in studies[0] if name != "header"]
    for place, (start, study) in enumerate(zip(_COLOURS, studies, strict=True)):
        for name, cells in study.items():
            if name == "header" or not any(
                name.split(" (")[0] == known.split(" (")[0] for known in [*names, "context"]
            ):
                continue
            mean, half = value(cells[1])
            label = "the start" if "(the start)" in name else name
            row = [("the start" if "(the start)" in known else known) for known in names].index(label)
            offset = 0.2 * (place - 1)
            axes.errorbar(mean, row + offset, xerr=half, fmt="o", color=_COLOURS[start], capsize=3)
    axes.set_yticks(range(len(names)), [("the start" if "(the start)" in name else name) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel("mAP@R of pool5, with 95 % intervals over three seeds and objects")
    for start, colour in _COLOURS.items():
        axes.plot([], [], "o", color=colour, label=start)
    axes.legend(fontsize=8, loc="lower left")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=90, metadata={"Software": None})


def draw_purity(text: str, path: Path) -> None:
    """Draw mAP@R of pool5 on ETH-80 against the share of right links."""
    (table,) = tables(text, "right")
    studies = [one for one in tables(text, "recipe") if "pool5: P@1" in one["header"]]
    tracks, _ = value(studies[1]["tracking"][1])  # 24,000 images, as all points
    figure = Figure(figsize=(5.4, 3.2), layout="constrained")
    axes = figure.add_subplot()
    rows = {name: cells for name, cells in table.items() if name != "header"}
    shares = [97 if name.startswith("as linked") else float(name.removesuffix(" %")) for name in rows]
    for column, (recipe, mark) in enumerate(zip(table["header"], "os", strict=True)):
        points = [value(cells[column]) for cells in rows.values()]
        places = [share + 0.4 * (2 * column - 1) for share in shares]
        means, halves = zip(*points, strict=True)
        axes.errorbar(places, means, yerr=halves, fmt=f"{mark}-", capsize=3, label=recipe, linewidth=1)
    axes.axhline(tracks, color="grey", linestyle="--", linewidth=1, label="tracking, no links")
    axes.set_xlabel("links that join two objects of one category, %")
    axes.set_ylabel("mAP@R of pool5")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower left")
    figure.savefig(path, dpi=90, metadata={"Software": None})


def main() -> None:
    """Draw both figures into the folder `pictures` beside the page."""
    page = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/results.md")
    text, folder = page.read_text(), page.parent / "pictures"
    draw_recipes(text, folder / "results-eth80.png")
    draw_purity(text, folder / "results-purity.png")


if __name__ == "__main__":
    main()
