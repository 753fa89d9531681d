"""Tests of the accepted files and of the stream that is mined; no file causes another file to be read."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from graph.errors import BadVideo
from tests.workers.mining.composites import write_video
from tests.workers.mining.files import crossing, with_streams
from workers.mining.container import VideoFile
from workers.mining.isolated import mine_isolated, stop_children
from workers.mining.recipe import Limits
from workers.mining.video import mine

BLACK = [np.zeros((480, 640, 3), np.uint8)] * 60
SMALL = [np.ascontiguousarray(frame[::2, ::2]) for frame in crossing(60)]


def test_the_default_stream_counts_before_a_preview(shared_data: Path) -> None:
    mined = mine(shared_data / "regressions/several-streams/preview_first.mkv")
    assert (mined.video.width, mined.video.height) == (320, 240)
    assert mined.tracks
    assert mined.report["notes"] == ["Other video streams were left out: stream 0 (h264, 160×120)."]


def test_the_default_stream_counts_before_a_larger_one(tmp_path: Path) -> None:
    path = with_streams(tmp_path / "two.mkv", [(BLACK, "libx264", False), (crossing(60), "libx264", True)])
    mined = mine(path)
    assert (mined.video.width, mined.video.height) == (320, 240)
    assert mined.tracks


def test_the_larger_stream_counts_where_no_flag_says_otherwise(tmp_path: Path) -> None:
    path = with_streams(tmp_path / "two.mkv", [(SMALL, "libx264", False), (crossing(60), "libx264", False)])
    assert mine(path).video.width == 320


def test_a_file_with_nothing_but_a_thumbnail_is_a_still_picture(shared_data: Path) -> None:
    """The shared file holds the drone's thumbnail alone; `test_a_single_picture_before_the_video` has both streams."""
    with pytest.raises(BadVideo, match="still picture: one frame"):
        mine(shared_data / "regressions/several-streams/thumbnail_first.mp4")


@pytest.mark.parametrize("default", [False, True])
def test_a_single_picture_before_the_video(tmp_path: Path, default: bool) -> None:
    large = [cv2.resize(crossing(1)[0], (640, 480), interpolation=cv2.INTER_LINEAR)]
    path = with_streams(tmp_path / "drone.mp4", [(large, "mjpeg", default), (crossing(60), "libx264", not default)])
    mined = mine(path)
    assert (mined.video.width, mined.video.frames) == (320, 60)
    assert mined.tracks
    assert mined.report["streams_left_out"] == ["stream 0 (mjpeg, 640×480)"]


def test_a_title_that_is_not_utf_8_changes_nothing(tmp_path: Path) -> None:
    source = write_video(tmp_path / "plain.mp4", crossing(60))
    path = tmp_path / "titled.mp4"
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        new.metadata["title"] = "caf\u00e9"
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    written = path.read_bytes()
    path.write_bytes(written.replace(b"caf\xc3\xa9", b"caf\xe9\xe9"))
    assert path.read_bytes() != written
    assert len(mine(path).tracks) == len(mine(source).tracks) > 0


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    source = write_video(tmp_path / "plain.mp4", crossing(60))
    path = tmp_path / "covered.mp4"
    cover = cv2.imencode(".png", np.full((600, 600, 3), 90, np.uint8))[1].tobytes()
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        picture = new.add_stream("png", rate=1)
        picture.width = picture.height = 600
        picture.pix_fmt = "rgb24"
        picture.disposition = av.stream.Disposition.attached_pic
        stream = new.add_stream_from_template(old.streams.video[0])
        packet = av.Packet(cover)
        packet.stream, packet.pts, packet.dts, packet.is_keyframe = picture, 0, 0, True
        new.mux(packet)
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    mined = mine(path)
    assert (mined.video.width, mined.video.frames) == (320, 60)
    assert "cover picture" in mined.report["notes"][0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:3,\n{}\n#EXT-X-ENDLIST\n"),
        ("live.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:3,\nfile://{}\n"),
        ("named.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:3,\n{}\n#EXT-X-ENDLIST\n"),
        ("list.txt", "ffconcat version 1.0\nfile '{}'\n"),
        ("list.mpd", '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{}</BaseURL></MPD>'),
        ("call.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns={}\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
    ],
)
def test_a_playlist_is_refused_and_reads_nothing(tmp_path: Path, name: str, text: str) -> None:
    secret = write_video(tmp_path / "secret.mp4", crossing(31))
    path = tmp_path / name
    path.write_text(text.format(secret))
    with pytest.raises(BadVideo, match=f"{name} is a playlist: it names other files. Ingest those files instead."):
        mine_isolated(path, Limits(seconds=30))
    stop_children()


