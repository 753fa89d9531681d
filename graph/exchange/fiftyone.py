"""Writer of FiftyOne's FiftyOneImageDetectionDataset layout, with one picture per patch.

    data/<patch id>.jpg      the 96×96 JPEG
    labels.json              {"classes": […], "labels": {<patch id>: [detection]}}

The detection of a patch covers the whole picture. Its label is the patch's parent cluster; its attributes say where the
patch comes from. Load it with `fiftyone.Dataset.from_dir(FOLDER, fiftyone.types.FiftyOneImageDetectionDataset)`.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graph.exchange.objects import TrackedObject, VideoObjects
from graph.records import Patch, Video
from graph.shards import Shards

_NO_PARENT = "no parent"


def write_fiftyone(videos: Iterable[VideoObjects], shards: Shards, folder: Path) -> dict[str, int]:
    """Write all patches of tracks; returns the numbers of videos, tracks and boxes."""
    (folder / "data").mkdir(parents=True)
    labels: dict[str, list[dict[str, Any]]] = {}
    counts = {"videos": 0, "tracks": 0, "boxes": 0}
    for one in videos:
        table = shards.read(f"patches/{one.video.id}", ["id", "jpeg"])
        jpegs = dict(zip(table["id"].to_pylist(), table["jpeg"].to_pylist(), strict=True))
        for found in one.objects:
            for patch in found.patches:
                (folder / "data" / f"{patch.id}.jpg").write_bytes(jpegs[patch.id])
                labels[patch.id] = [_detection(one.video, found, patch)]
        counts["videos"] += 1
        counts["tracks"] += len(one.objects)
    classes = sorted({found[0]["label"] for found in labels.values()})
    (folder / "labels.json").write_text(json.dumps({"classes": classes, "labels": labels}))
    return counts | {"boxes": len(labels)}


def _detection(video: Video, found: TrackedObject, patch: Patch) -> dict[str, Any]:
    return {
        "label": f"parent {found.parent}" if found.parent >= 0 else _NO_PARENT,
        "bounding_box": [0.0, 0.0, 1.0, 1.0],
        "confidence": found.confidence,
        "attributes": {
            "video": video.name,
            "video_id": video.id,
            "track": f"{video.id[:8]}-{found.number}",
            "role": patch.role,
            "frame": patch.frame,
            "time_s": patch.time_s,
            "box": [patch.x, patch.y, patch.w, patch.h],
        },
    }
