"""What was measured of a model is kept in a file; it comes back as long as the model and what it is measured on stay.

A comparison that is run again, for more seeds or after Ctrl-C, measures nothing twice and its table loses no row.
"""

import json
from hashlib import blake2b
from pathlib import Path

from training.checkpoints import write_whole
from training.evaluation.retrieval import labelled_files
from training.model_folder import CARD, read_card
from training.source import TrainingSource


def measured_on(source: TrainingSource, labelled: Path | None) -> str:
    """Name what models are measured on: the held-out tracks of a source, and a folder of labelled pictures."""
    files = labelled_files(labelled)[0] if labelled else []
    sizes = [(str(file), label, file.stat().st_size) for file, label in files]
    text = json.dumps([source.generation, source.fingerprint, sizes])
    return blake2b(text.encode(), digest_size=8).hexdigest()


def read_measures(file: Path, folder: Path, on: str) -> dict[str, float] | None:
    """Return what was measured of the finished model in `folder`; None where that is not known."""
    if not file.is_file() or not (folder / CARD).is_file():
        return None
    kept = json.loads(file.read_text())
    measures: dict[str, float] = kept["measures"]
    return measures if (kept["model"], kept["on"]) == (read_card(folder)["id"], on) else None


def write_measures(file: Path, folder: Path, on: str, measures: dict[str, float]) -> None:
    """Keep what was measured of the model in `folder`."""
    kept = {"model": read_card(folder)["id"], "on": on, "measures": measures}
    write_whole(file, (json.dumps(kept, indent=2) + "\n").encode())
