"""The loss curve of a training as inline SVG."""

import html
import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from training.journal import read_log


def read_losses(folder: Path) -> list[tuple[int, float]]:
    """Return (step, loss) of every line in a model folder's log; [] without a log."""
    return [(int(line["step"]), float(line["loss"])) for line in read_log(folder)]


def draw(losses: Sequence[tuple[int, float]], label: str) -> str:
    """Return an SVG element with the curve and `label` as its accessible name; "" for fewer than two points."""
    if len(losses) < 2:
        return ""
    figure = Figure(figsize=(6.4, 2.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(*zip(*losses, strict=True), linewidth=1.2)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.3)
    text = io.StringIO()
    # A fixed salt and no date, so that the same losses give the same report; text as text, so that it can be read.
    with rc_context({"svg.hashsalt": label, "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    element = text.getvalue()[text.getvalue().index("<svg") :].strip()
    return element.replace("<svg ", f'<svg role="img" aria-label="{html.escape(label)}" ', 1)