def test_a_movie_that_refers_to_another_file_reads_nothing(tmp_path: Path) -> None:
    secret = write_video(tmp_path / "secret.mp4", crossing(31))
    data = bytearray(secret.read_bytes())
    at = data.index(b"url \0\0\0\1")
    data[at + 4 : at + 8] = bytes(4)  # the media data is in another file
    path = tmp_path / "reference.mov"
    path.write_bytes(data)
    secret.unlink()
    try:
        mined = mine(path)
    except BadVideo:
        return
    assert mined.video.frames == 31  # from the file itself


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "closed.mp4", crossing(2))

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)  # root can read it with any mode
    with pytest.raises(BadVideo, match=r"closed\.mp4 cannot be read: Permission denied"):
        VideoFile(path)


def test_nothing_that_a_file_asks_for_is_opened(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", crossing(2))
    with VideoFile(path) as file:
        assert file.container.io_open is not None
        with pytest.raises(PermissionError):
            file.container.io_open("file:/etc/hostname", 0, {})


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tiff", ".webp"])
def test_a_still_picture_says_so(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo{suffix}"
    path.write_bytes(cv2.imencode(suffix, crossing(1)[0])[1].tobytes())
    with pytest.raises(BadVideo, match="is a picture, not a video"):
        mine(path)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"PK\3\4", "is an archive"),
        (b"\x1f\x8b\x08", "is an archive"),
        (b"\xef\xbb\xbf\n<!DOCTYPE HTML><html>", "is a web page"),
        (b"<html lang='en'>", "is a web page"),
    ],
)
def test_a_download_that_is_something_else_says_what(tmp_path: Path, head: bytes, reason: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(head + bytes(500))
    with pytest.raises(BadVideo, match=reason):
        mine(path)


@pytest.mark.parametrize("name", ["clip.dat", "clip", "clip.jpg", "clip.avi", "clip.txt"])
def test_what_is_inside_decides_and_not_the_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(write_video(tmp_path / "whole.mp4", crossing(31)).read_bytes())
    assert mine(path).tracks


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("mov", "libx264"),
        ("3g2", "mpeg4"),
        ("f4v", "libx264"),
        ("mkv", "libx264"),
        ("webm", "libvpx"),
        ("avi", "mpeg4"),
        ("avi", "mjpeg"),
        ("ts", "libx264"),
        ("mpg", "mpeg2video"),
        ("m2v", "mpeg2video"),
        ("vob", "mpeg2video"),
        ("mxf", "mpeg2video"),
        ("flv", "libx264"),
        ("asf", "mpeg4"),
        ("wtv", "mpeg2video"),
        ("nut", "libx264"),
        ("ivf", "libvpx"),
        ("h264", "libx264"),
        ("hevc", "libx265"),
        ("m4v", "mpeg4"),
        ("y4m", "wrapped_avframe"),
        ("gif", "gif"),
        ("mjpeg", "mjpeg"),
    ],
)
def test_containers_that_are_taken(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", crossing(40), 25, codec=codec)
    mined = mine(path)
    assert (mined.video.frames, mined.video.width) == (40, 320)
    assert mined.video.fps == pytest.approx(25, rel=0.01)
