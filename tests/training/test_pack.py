"""Tests of pack files: a training has the same rows, order and losses as from the graph."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from graph.errors import NotFound, StorageError
from tests.training.small import SOURCE, train_small
from tests.training.tiny import BUCKETS, bucket
from training.journal import read_log
from training.pack import PackSource, write_pack

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    path = tmp_path_factory.mktemp("pack") / "tiny.pack"
    assert write_pack(SOURCE, path, bucket, BUCKETS) == path.stat().st_size
    return PackSource(path)


def test_everything_comes_back(pack):
    ours, theirs = SOURCE.table(), pack.table()
    assert theirs.ids == ours.ids
    for name in ("video", "parent", "track", "held_out"):
        assert np.array_equal(getattr(theirs, name), getattr(ours, name))
    assert np.array_equal(pack.links(), SOURCE.links())
    assert pack.patch_jpegs(ours.ids[3:7]) == SOURCE.patch_jpegs(ours.ids[3:7])
    assert list(pack.frames()) == list(SOURCE.frames())
    assert (pack.generation, pack.fingerprint, pack.feature_model, pack.track_length) == ("tiny", "f", "context", 30)


@pytest.mark.parametrize(("seed", "epoch", "skip"), [(0, 0, 0), (3, 1, 0), (3, 1, 5), (3, 2, 10_000)])
def test_the_sequence_is_the_graphs(pack, seed, epoch, skip):
    theirs, ours = (list(source.quadruples(seed, epoch, skip)) for source in (pack, SOURCE))
    assert [rows.tolist() for rows in theirs] == [rows.tolist() for rows in ours]
    assert len(ours) or skip


def test_same_seed_same_losses(pack, tmp_path):
    for name, source in (("graph", SOURCE), ("pack", pack)):
        train_small(tmp_path / name, "multitask", source, changes={"iterations": 4})
        train_small(tmp_path / name, "transitive", source, changes={"iterations": 4})
    for recipe in ("multitask", "transitive"):
        first, second = ([line["loss"] for line in read_log(tmp_path / n / recipe)] for n in ("graph", "pack"))
        assert first == second


def test_what_is_no_pack_is_said(tmp_path):
    with pytest.raises(NotFound, match="transitive export --pack"):
        PackSource(tmp_path / "none").table()
    (tmp_path / "half").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    with pytest.raises(StorageError, match="truncated or not a pack"):
        PackSource(tmp_path / "half").table()


def test_a_patch_the_pack_lacks_is_named(pack):
    with pytest.raises(NotFound, match="0123456789abcdef"):
        pack.patch_jpegs(["0123456789abcdef"])


def test_training_from_a_pack_needs_torch_and_numpy_only(pack, tmp_path):
    """Train in a process that cannot import the graph's driver, pyarrow, faiss, TensorBoard and matplotlib."""
    code = (
        "import sys\n"
        "for name in ('neo4j', 'pyarrow', 'faiss', 'tensorboard', 'matplotlib', 'fsspec', 'typer', 'celery', 'scipy',\n"
        "             'cv2', 'av', 'pydantic', 'pydantic_settings', 'sklearn', 'redis', 'rich'):\n"
        "    sys.modules[name] = None\n"
        "import training.__main__ as command\n"
        "from tests.training.small import small\n"
        "command.get_recipe = lambda name, preset: small(name, iterations=2)\n"
        f"sys.exit(command.main(['context', '--pack', {str(pack.path)!r}, '--output', {str(tmp_path / 'm')!r},"
        " '--device', 'cpu']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m/model.safetensors").is_file()
    assert len(read_log(tmp_path / "m")) == 2


def test_the_command_says_what_is_wrong_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "training", "tracking", "--pack", "none", "--output", str(tmp_path / "m")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "transitive" in done.stderr
