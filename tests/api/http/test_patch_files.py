"""Tests of reading single patches: only the row group that holds a patch is read."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from api.http.patch_files import PatchFiles
from graph.errors import NotFound
from graph.shards import ROW_GROUP, Shards

VIDEO, MODEL = "0" * 32, "transitive-0123456789ab"
COUNT = 3 * ROW_GROUP + 5
IDS = [f"{(7919 * number) % 2**16:016x}" for number in range(COUNT)]  # not sorted, as a video's patches
JPEGS = [bytes([number % 251]) * (10 + number % 7) for number in range(COUNT)]
VECTORS = np.random.default_rng(0).standard_normal((COUNT, 6), np.float32)


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    """A video's pictures and embeddings, in four row groups."""
    shards = Shards(str(tmp_path))
    shards.write_rows(f"patches/{VIDEO}", {"id": IDS, "jpeg": JPEGS})
    shards.write_vectors(f"embeddings/{MODEL}/{VIDEO}", IDS, VECTORS)
    return shards


def spoil(path: str, column: str, kept: int) -> None:
    """Overwrite a column's bytes in every row group but one."""
    facts = pq.read_metadata(path)
    number = facts.schema.to_arrow_schema().get_field_index(column)
    with Path(path).open("r+b") as file:
        for group in range(facts.num_row_groups):
            chunk = facts.row_group(group).column(number)
            start = chunk.dictionary_page_offset or chunk.data_page_offset
            if group != kept:
                file.seek(start)
                file.write(b"\xff" * chunk.total_compressed_size)


@pytest.mark.parametrize("row", [0, ROW_GROUP - 1, ROW_GROUP, COUNT - 1])
def test_one_patch_is_read_without_the_other_row_groups(shards: Shards, row: int) -> None:
    group = row // ROW_GROUP
    spoil(shards.path(f"patches/{VIDEO}"), "jpeg", group)
    spoil(shards.path(f"embeddings/{MODEL}/{VIDEO}"), "vector", group)
    files = PatchFiles(shards)
    assert files.jpeg_in_memory(IDS[row]) is None
    assert files.jpeg(IDS[row]) == JPEGS[row]
    assert files.jpeg_in_memory(IDS[row]) == JPEGS[row]
    assert files.embedding_in_memory(MODEL, IDS[row]) is None
    np.testing.assert_array_equal(files.embeddings(MODEL, [IDS[row]]), VECTORS[row : row + 1])
    np.testing.assert_array_equal(files.embedding_in_memory(MODEL, IDS[row]), VECTORS[row])
    other = IDS[(row + ROW_GROUP) % COUNT]
    with pytest.raises(Exception, match=r"cannot be read|Couldn't deserialize|thrift"):
        files.jpeg(other)


def test_many_embeddings_come_from_all_row_groups_in_the_order_asked(shards: Shards) -> None:
    rows = np.random.default_rng(1).integers(0, COUNT, 3 * COUNT)
    found = PatchFiles(shards).embeddings(MODEL, [IDS[row] for row in rows])
    np.testing.assert_array_equal(found, VECTORS[rows])


def test_a_shard_of_one_row_group_is_read_as_well(shards: Shards) -> None:
    path = shards.path(f"patches/{VIDEO}")
    pq.write_table(pq.read_table(path), path, row_group_size=COUNT)  # as before 2026-11-28
    files = PatchFiles(shards)
    assert [files.jpeg(IDS[row]) for row in (0, COUNT - 1)] == [JPEGS[0], JPEGS[-1]]


def test_a_patch_that_a_new_shard_lacks_is_not_found(shards: Shards) -> None:
    files = PatchFiles(shards)
    assert files.jpeg(IDS[-1]) == JPEGS[-1]
    shards.write_rows(f"patches/{VIDEO}", {"id": IDS[:3], "jpeg": JPEGS[:3]})
    shards.write_vectors(f"embeddings/{MODEL}/{VIDEO}", IDS[:3], VECTORS[:3])
    with pytest.raises(NotFound):
        files.embeddings(MODEL, [IDS[-1]])
    files.refresh()
    with pytest.raises(NotFound):
        files.jpeg(IDS[-1])
    assert files.jpeg(IDS[2]) == JPEGS[2]
