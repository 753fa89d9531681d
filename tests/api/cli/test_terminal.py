"""Tests of `api.cli.terminal`: the lines that stages write where standard error is not a terminal."""

import pytest

from api.cli.terminal import Bars


def test_lines_of_a_stage_that_begins_again(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars() as bars:
        for _ in range(2):
            bars("train tracking", 0, 0, "")
            bars("train tracking · loss 0.1", 3, 10, "steps")
            bars("train tracking · loss 0.1", 10, 10, "steps")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" in ")[0] for line in lines] == [
        "train tracking …",
        "train tracking · loss 0.1: 10/10 steps",
    ] * 2


def test_an_ended_stage_that_reports_its_end_again_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars() as bars:
        for _ in range(3):
            bars("mine", 5, 5, "frames")
    assert len(capsys.readouterr().err.splitlines()) == 2
