"""The journal of a training: log.jsonl, TensorBoard events, and a picture of the curves."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graph.atomic_write import atomic_write
from graph.errors import StorageError

LOG = "log.jsonl"


class Journal:
    """Writer of log.jsonl: one JSON object per line, each with `step` and `loss`."""

    def __init__(self, output: Path, after_step: int) -> None:
        """Keep the lines up to `after_step`, the step of the checkpoint, and append to them."""
        self.path = output / LOG
        kept = [line for line in read_log(output) if line["step"] <= after_step] if after_step else []
        atomic_write(self.path, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = self.path.open("a", buffering=1)
        self._events = _tensorboard(output / "tensorboard", after_step)

    def write(
        self,
        step: int,
        loss: float,
        numbers: Mapping[str, float],
        held_out: Mapping[str, float],
        alarms: Sequence[str],
    ) -> None:
        """Append one line; its numbers also become TensorBoard scalars. Raises `StorageError` for a full disk.

        Held-out metrics have the prefix `health_`, their name in every log.jsonl so far.
        """
        scalars = {"loss": loss, **numbers, **{f"health_{name}": value for name, value in held_out.items()}}
        line: dict[str, Any] = {"step": step, **scalars}
        if alarms:
            line["alarm"] = "; ".join(alarms)
        try:
            self._file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise StorageError(f"{self.path} could not be written: {error.strerror}. Free some space.") from None
        if self._events is not None:
            for name, value in scalars.items():
                self._events.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close the files."""
        self._file.close()
        if self._events is not None:
            self._events.close()


def read_log(output: Path) -> list[dict[str, Any]]:
    """Return the lines of a model folder's log.jsonl, without an incomplete last line; [] without a log."""
    path = output / LOG
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


def draw_curves(output: Path) -> None:
    """Draw curves.png of every number logged more than once; does nothing where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:  # optional: a machine that only trains from a pack has torch and numpy only
        return
    lines = read_log(output)
    wanted = [
        ("loss", "loss"),
        ("active", "share of active triplets"),
        ("context_accuracy", "context accuracy (chance 0.125)"),
        ("effective_rank", "effective rank"),
        ("health_auc", "held-out AUC, tracks against random"),
    ]
    shown = [(key, title) for key, title in wanted if sum(key in line for line in lines) > 1]
    if not shown:
        return
    figure = Figure(figsize=(4 * len(shown), 3), layout="constrained")
    for place, (key, title) in enumerate(shown):
        axes = figure.add_subplot(1, len(shown), place + 1)
        points = [(line["step"], line[key]) for line in lines if key in line]
        axes.plot([x for x, _ in points], [y for _, y in points])
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    figure.savefig(output / "curves.png", dpi=90)


def _tensorboard(folder: Path, after_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # optional, as matplotlib above
        return None
    return SummaryWriter(str(folder), purge_step=after_step + 1 if after_step else None)
