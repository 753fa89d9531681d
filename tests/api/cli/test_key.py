"""Tests of `transitive key`: keys are made, listed and revoked, and the command's files are private."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

from api.keys import KeyStore, Scope


def run(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRANSITIVE_")}
    command = [str(Path(sys.executable).with_name("transitive")), "key", *arguments]
    environment = {**kept, "TRANSITIVE_HOME": str(home)}
    return subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.umask(0o022) and None,
    )


def test_a_key_is_made_listed_and_revoked_and_its_home_is_private(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    made = json.loads(run(home, "create", "the camera", "--scope", "ingest", "--json").stdout)
    found = KeyStore(home).find(made["key"])
    assert found is not None
    assert (found.id, found.name, found.scope) == (made["id"], "the camera", Scope.INGEST)
    listed = run(home, "list")
    assert made["id"] in listed.stdout
    assert made["key"] not in listed.stdout + listed.stderr
    for path in (home, *home.rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert run(home, "revoke", made["id"]).returncode == 0
    assert KeyStore(home).all() == []
    again = run(home, "revoke", made["id"])
    assert again.returncode == 1
    assert "transitive key list" in again.stderr
    assert "Traceback" not in again.stderr


def test_a_wrong_name_or_scope_is_a_wrong_call(tmp_path: Path) -> None:
    assert run(tmp_path, "create", "x\ny").returncode == 2
    assert run(tmp_path, "create", "x", "--scope", "root").returncode == 2
    assert list(tmp_path.rglob("api_keys.json")) == []
