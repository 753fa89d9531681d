"""Writer and reader of nodes and relationships as CSV files for `neo4j-admin database import`.

All rows of a file have the same label or type and the same properties of the same types, so no field is empty. Texts
are quoted, numbers are written exactly (Python's `repr`), and the header names the types. Nodes are numbered from 0,
and relationships refer to these numbers. This halves the importer's time, because it looks up no ids.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from graph.errors import StorageError

VIDEO_IDS = "Video"  # only ids; the other properties are free text and are exported as JSON
NODES = (VIDEO_IDS, "Patch", "ParentCluster", "ChildCluster")
EDGES = ("HAS_PATCH", "INTRA_INSTANCE", "INTER_INSTANCE", "REJECTED", "ACCEPTED", "IN_PARENT", "IN_CHILD")
_TYPES = {bool: "boolean", int: "long", float: "double", str: "string"}
_READ: dict[str, Callable[[str], Any]] = {"boolean": "true".__eq__, "long": int, "double": float, "string": str}
_HEADER = re.compile(r"^(\w*):(\w+)$")


class Tables:
    """Writer of the CSV files of one folder."""

    def __init__(self, folder: Path) -> None:
        """Write into `folder`, which must exist."""
        self._folder = folder
        self._files: dict[tuple[str, tuple[str, ...]], IO[str]] = {}
        self._count: dict[str, int] = {}
        self._nodes = 0
        self.rows: dict[str, int] = {}

    def node(self, label: str, properties: Mapping[str, Any]) -> int:
        """Add a node and return its number; raises `StorageError` for a property of an unsupported type."""
        self._add(label, (":ID",), (self._nodes,), properties)
        self._nodes += 1
        return self._nodes - 1

    def edge(self, kind: str, start: int, end: int, properties: Mapping[str, Any]) -> None:
        """Add a relationship between two nodes, given by their numbers."""
        self._add(kind, (":START_ID", ":END_ID"), (start, end), properties)

    def __enter__(self) -> "Tables":
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()

    def _add(self, table: str, keys: tuple[str, ...], numbers: tuple[int, ...], properties: Mapping[str, Any]) -> None:
        try:
            names = sorted(properties)
            header = (*keys, *(f"{name}:{_TYPES[type(properties[name])]}" for name in names))
        except KeyError as error:
            raise StorageError(f"A {table} has a property that cannot be exported: {error}.") from None
        file = self._files.get((table, header))
        if file is None:
            number = self._count.get(table, 0)
            self._count[table] = number + 1
            file = (self._folder / f"{table}.{number}.csv").open("w", encoding="utf-8", newline="")
            file.write(",".join(header) + "\n")
            self._files[table, header] = file
        file.write(",".join([*map(str, numbers), *(_text(properties[name]) for name in names)]) + "\n")
        self.rows[table] = self.rows.get(table, 0) + 1


def _text(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return str(value).lower() if isinstance(value, bool) else repr(value)


def tables_of(folder: Path, name: str) -> list[Path]:
    """Return the files of a label or type in the order of their creation."""
    return sorted(folder.glob(f"{name}.*.csv"), key=lambda path: int(path.name.split(".")[1]))


def read_rows(folder: Path, name: str) -> Iterator[tuple[Sequence[int], dict[str, Any]]]:
    """Yield (numbers, properties) for every row of a label or type.

    The numbers are the node's own, or those of a relationship's start and end.
    """
    for path in tables_of(folder, name):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            header = [_HEADER.match(field) for field in next(rows)]
            fields = [(found[1], found[2]) for found in header if found]
            for row in rows:
                numbers = [int(text) for text, (_, kind) in zip(row, fields, strict=True) if kind.endswith("ID")]
                yield (
                    numbers,
                    {
                        name: _READ[kind](text)
                        for text, (name, kind) in zip(row, fields, strict=True)
                        if name and kind in _READ
                    },
                )
