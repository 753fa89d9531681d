"""A vector index finds what comparing every vector finds, follows its shards, and survives interrupted builds."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from graph.errors import StorageError
from graph.settings import Settings
from graph.shards import Shards
from graph.vectors import build
from graph.vectors.build import update_index
from graph.vectors.index import Plan, VectorIndex, index_folder
from graph.vectors.manifest import Manifest, read_manifest
from graph.vectors.segment import Found
from graph.vectors.selection import Selection

MODEL = "model"
WIDTH = 48


def no_progress(stage: str, done: int, total: int, unit: str) -> None:
    """Ignore the progress."""


def test_few_vectors_are_counted_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = Collection(tmp_path, 3, 100)
    monkeypatch.setattr(few.shards, "read_vectors", None)
    assert few.update() is None
    assert not few.folder.exists()


@pytest.mark.parametrize(
    ("data", "folder"), [("", "home/indexes/m"), ("shared", "shared/indexes/m"), ("s3://bucket/x", "home/indexes/m")]
)
def test_an_index_is_where_the_machines_that_share_the_shards_find_it(tmp_path: Path, data: str, folder: str) -> None:
    url = data if "://" in data else str(tmp_path / data) if data else ""
    assert index_folder(Settings(home=tmp_path / "home", data_url=url), "m") == tmp_path / folder


class Collection:
    """Videos of random vectors around 300 centres, on the disk and in memory."""

    def __init__(self, folder: Path, videos: int, each: int) -> None:
        self.shards, self.folder = Shards(str(folder / "data")), folder / "index"
        self.random = np.random.default_rng(5)
        self.centres = self.random.normal(size=(300, WIDTH))
        self.vectors: dict[str, np.ndarray] = {}
        for number in range(videos):
            self.add(f"{number:032x}", each)

    def add(self, video: str, count: int) -> None:
        rows = self.centres[self.random.integers(0, 300, count)] + 0.5 * self.random.normal(size=(count, WIDTH))
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        ids = [f"{int(video, 16):08x}{n:08x}" for n in self.random.permutation(count)]
        self.shards.write_vectors(f"embeddings/{MODEL}/{video}", ids, rows)
        self.forget(video)
        self.vectors |= dict(zip(ids, rows, strict=True))

    def forget(self, video: str) -> None:
        own = f"{int(video, 16):08x}"
        self.vectors = {patch: row for patch, row in self.vectors.items() if not patch.startswith(own)}

    def update(self) -> Manifest | None:
        return update_index(self.shards, MODEL, self.folder, no_progress)

    def search(self, query: np.ndarray, k: int, wanted: Selection | None = None) -> list[Found]:
        index = VectorIndex.open(self.folder)
        assert index is not None
        plan = index.plan(self.shards.versions(f"embeddings/{MODEL}"))
        assert not plan.uncovered
        found = index.search(query, k, plan, wanted or Selection())
        return sorted(found, key=lambda one: -one[2])[:k]

    def recall(self, wanted: Selection | None = None, permitted: str = "", questions: int = 60) -> float:
        """Return the share of the ten nearest that a search finds; `permitted` begins the ids that are allowed."""
        ids = [patch for patch in self.vectors if patch.startswith(permitted)]
        matrix = np.stack([self.vectors[patch] for patch in ids])
        hits = 0
        for query in matrix[self.random.choice(len(ids), questions, replace=False)]:
            expected = {ids[row] for row in np.argsort(-(matrix @ query))[:10]}
            found = {patch for patch, _, _ in self.search(query, 10, wanted)}
            assert all(patch.startswith(permitted) for patch in found)
            hits += len(found & expected)
        return hits / (10 * questions)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """An index of 24,000 vectors in 12 videos; tests leave it as it is."""
    made = Collection(tmp_path_factory.mktemp("vectors"), videos=12, each=2000)
    assert made.update() is not None
    return made


def test_the_stated_recall_is_that_of_comparing_every_vector(collection: Collection) -> None:
    manifest = read_manifest(collection.folder)
    assert manifest is not None
    assert manifest.rows == 24_000
    assert manifest.recall >= 0.95
    assert collection.recall() == pytest.approx(manifest.recall, abs=0.03)


def test_answers_name_the_patch_its_video_and_its_cosine(collection: Collection) -> None:
    patch, vector = next(iter(collection.vectors.items()))
    found = collection.search(vector, 5)
    assert found[0][0] == patch
    for other, video, cosine in found:
        assert int(video, 16) == int(other[:8], 16)
        assert cosine == pytest.approx(float(collection.vectors[other] @ vector), abs=2e-4)


def test_a_patch_is_searched_by_its_stored_vector_and_left_out_of_its_own_answer(collection: Collection) -> None:
    index = VectorIndex.open(collection.folder)
    assert index is not None
    versions = collection.shards.versions(f"embeddings/{MODEL}")
    plan, patch = index.plan(versions), f"{3:08x}{17:08x}"
    stored = index.vector(patch, plan)
    assert stored == pytest.approx(collection.vectors[patch], abs=5e-4)
    assert index.vector(f"{3:08x}{5000:08x}", plan) is None
    assert index.vector("f" * 16, plan) is None
    del versions[f"{3:032x}"]
    assert index.vector(patch, index.plan(versions)) is None  # its video is deleted
    with_it = collection.search(collection.vectors[patch], 6)
    assert with_it[0][0] == patch
    assert collection.search(collection.vectors[patch], 5, Selection(without_patch=patch)) == with_it[1:]


def test_filters_hold_inside_the_search(collection: Collection) -> None:
    three = f"{3:032x}"
    assert collection.recall(Selection(video=three), permitted=f"{3:08x}") == 1  # few rows: all are compared
    query = collection.vectors[f"{3:08x}{0:08x}"]
    found = collection.search(query, 50, Selection(without_videos=frozenset({three}), without_patch=f"{4:08x}{7:08x}"))
    assert len(found) == 50
    assert three not in {video for _, video, _ in found}
    some = frozenset({f"{4:08x}{7:08x}", f"{9:08x}{11:08x}", "f" * 16})
    assert {patch for patch, _, _ in collection.search(query, 10, Selection(patches=some))} == some - {"f" * 16}
    assert collection.search(query, 10, Selection(video="e" * 32)) == []


def test_new_changed_and_deleted_videos_are_followed(tmp_path: Path) -> None:
    collection = Collection(tmp_path, videos=11, each=2000)
    first = collection.update()
    assert first is not None
    collection.add(f"{40:032x}", 1500)  # new
    collection.add(f"{2:032x}", 1800)  # embedded anew
    index = VectorIndex.open(collection.folder)
    assert index is not None
    plan = index.plan(collection.shards.versions(f"embeddings/{MODEL}"))
    assert plan.uncovered == (f"{2:032x}", f"{40:032x}")
    second = collection.update()
    assert second is not None
    assert second.segments[0] == first.segments[0]
    assert len(second.segments) == 2
    collection.shards.delete(f"embeddings/{MODEL}/{5:032x}")
    collection.forget(f"{5:032x}")
    assert collection.recall() >= 0.95
    assert collection.recall(permitted=f"{40:08x}", wanted=Selection(video=f"{40:032x}")) == 1
    for number in (6, 7, 8, 9):  # with video 5 and the old rows of video 2: more than a quarter
        collection.shards.delete(f"embeddings/{MODEL}/{number:032x}")
        collection.forget(f"{number:032x}")
    assert collection.update() is None  # 13,300 vectors are left: no index is needed
    assert list(collection.folder.glob("segment-*")) == []


def test_a_killed_build_leaves_the_index_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = Collection(tmp_path, videos=11, each=2000)
    before = collection.update()
    collection.add(f"{50:032x}", 300)

    def killed(folder: Path, manifest: Manifest) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(build, "write_manifest", killed)
        with pytest.raises(KeyboardInterrupt):
            collection.update()
    assert read_manifest(collection.folder) == before
    assert len(list(collection.folder.glob("segment-*"))) == 2  # the interrupted one is left
    after = collection.update()
    assert after is not None
    assert {path.name for path in collection.folder.glob("segment-*")} == set(after.segments)
    assert collection.recall() >= 0.95


def test_missing_files_and_unreadable_manifests(tmp_path: Path) -> None:
    collection = Collection(tmp_path, videos=11, each=2000)
    manifest = collection.update()
    assert manifest is not None
    (collection.folder / manifest.segments[0] / "rows.npz").unlink()
    assert VectorIndex.open(collection.folder) is None
    again = collection.update()
    assert again is not None
    assert again.segments != manifest.segments
    (collection.folder / "manifest.json").write_text("{")
    with pytest.raises(StorageError, match=r"Delete .* it is rebuilt"):
        read_manifest(collection.folder)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Collection:
    """An index of 5,000 vectors in two videos."""
    monkeypatch.setattr(build, "LEAST_ROWS", 5000)
    made = Collection(tmp_path, videos=2, each=2500)
    assert made.update() is not None
    return made


def test_a_new_video_without_patches_is_a_segment_without_rows(small: Collection) -> None:
    small.add(f"{30:032x}", 0)
    manifest = small.update()
    assert manifest is not None
    assert len(manifest.segments) == 2
    patch, vector = next(iter(small.vectors.items()))
    assert small.search(vector, 1)[0][0] == patch
    assert small.update() == manifest


@pytest.mark.parametrize("name", ["rows.npz", "vectors.f16", "inverted.faiss"])
def test_truncated_files_are_no_index_and_are_built_again(small: Collection, name: str) -> None:
    before = read_manifest(small.folder)
    assert before is not None
    with (small.folder / before.segments[0] / name).open("r+b") as file:
        file.truncate(100)
    assert VectorIndex.open(small.folder) is None
    after = small.update()
    assert after is not None
    assert after.segments != before.segments
    assert VectorIndex.open(small.folder) is not None


def test_searches_of_two_states_at_once_never_find_deleted_videos(small: Collection) -> None:
    index = VectorIndex.open(small.folder)
    assert index is not None
    versions = small.shards.versions(f"embeddings/{MODEL}")
    deleted = f"{1:032x}"
    old, new = index.plan(versions), index.plan({v: text for v, text in versions.items() if v != deleted})
    query = small.vectors[f"{1:08x}{0:08x}"]

    def videos(plan: Plan) -> set[str]:
        return {video for _, video, _ in index.search(query, 20, plan, Selection())}

    with ThreadPoolExecutor(2) as pool:
        states = [old, new] * 300
        for plan, found in zip(states, pool.map(videos, states), strict=True):
            assert deleted in found or plan is new
            assert deleted not in found or plan is old


def test_a_video_deleted_during_the_build_is_left_out(small: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = small.shards.versions(f"embeddings/{MODEL}")
    monkeypatch.setattr(small.shards, "versions", lambda folder: versions | {"f" * 32: "1"})
    manifest = small.update()
    assert manifest is not None
    assert manifest.rows == 5000
