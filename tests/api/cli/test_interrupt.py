"""Tests of Ctrl-C: the first waits for a safe point, the second does not, and errors that it causes are expected."""

import os
import signal

import pytest

from api.cli import main
from api.cli.interrupt import cancelling, deferred
from graph.errors import Cancelled
from graph.records import no_progress


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_is_a_question_and_the_second_ends_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with deferred() as asked:
        assert not asked()
        press()
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            press()
    assert signal.getsignal(signal.SIGINT) == before


def test_long_work_ends_at_its_next_report() -> None:
    with cancelling(no_progress) as progress:
        progress("train", 1, 9, "steps")
        press()
        with pytest.raises(Cancelled, match="Run the same command again"):
            progress("train", 2, 9, "steps")


def test_what_a_library_raises_when_it_was_interrupted_is_a_stop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise BufferError("Existing exports of data")

    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    monkeypatch.setattr(main, "build", lambda arguments: interrupted)
    with pytest.raises(SystemExit) as leaving:
        main.main()
    assert leaving.value.code == 1
    assert capsys.readouterr().err == "transitive: stopped. Run the same command again to continue.\n"
