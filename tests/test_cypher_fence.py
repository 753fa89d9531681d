"""Cypher is written in graph/ only; the other rooms call its functions."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CYPHER = re.compile(r"\b(MATCH|MERGE|CREATE) (\w+ = )?\(|\bUNWIND \$|\bDETACH DELETE\b")


@pytest.mark.parametrize("room", ["api", "workers", "training"])
def test_no_cypher_outside_graph(room: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if CYPHER.search(line)
    ]
    assert found == []


def test_the_pattern_finds_the_cypher_of_graph() -> None:
    assert CYPHER.search((ROOT / "graph" / "jobs.py").read_text())
