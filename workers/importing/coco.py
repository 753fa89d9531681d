"""Reader of COCO-style JSON whose boxes have track ids, as BDD100K's, TAO's and most labelling tools' files.

`images` have a `video_id` (or are of one video) and a `frame_id` or `frame_index` from 0; `annotations` have a `bbox`
(x, y, w, h), an `image_id`, and a `track_id`, either of their own or in their `attributes`.
"""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from graph.errors import InvalidInput
from workers.importing.json_file import read_json, rectangle, trust_of
from workers.importing.media import video_file
from workers.importing.sequences import TrackedBox, TrackedSequence, gather_tracks

Json = dict[str, Any]


def read_coco(file: Path, media: Path | None) -> list[TrackedSequence]:
    """Read the sequences of all videos that have tracks.

    Args:
        file: the annotations.
        media: folder to which the names of videos and pictures are relative, or the file of the only video; None: the
            folder of `file`.

    Raises:
        InvalidInput: the JSON has another form, a box lacks an id or area, or pictures or a video are missing.
    """
    content = _read(file)
    folder = media or file.absolute().parent
    images = {_field(file, image, "images", "id"): image for image in content["images"]}
    names = {video["id"]: str(video.get("name") or video.get("file_name") or video["id"]) for video in _videos(content)}
    rows: dict[Any, list[tuple[str, TrackedBox, str]]] = defaultdict(list)
    left_out: dict[Any, Counter[str]] = defaultdict(Counter)
    for number, annotation in enumerate(content["annotations"]):
        where = f"annotation {annotation.get('id', number)}"
        image = images.get(_field(file, annotation, "annotations", "image_id"))
        if image is None:
            raise InvalidInput(f"{file.name}, {where}: there is no image {annotation['image_id']}.")
        video = _plain(file, _video_of(image), "video_id")
        if annotation.get("iscrowd"):
            left_out[video]["boxes of crowds"] += 1
            continue
        attributes = annotation.get("attributes")
        track = annotation.get("track_id", attributes.get("track_id") if isinstance(attributes, dict) else None)
        if track is None:
            raise InvalidInput(f"{file.name}, {where}: the box has no track_id. Boxes without tracks give no pairs.")
        one = TrackedBox(_frame_of(file, image), _box(file, where, annotation), trust_of(annotation.get("score")))
        rows[video].append((str(track), one, where))
    if not rows:
        raise InvalidInput(f"{file} holds no tracks.")
    found = []
    for video in sorted(rows, key=str):
        tracks = gather_tracks(file.name, rows[video])
        name = names.get(video, file.stem if video is None else str(video))
        path = video_file(folder, name)
        pictures = {} if path else _pictures(file, folder, [i for i in images.values() if _video_of(i) == video])
        found.append(TrackedSequence(name, "coco", file, tracks, path, pictures, left_out[video]))
    return found


def _read(file: Path) -> Json:
    content = read_json(file)
    lists = ("images", "annotations")
    if not isinstance(content, dict) or not all(_is_list_of_objects(content.get(name)) for name in lists):
        raise InvalidInput(f"{file} is not a COCO file: it must be an object with the lists images and annotations.")
    return content


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _videos(content: Json) -> list[Json]:
    found = content.get("videos", [])
    return [video for video in found if isinstance(video.get("id"), int | str)] if _is_list_of_objects(found) else []


def _field(file: Path, entry: Json, table: str, name: str) -> Any:
    if name not in entry:
        raise InvalidInput(f"{file.name}: an entry of {table} has no {name}.")
    return _plain(file, entry[name], name)


def _plain(file: Path, value: Any, name: str) -> Any:
    """Return an id; raises `InvalidInput` for a list or an object, which cannot be looked up."""
    if isinstance(value, list | dict):
        raise InvalidInput(f"{file.name}: {name} must be a number or a text, not {str(value)[:60]}.")
    return value


def _video_of(image: Json) -> Any:
    return image.get("video_id", image.get("video"))


def _frame_of(file: Path, image: Json) -> int:
    frame = image.get("frame_id", image.get("frame_index"))
    if not isinstance(frame, int) or isinstance(frame, bool) or frame < 0:
        raise InvalidInput(f"{file.name}: image {image['id']} has no frame_id (a number from 0).")
    return frame


def _box(file: Path, where: str, annotation: Json) -> tuple[float, float, float, float]:
    box = rectangle(annotation.get("bbox"))
    if box is None:
        raise InvalidInput(f"{file.name}, {where}: bbox must be x, y, width, height.")
    return box


def _pictures(file: Path, folder: Path, images: list[Json]) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for image in images:
        frame = _frame_of(file, image)
        if frame in found:
            raise InvalidInput(f"{file.name}: two images are frame {frame} of one video. Each needs a video_id.")
        path = folder / str(image.get("file_name", ""))
        if not path.is_file():
            raise InvalidInput(
                f"{file.name}: there is neither a video nor the picture {path}. Name their folder: --video FOLDER."
            )
        found[frame] = path
    return found
