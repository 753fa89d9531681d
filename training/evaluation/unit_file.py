"""Reading and writing of units.json, the file with the units of figure 8."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from graph.atomic_write import atomic_write
from graph.errors import StorageError

NAME = "units.json"


@dataclass(frozen=True)
class Unit:
    """One unit with its selectivity and the patches that it responds to most, sorted by decreasing response."""

    number: int
    selectivity: float
    patches: list[str]
    responses: list[float]
    field_pixels: list[float]  # for each patch: side of the square whose area is that of the measured receptive field


@dataclass(frozen=True)
class Units:
    """The measured units of one model."""

    model: str
    layer: str
    searched: int  # number of patches that were searched
    patch_ids: bool  # whether `Unit.patches` contains ids of the graph's patches; otherwise, names of files
    units: list[Unit]


def write_units(folder: Path, units: Units) -> None:
    """Replace units.json in `folder`."""
    atomic_write(folder / NAME, json.dumps(asdict(units), indent=2) + "\n")


def read_units(folder: Path) -> Units | None:
    """Read units.json in `folder`; None if there is no file. Raises `StorageError` for a damaged or older file."""
    file = folder / NAME
    try:
        content = json.loads(file.read_text())
        return Units(**{**content, "units": [Unit(**unit) for unit in content["units"]]})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{file} cannot be read ({error}). Run `transitive evaluate units` again.") from None
