"""Tests of the files in an export."""

from pathlib import Path

import pyarrow as pa

from graph.archive.files import copy_in, copy_out, seal
from graph.records import no_progress
from graph.shards import Shards


def test_an_export_during_mining_and_linking_can_be_imported(tmp_path: Path) -> None:
    here, there = Shards(str(tmp_path / "here")), Shards(str(tmp_path / "there"))
    for name in ("patches/v", "segments/job/v", "runs/id/part"):
        here.write(name, pa.table({"id": [1]}))
    export = tmp_path / "export"
    copy_out(here, tmp_path / "models", export, no_progress)
    copy_in(export, seal(export, {}), there, tmp_path / "new models", no_progress)
    assert set(there.files()) == {"patches/v.parquet"}
