"""Writer of MOTChallenge text (https://motchallenge.net): one folder per video, with gt/gt.txt and seqinfo.ini.

A row is `frame,id,left,top,width,height,confidence,class,visibility`; frames, ids and pixels count from 1.
"""

from collections.abc import Iterable
from pathlib import Path

from graph.exchange.names import file_stem
from graph.exchange.objects import VideoObjects

_LEAST = 1e-6  # in this format, 0 marks a row that is ignored


def write_mot(videos: Iterable[VideoObjects], folder: Path) -> dict[str, int]:
    """Write every video below `folder`; returns the numbers of videos, tracks and boxes."""
    counts = {"videos": 0, "tracks": 0, "boxes": 0}
    for one in videos:
        place = folder / file_stem(one.video)
        (place / "gt").mkdir(parents=True)
        rows = [
            f"{patch.frame + 1},{found.number},{patch.x + 1},{patch.y + 1},{patch.w},{patch.h},"
            f"{max(found.confidence, _LEAST):.6f},1,1"
            for found in one.objects
            for patch in found.patches
        ]
        rows.sort(key=lambda row: [int(number) for number in row.split(",")[:2]])
        (place / "gt" / "gt.txt").write_text("".join(f"{row}\n" for row in rows))
        video = one.video
        lines = ["[Sequence]", f"name={place.name}", "imDir=img1", f"frameRate={video.fps:g}"]
        lines += [f"seqLength={video.frames}", f"imWidth={video.width}", f"imHeight={video.height}", "imExt=.jpg"]
        (place / "seqinfo.ini").write_text("\n".join(lines) + "\n")
        counts["videos"] += 1
        counts["tracks"] += len(one.objects)
        counts["boxes"] += len(rows)
    return counts
