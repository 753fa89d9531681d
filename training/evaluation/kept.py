"""Files with the measures of a comparison; a file is valid while its model and its data are unchanged.

A comparison that is repeated, for more seeds or after Ctrl-C, reads them and measures only the other models.
"""

import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from graph.atomic_write import atomic_write
from training.evaluation.retrieval import labelled_files
from training.model_folder import CARD, read_card
from training.source import TrainingSource


def measured_on(
    source: TrainingSource, labelled: Path | None, kinds: Sequence[str] | None = None, health: bool = True
) -> str:
    """Return a hash of the data to measure on: held-out tracks of a source, labelled pictures, kinds of its videos."""
    files = labelled_files(labelled)[0] if labelled else []
    sizes = [(str(file), label, file.stat().st_size) for file, label in files]
    about: list[object] = [source.generation, source.fingerprint, sizes]
    if kinds is not None:
        about.append(list(kinds))
    if not health:
        about.append("without held-out tracks")
    text = json.dumps(about)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def read_measures(file: Path, folder: Path, on: str) -> dict[str, float] | None:
    """Return the kept measures of the finished model in `folder`; None if there are none for this model and data."""
    if not file.is_file() or not (folder / CARD).is_file():
        return None
    kept = json.loads(file.read_text())
    measures: dict[str, float] = kept["measures"]
    return measures if (kept["model"], kept["on"]) == (read_card(folder)["id"], on) else None


def write_measures(file: Path, folder: Path, on: str, measures: dict[str, float]) -> None:
    """Keep the measures of the model in `folder`."""
    kept = {"model": read_card(folder)["id"], "on": on, "measures": measures}
    atomic_write(file, json.dumps(kept, indent=2) + "\n")
