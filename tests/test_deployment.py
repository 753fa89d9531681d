"""docker-compose.yml and Dockerfile, checked without an engine: schema, settings, passwords, paths."""

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from api.keys import is_loopback
from graph.settings import load_settings
from workers.queue import QUEUES

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return YAML(typ="safe").load(COMPOSE.read_text())["services"]


def test_compose_file_fits_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_compose_file_has_the_services_of_the_design(services: dict[str, Any]) -> None:
    assert set(services) == {"neo4j", "redis", "api", "worker", "worker-gpu", "flower"}
    assert services["worker-gpu"]["profiles"] == ["gpu"]
    assert all("healthcheck" in services[name] for name in ("neo4j", "redis", "api"))
    assert any(volume.endswith(":/data") for volume in services["neo4j"]["volumes"])


@pytest.mark.parametrize("name", ["api", "worker", "worker-gpu"])
def test_every_variable_is_a_setting_with_a_good_value(services: dict[str, Any], name: str) -> None:
    environment = {key: _filled_in(value) for key, value in services[name]["environment"].items()}
    settings = load_settings(environment)  # refuses unknown and wrong ones
    assert settings.neo4j_uri == "bolt://neo4j:7687"
    assert settings.neo4j_password.get_secret_value() == "chosen"
    assert settings.redis_url.get_secret_value() == "redis://:chosen@redis:6379/0"


def test_no_password_has_a_default() -> None:
    uses = re.findall(r"(?<!\$)\$\{(\w*(?:PASSWORD|AUTH)\w*)(.*?)\}", COMPOSE.read_text())
    assert {name for name, _ in uses} == {"NEO4J_PASSWORD", "REDIS_PASSWORD", "FLOWER_BASIC_AUTH"}
    assert all(rest.startswith(":?") for _, rest in uses), "a password may not have a default"
    example = dict(
        line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if line[:1].isalpha()
    )
    assert {example["NEO4J_PASSWORD"], example["REDIS_PASSWORD"], example["FLOWER_BASIC_AUTH"]} == {""}


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE.read_text())) - {"TRANSITIVE_LOG_LEVEL"}
    offered = {line.split("=")[0] for line in (ROOT / ".env.example").read_text().splitlines() if line[:1].isalpha()}
    assert used == offered


def test_the_commands_name_programs_and_queues_that_are_there(services: dict[str, Any]) -> None:
    commands = {name: services[name]["command"] for name in ("api", "worker", "worker-gpu")}
    assert callable(importlib.import_module(commands["api"][commands["api"].index("-m") + 1]).main)
    assert is_loopback(services["api"]["environment"]["TRANSITIVE_HOST"]) is False, "the API asks for a key"
    for name in ("worker", "worker-gpu"):
        assert importlib.util.find_spec(commands[name][commands[name].index("--app") + 1]), name
    served = {queue for name in ("worker", "worker-gpu") for queue in _filled_in(commands[name][-1]).split(",")}
    assert served == set(QUEUES)


def test_the_image_copies_only_what_exists() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert copied
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name


def _filled_in(value: str) -> str:
    """Substitute as compose does: a chosen value where one is demanded, else the default."""
    value = re.sub(r"\$\{\w+:\?[^}]*\}", "chosen", value)
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
