"""The file of figure 8's units, units.json: written by the evaluation, read by the API."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from graph.atomic_write import atomic_write
from graph.errors import StorageError

NAME = "units.json"


@dataclass(frozen=True)
class Unit:
    """A unit, its selectivity, and the patches of its highest responses, the highest first."""

    number: int
    selectivity: float
    patches: list[str]
    responses: list[float]
    field_pixels: list[float]  # side of a square as large as the pixels that count, for each patch


@dataclass(frozen=True)
class Units:
    """The units of one model that were shown."""

    model: str
    layer: str
    searched: int  # patches
    patch_ids: bool  # whether `patches` are ids of the graph's patches; if not, names of files
    units: list[Unit]


def write_units(folder: Path, units: Units) -> None:
    """Replace units.json in `folder`."""
    atomic_write(folder / NAME, json.dumps(asdict(units), indent=2) + "\n")


def read_units(folder: Path) -> Units | None:
    """Read units.json in `folder`; None where there is none. Raises `StorageError` for a damaged or older file."""
    file = folder / NAME
    try:
        content = json.loads(file.read_text())
        return Units(**{**content, "units": [Unit(**unit) for unit in content["units"]]})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{file} cannot be read ({error}). Run `transitive evaluate units` again to write it anew."
        ) from None
