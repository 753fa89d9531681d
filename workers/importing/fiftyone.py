"""Reader of labels.json of `transitive export --format fiftyone`, also of a selection that FiftyOne wrote again.

The attributes of a detection say from which video, track and frame its patch comes. The pictures in data/ are not read:
the patches are cut out of the video again.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graph.errors import InvalidInput
from workers.importing.exported import ExportedPatch, exported_sequences
from workers.importing.json_file import read_json, rectangle, trust_of
from workers.importing.sequences import TrackedSequence

_ATTRIBUTES = ("video", "video_id", "track", "role")  # texts


def is_fiftyone(content: Any) -> bool:
    """Return whether parsed JSON has the form of FiftyOne's labels.json."""
    return isinstance(content, dict) and "labels" in content and "annotations" not in content


def read_fiftyone(file: Path, media: Path | None) -> list[TrackedSequence]:
    """Read the sequences of all videos.

    Args:
        file: labels.json.
        media: folder of the videos, or the file of the only video; None: the folder of `file`.

    Raises:
        InvalidInput: the file was not written by the export, lacks an attribute, or a video is missing.
    """
    content = read_json(file)
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, dict):
        raise InvalidInput(f"{file} is not FiftyOne's labels.json: it must be an object with the object labels.")
    names: dict[str, str] = {}
    patches = []
    for sample, detection in _detections(file, labels):
        where = f"sample {sample[:60]}"
        attributes = detection.get("attributes")
        if not isinstance(attributes, dict) or not all(_is_text(attributes.get(name)) for name in _ATTRIBUTES):
            raise InvalidInput(
                f"{file.name}, {where}: the detection lacks one of the attributes {', '.join(_ATTRIBUTES)}. "
                "Only what `transitive export --format fiftyone` wrote can be imported."
            )
        frame, box = attributes.get("frame"), rectangle(attributes.get("box"))
        if not isinstance(frame, int) or isinstance(frame, bool) or frame < 0:
            raise InvalidInput(f"{file.name}, {where}: the attribute frame must be a number from 0.")
        if box is None:
            raise InvalidInput(f"{file.name}, {where}: the attribute box must be x, y, width, height.")
        if attributes["role"] not in ("start", "end"):
            raise InvalidInput(f"{file.name}, {where}: the attribute role must be start or end.")
        video, track = attributes["video_id"], attributes["track"]
        if names.setdefault(video, attributes["video"]) != attributes["video"]:
            raise InvalidInput(f"{file.name}, {where}: video_id {video[:60]} has two names.")
        trust = trust_of(detection.get("confidence"))
        patches.append(ExportedPatch(video, track, attributes["role"], frame, box, trust, where))
    return exported_sequences(file, "fiftyone", names, patches, media, {})


def _detections(file: Path, labels: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for sample, detections in labels.items():
        if detections is None:  # FiftyOne writes null for a sample without detections
            continue
        if not isinstance(detections, list) or not all(isinstance(one, dict) for one in detections):
            raise InvalidInput(f"{file.name}, sample {sample[:60]}: the label must be a list of detections.")
        for detection in detections:
            yield sample, detection


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
