"""The measures of `transitive compare --measures`, and the data of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from api.cli.proposals import proposals_of
from graph.errors import InvalidInput
from graph.records import Progress
from graph.settings import settings

if TYPE_CHECKING:
    from training.evaluation.head_measures import HeadMeasure

KNOWN = ("health", "retrieval", "probe", "detection", "normals")
_HEAD_PRESETS = {"paper": "paper", "h200": "gpu-small"}  # recipes' preset → heads' preset; default: cpu-small


@dataclass(frozen=True)
class MeasureData:
    """The folder or file with the data of each measure; None if it was not given."""

    retrieval: Path | None
    probe: Path | None
    detection: Path | None
    normals: Path | None


def parse_measures(text: str, data: MeasureData) -> tuple[str, ...]:
    """Split a comma-separated list of measures. An empty list means health and all measures whose data was given.

    Raises `InvalidInput` for an unknown measure and for a measure without data.
    """
    folders = {"retrieval": ("--data", data.retrieval), "probe": ("--probe-data", data.probe)}
    folders |= {"detection": ("--detection-data", data.detection), "normals": ("--normals-data", data.normals)}
    if not text:
        return ("health", *(name for name, (_, folder) in folders.items() if folder is not None))
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in KNOWN:
            raise InvalidInput(f"Unknown measure {name!r} in --measures. Known measures: {', '.join(KNOWN)}.")
        if name in folders and folders[name][1] is None:
            raise InvalidInput(f"--measures {name} needs its data: {folders[name][0]} FOLDER.")
    return names


def head_measures(
    names: Sequence[str], data: MeasureData, head: str, preset: str, progress: Progress
) -> list["HeadMeasure"]:
    """Read the data of the measures that train a head; raises `InvalidInput` for faulty data.

    Args:
        names: all measures of the comparison; those without a head are skipped.
        data: the data of each measure.
        head: detection head, "fast" or "faster".
        preset: preset of the recipes; it determines the preset of the heads.
        progress: receives the progress of the object proposals.
    """
    from training.evaluation.detection.layouts import read_detection
    from training.evaluation.detection.presets import get_preset as detection_preset
    from training.evaluation.head_measures import detection_measure, normals_measure, probe_measure
    from training.evaluation.normals.evaluate import get_preset as normals_preset
    from training.evaluation.normals.layouts import open_normals_data

    size = _HEAD_PRESETS.get(preset, "cpu-small")
    found = []
    if "probe" in names and data.probe:
        found.append(probe_measure(data.probe))
    if "detection" in names and data.detection:
        pictures = read_detection(data.detection)
        numbers = detection_preset(size, head, pictures.metric)
        proposals = proposals_of(pictures, data.detection, progress) if head == "fast" else None
        found.append(detection_measure(pictures, numbers, proposals))
    if "normals" in names and data.normals:
        cache = settings().home / "normals"
        found.append(normals_measure(open_normals_data(data.normals), normals_preset(size), cache))
    return found
