"""Schemathesis against the running API: every answer is as the OpenAPI document says.

The suite runs one example an operation. `make document` runs all phases with three examples an operation and every
boundary value (COMPLETE=1): 2,269 cases in 25 s on two idle cores, minutes under load.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.api.conftest import MODEL, World

SETTINGS = Path(__file__).with_name("schemathesis.toml")
REPOSITORY = Path(__file__).parents[3]
STREAMS = "/events$"  # a stream lasts as long as its job, or a minute
FAST = ("--phases", "fuzzing", "--max-examples", "1")
COMPLETE = ("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "3", "--workers", "2")


def test_every_answer_is_as_the_document_says(world: World, tmp_path: Path) -> None:
    known = {"path.patch_id": world.patches[0].id, "path.model_id": MODEL, "path.generation_id": world.generation}
    settings = tmp_path / "schemathesis.toml"
    lines = ["[parameters]", *(f'"{name}" = "{value}"' for name, value in known.items())]
    settings.write_text(SETTINGS.read_text() + "\n".join(lines) + "\n")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings)]
    command += ["run", str(world.client.base_url.join("/openapi.json")), "--checks", "all", "--seed", "1"]
    command += ["--exclude-path-regex", STREAMS, "--suppress-health-check", "all", "--request-timeout", "60"]
    command += ["--generation-database", "none", "--no-shrink", "--no-color"]
    command += COMPLETE if os.environ.get("COMPLETE") else FAST
    paths = os.environ | {"PYTHONPATH": str(REPOSITORY)}  # of the hooks; Schemathesis keeps its files in its folder
    done = subprocess.run(command, cwd=tmp_path, env=paths, capture_output=True, text=True)
    print(done.stdout[-4000:])
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
