"""Tests of re-encodings: scaled and compressed copies are found, other videos are not."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from graph.linking.reencodings import families, find_reencodings, frame_hash
from graph.shards import Shards


def picture(seed: int) -> Image.Image:
    """Return a smooth random scene of 320×240 pixels."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, quality: int = 92, scale: float = 1.0) -> bytes:
    file = BytesIO()
    size = (round(image.width * scale), round(image.height * scale))
    image.resize(size, Image.Resampling.BILINEAR).save(file, "JPEG", quality=quality)
    return file.getvalue()


def test_a_hash_survives_scaling_and_compression_and_tells_scenes_apart() -> None:
    originals = [frame_hash(jpeg(picture(seed))) for seed in range(30)]
    copies = [frame_hash(jpeg(picture(seed), quality=25, scale=0.45)) for seed in range(30)]
    apart = np.array([[(a ^ b).bit_count() for b in copies] for a in originals])
    assert np.diag(apart).max() <= 8
    assert apart[~np.eye(30, dtype=bool)].min() > 8


def test_a_frame_without_contrast_has_no_hash() -> None:
    assert frame_hash(jpeg(Image.new("RGB", (320, 240), (10, 10, 10)))) is None


def test_reencodings_are_found_in_the_shards(tmp_path: Path) -> None:
    shards = Shards(str(tmp_path))

    def store(video: str, seeds: list[int], quality: int = 92, scale: float = 1.0) -> None:
        frames = [jpeg(picture(seed), quality, scale) for seed in seeds]
        shards.write_rows(f"frames/{video}", {"frame": list(range(len(frames))), "jpeg": frames})

    black = jpeg(Image.new("RGB", (320, 240)))
    store("b", [0, 1, 2, 3, 4])
    store("a", [0, 1, 2, 3, 4], 30, 0.5)
    store("c", [1, 2, 3, 9], 50)  # a part of it, and one other frame
    store("d", [4, 10, 11, 12])  # shares one frame only, as videos with the same opening do
    store("e", [20, 21, 22])
    shards.write_rows("frames/f", {"frame": [0, 1], "jpeg": [black, black]})
    shards.write_rows("frames/g", {"frame": [0, 1], "jpeg": [black, black]})
    assert find_reencodings(shards, list("gfedcba")) == {"a": "a", "b": "a", "c": "a"}
    assert find_reencodings(shards, ["a", "e", "never ingested"]) == {}


def test_families_are_transitive_and_named_by_their_first() -> None:
    base = np.random.default_rng(3).integers(0, 2**63, 40).tolist()
    chain = {
        "z": base[:10],
        "m": base[4:14],
        "k": base[8:18],
        "q": base[30:40],
    }  # consecutive videos share 6 of 10 frames
    assert families(chain) == {"z": "k", "m": "k", "k": "k"}
    assert families({"z": base[:10], "m": base[5:15]}) == {}  # half of the frames are too few


def test_a_title_card_in_every_video_joins_none() -> None:
    random = np.random.default_rng(4)
    card = int(random.integers(0, 2**63))
    hashes = {f"v{n}": [card, *random.integers(0, 2**63, 5).tolist()] for n in range(100)}
    assert families(hashes) == {}
