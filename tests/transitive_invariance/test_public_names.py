"""Tests of the package's public list: its names, that each can be imported, and that importing is lazy."""

import subprocess
import sys
from pathlib import Path

import pytest

import transitive_invariance

PUBLIC = [
    "Client",
    "Connection",
    "Encoder",
    "Model",
    "PackSource",
    "Patch",
    "Settings",
    "Shards",
    "TransitiveError",
    "Video",
    "get_recipe",
    "load_settings",
    "mine",
    "require_generation",
    "stream",
    "train",
    "why_alike",
]


def test_the_public_list_changes_only_on_purpose() -> None:
    assert transitive_invariance.__all__ == PUBLIC
    assert dir(transitive_invariance) == PUBLIC


def test_every_public_name_is_documented_and_keeps_its_name() -> None:
    for name in PUBLIC:
        found = getattr(transitive_invariance, name)
        assert found.__name__ == name
        assert found.__doc__
    with pytest.raises(AttributeError, match="nonsense"):
        transitive_invariance.nonsense  # noqa: B018


def test_the_client_needs_neither_torch_nor_opencv_nor_the_database_driver() -> None:
    code = (
        "import sys; from transitive_invariance import Client;"
        "print(*({'torch', 'cv2', 'av', 'neo4j', 'celery', 'fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_type_checkers_read_the_package() -> None:
    assert Path(transitive_invariance.__file__).with_name("py.typed").is_file()
