"""Tests of names of files as text that can be stored and shown."""

import os

import pytest

from graph.errors import BadVideo
from graph.printable import printable
from workers.requests import ImportRequest, IngestRequest, job_id


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"plain name.mp4", "plain name.mp4"),
        ("école 😀 می\u200cخواهم.mp4".encode(), "école 😀 می\u200cخواهم.mp4"),
        (b"caf\xe9.mp4", "caf\ufffd.mp4"),
        (b"new\nline\t\x1b[31m.mp4", "new\ufffdline\ufffd\ufffd[31m.mp4"),
        ("\u202egpj.mp4".encode(), "\ufffdgpj.mp4"),
    ],
)
def test_a_name_becomes_one_line_of_valid_text(name: bytes, shown: str) -> None:
    decoded = os.fsdecode(name)
    assert printable(decoded) == shown
    assert IngestRequest(f"/videos/{decoded}").target == shown
    assert str(BadVideo(f"{decoded} is empty.")) == f"{shown} is empty."


def test_a_job_on_a_file_whose_name_is_no_utf8_has_an_id() -> None:
    tracks = os.fsdecode(b"tracks\xe9.json")
    request = ImportRequest(tracks, os.fsdecode(b"cam\xe9ra"), "coco", "0" * 32)
    assert len(job_id(request)) == 24
    assert request.target == "cam\ufffdra"


def test_kept_characters() -> None:
    assert printable("a\tb\nc\x07", keep="\n\t") == "a\tb\nc\ufffd"
