"""Writer of COCO-style JSON (https://cocodataset.org/#format-data) with videos and track ids.

`images` are the frames that have a box; their `frame_id` counts from 0. Whole frames are not kept after mining, so
`file_name` is only a name: readers extract the frames from the videos named in `videos[].name`.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graph.exchange.names import file_stem
from graph.exchange.objects import VideoObjects


def write_coco(videos: Iterable[VideoObjects], file: Path) -> dict[str, int]:
    """Write all videos into one file; returns the numbers of videos, tracks and boxes."""
    content: dict[str, list[dict[str, Any]]] = {
        "videos": [],
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "object"}],
    }
    tracks = 0
    for number, one in enumerate(videos, 1):
        video, stem = one.video, file_stem(one.video)
        content["videos"].append({"id": number, "name": video.name, "fps": video.fps, "video": video.id})
        images: dict[int, int] = {}
        for frame in sorted({patch.frame for found in one.objects for patch in found.patches}):
            images[frame] = len(content["images"]) + 1
            image = {"id": images[frame], "video_id": number, "frame_id": frame}
            size = {"width": video.width, "height": video.height}
            content["images"].append({**image, **size, "file_name": f"{stem}/{frame:06d}.jpg"})
        for found in one.objects:
            for patch in found.patches:
                content["annotations"].append(
                    {
                        "id": len(content["annotations"]) + 1,
                        "image_id": images[patch.frame],
                        "category_id": 1,
                        "track_id": tracks + found.number,
                        "bbox": [patch.x, patch.y, patch.w, patch.h],
                        "area": patch.w * patch.h,
                        "iscrowd": 0,
                        "score": found.confidence,
                        "attributes": {"patch": patch.id, "role": patch.role, "parent": found.parent},
                    }
                )
        tracks += len(one.objects)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return {"videos": len(content["videos"]), "tracks": tracks, "boxes": len(content["annotations"])}
