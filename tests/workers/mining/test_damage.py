"""Tests of damage: damaged frames and frames that refer to them are counted and skipped."""

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from graph.errors import BadVideo
from tests.workers.mining.composites import write_video
from tests.workers.mining.files import crossing, overwritten, remuxed
from workers.mining.segments import MinedVideo
from workers.mining.video import mine

EVERY_30 = {"g": "30", "x264-params": "scenecut=0"}


def spans(mined: MinedVideo) -> list[tuple[int, int]]:
    """Return the frames of each track, computed from times, because a lost frame has no number."""
    ends = zip(mined.patches[::2], mined.patches[1::2], strict=True)
    return [(round(a.time_s * 30), round(b.time_s * 30)) for a, b in ends]


def test_concealed_damage_of_one_group_of_pictures_leaves_no_patch_behind_it(shared_data: Path) -> None:
    mined = mine(shared_data / "regressions/damaged-pictures/d_fivepackets.mp4")
    assert mined.video.frames == 90
    assert (
        mined.report["damaged_frames"] == 73
    )  # 19 is damaged, the B-pictures 17 and 18 may be, and no key frame follows
    assert mined.report["damaged_packets"] == 0
    assert mined.patches == []
    assert mined.report["notes"] == ["73 frames of 90 left out: damaged, or referring to damaged ones."]


def test_packets_lost_from_a_transport_stream(shared_data: Path) -> None:
    with pytest.raises(BadVideo, match="each of its 90 frames is damaged"):  # half of the only key frame is lost
        mine(shared_data / "regressions/damaged-pictures/d_tsloss.ts")
    assert mine(shared_data / "regressions/damaged-pictures/base.mp4").report["damaged_frames"] == 0


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "libx264"), ("mp4", "libx264"), ("avi", "mpeg4")])
def test_mining_goes_on_at_the_next_key_frame(tmp_path: Path, suffix: str, codec: str) -> None:
    options = EVERY_30 | {"bf": "0"} if codec == "libx264" else {"g": "30"}
    whole = write_video(tmp_path / f"whole.{suffix}", crossing(120), codec=codec, options=options)

    def broken(number: int, packet: av.Packet) -> av.Packet:
        return overwritten(packet) if number == 36 else packet

    mined = mine(remuxed(whole, tmp_path / f"broken.{suffix}", broken))
    lost = 120 - mined.video.frames  # a packet that cannot be decoded at all gives no frame
    assert lost == mined.report["damaged_packets"]
    assert mined.report["damaged_frames"] + lost == 24
    for start, end in spans(mined):
        assert end < 36 or start >= 60
    assert any(start >= 60 for start, _ in spans(mined))
    assert mined.report["shots_ended"] == {"damage": 1}
    assert any("damaged" in note for note in mined.report["notes"])


def test_a_damaged_picture_takes_the_b_pictures_before_it_along(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", crossing(120), options=EVERY_30 | {"bf": "3", "b-adapt": "0"})
    with av.open(str(whole)) as container:
        shown = [p.pts for p in container.demux(video=0) if p.pts is not None]
    frame_of = {time: place for place, time in enumerate(sorted(shown))}
    number = next(n for n, time in enumerate(shown) if n > 35 and frame_of[time] > n)  # a P: it comes before its Bs
    broken = remuxed(whole, tmp_path / "broken.mp4", lambda n, p: overwritten(p) if n == number else p)
    mined = mine(broken)
    first = frame_of[shown[number]] - 3
    assert mined.report["damaged_frames"] >= 60 - frame_of[shown[number]]
    for start, end in spans(mined):
        assert end < first or start >= 60


def test_a_transport_stream_that_loses_packets_after_its_first_second(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.ts", crossing(120), options=EVERY_30 | {"bf": "0"}).read_bytes()
    packets = [whole[k : k + 188] for k in range(0, len(whole), 188)]
    broken = tmp_path / "broken.ts"
    with av.open(str(tmp_path / "whole.ts")) as container:
        positions = [(p.pos, p.is_keyframe) for p in container.demux(video=0) if p.pos is not None and p.pos >= 0]
    at = positions[40][0] // 188
    broken.write_bytes(b"".join(packets[:at] + packets[at + 2 :]))
    mined = mine(broken)
    assert 15 <= mined.report["damaged_frames"] <= 25
    for start, end in spans(mined):
        assert end < 41 or start >= 59


def _without(lost: set[int]) -> Callable[[int, av.Packet], av.Packet | None]:
    return lambda number, packet: None if number in lost else packet


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])  # lengths before NAL units, and start codes
@pytest.mark.parametrize("lost", [40, 30])  # a picture that others refer to, and a key frame
def test_a_whole_picture_that_is_missing_ends_a_shot(tmp_path: Path, suffix: str, lost: int) -> None:
    whole = write_video(tmp_path / "whole.mp4", crossing(95), options=EVERY_30)
    mined = mine(remuxed(whole, tmp_path / f"lost{suffix}", _without({lost})))
    left_out = mined.report["damaged_frames"] + mined.report["damaged_packets"]
    assert left_out == 59 - lost  # up to the next key frame
    assert mined.tracks
    assert not [span for span in spans(mined) if span[1] >= lost and span[0] < 60]


def test_a_missing_picture_to_which_nothing_refers_is_no_damage(tmp_path: Path) -> None:
    whole = write_video(
        tmp_path / "whole.mp4", crossing(60), options={"bf": "1", "preset": "fast", "b-pyramid": "none"}
    )
    with av.open(str(whole)) as container:
        referred = [bytes(packet)[4] >> 5 & 3 for packet in container.demux(video=0) if packet.size]  # nal_ref_idc
    mined = mine(remuxed(whole, tmp_path / "lost.mp4", _without({referred.index(0, 1)})))
    assert (mined.video.frames, mined.report["damaged_frames"], mined.report["notes"]) == (59, 0, [])


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", EVERY_30),
        ("libx265", {"x265-params": "log-level=none:keyint=30:min-keyint=30"}),
        ("mpeg2video", {"g": "30", "bf": "0"}),
    ],
)
def test_pictures_that_the_decoder_withholds_are_counted(tmp_path: Path, codec: str, options: dict[str, str]) -> None:
    whole = write_video(tmp_path / "whole.mp4", crossing(75), codec=codec, options=options)
    mined = mine(remuxed(whole, tmp_path / "headless.mp4", _without({0})))  # a recording that begins with no key frame
    assert (mined.video.frames, mined.report["damaged_packets"]) == (45, 29)
    assert "29 packets could not be decoded." in mined.report["notes"]
