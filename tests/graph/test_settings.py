"""Tests of settings: defaults, precedence, and errors that name the setting."""

from pathlib import Path

import pytest

from graph.errors import InvalidInput
from graph.settings import load_settings, settings_table

ROOT = Path(__file__).parents[2]


def test_environment_wins_over_file_and_file_over_default(tmp_path: Path) -> None:
    (tmp_path / "transitive.toml").write_text('api_port = 9001\ndevice = "cpu"\n')
    environment = {"TRANSITIVE_HOME": str(tmp_path), "TRANSITIVE_API_PORT": "9002"}
    settings = load_settings(environment)
    assert (settings.api_port, settings.device, settings.redis_port) == (9002, "cpu", 6379)
    assert settings.data == str(tmp_path / "data")


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"TRANSITIVE_API_PROT": "1"}, "TRANSITIVE_API_PROT"),
        ({"TRANSITIVE_API_PORT": "eighty"}, "TRANSITIVE_API_PORT"),
        ({"TRANSITIVE_API_PORT": "70000"}, "TRANSITIVE_API_PORT"),
        ({"TRANSITIVE_LOG_LEVEL": "LOUD"}, "TRANSITIVE_LOG_LEVEL"),
    ],
)
def test_an_unknown_or_wrong_variable_is_refused_by_name(environment: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        load_settings(environment)


def test_an_unknown_key_or_a_broken_file_is_refused(tmp_path: Path) -> None:
    environment = {"TRANSITIVE_HOME": str(tmp_path)}
    (tmp_path / "transitive.toml").write_text("api_prot = 1\n")
    with pytest.raises(InvalidInput, match="api_prot"):
        load_settings(environment)
    (tmp_path / "transitive.toml").write_text("api_port = = 1\n")
    with pytest.raises(InvalidInput, match="not valid TOML"):
        load_settings(environment)


def test_secrets_are_not_shown() -> None:
    settings = load_settings({"NEO4J_PASSWORD": "hidden-word", "REDIS_URL": "redis://:hidden-word@host/0"})
    assert "hidden-word" not in repr(settings)
    assert settings.neo4j_password.get_secret_value() == "hidden-word"


def test_the_documented_table_is_the_code() -> None:
    assert settings_table() in (ROOT / "docs" / "settings.md").read_text(), "run: python -m graph.settings"


@pytest.mark.parametrize(
    ("environment", "pages"),
    [
        ({}, "http://127.0.0.1:8000/browse/patches"),
        ({"TRANSITIVE_HOST": "0.0.0.0", "TRANSITIVE_API_PORT": "9000"}, "http://127.0.0.1:9000/browse/patches"),
        ({"TRANSITIVE_HOST": "fe80::1"}, "http://[fe80::1]:8000/browse/patches"),
        ({"TRANSITIVE_PUBLIC_URL": "https://graph.example/api/"}, "https://graph.example/api/browse/patches"),
    ],
)
def test_the_address_of_the_pages(environment: dict[str, str], pages: str) -> None:
    assert load_settings(environment).pages == pages
