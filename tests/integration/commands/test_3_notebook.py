"""docs/notebooks/first_steps.ipynb: it runs to its end on a home that has learned, and is committed without outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.integration.commands.conftest import LearnedHome

NOTEBOOK = Path(__file__).parents[3] / "docs" / "notebooks" / "first_steps.ipynb"


def test_it_is_committed_without_outputs() -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert cells
    assert not [cell for cell in cells if cell.outputs or cell.execution_count is not None]


def test_it_runs_and_shows_counts_pictures_and_neighbours(
    learned: LearnedHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in learned.workshop.environment.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    text = "".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs)
    assert f"'quadruples': {learned.run('graph', 'quadruples')['quadruples']}" in text
    assert all(clip.name in text for clip in learned.clips)
    assert len([output for output in outputs if "image/png" in output.get("data", {})]) == 2
    difference = float(text.split("largest difference from the stored embeddings: ")[1].split()[0])
    assert difference < 1e-3
    assert not [output for output in outputs if output.get("name") == "stderr"]
