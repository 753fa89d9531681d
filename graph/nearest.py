"""Nearest-neighbour search by cosine with faiss: exact, on a GPU where faiss-gpu finds one, and by an inverted file."""

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

_MOST_ON_GPU = 2048  # longest list that faiss returns from a GPU


def nearest_by_cosine(
    vectors: NDArray[Any], questions: NDArray[Any], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return (Q, min(count, N)) rows of the `vectors` (N, D) nearest to each of the `questions` (Q, D), and cosines.

    Vectors and questions have length 1. Each list is exact and starts with the nearest.
    """
    base = np.ascontiguousarray(vectors, np.float32)
    asked = np.ascontiguousarray(questions, np.float32)
    kept = min(count, len(base))
    if kept <= _MOST_ON_GPU and faiss.get_num_gpus():
        resources = faiss.StandardGpuResources()
        cosines, rows = faiss.knn_gpu(resources, asked, base, kept, metric=faiss.METRIC_INNER_PRODUCT)
    else:
        cosines, rows = faiss.knn(asked, base, kept, metric=faiss.METRIC_INNER_PRODUCT)
    return rows.astype(np.int64), cosines


def nearest_of_halves(
    candidates: NDArray[np.float16], question: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the min(count, N) rows of `candidates` (N, D) nearest to the question (D,), and cosines, nearest first.

    All have length 1. One thread. faiss reads float16 with the processor's own conversion: 100 candidates of 1,024
    components take 25 µs. NumPy's `astype` alone takes 450 µs.
    """
    kept = min(count, len(candidates))
    rows, cosines = np.empty((1, kept), np.int64), np.empty((1, kept), np.float32)
    if kept:
        faiss.omp_set_num_threads(1)
        codes = np.ascontiguousarray(candidates).view(np.uint8)
        asked = np.ascontiguousarray(question[None], np.float32)
        halves, cosine = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        exact: Any = faiss.IndexScalarQuantizer(len(question), halves, cosine)
        exact.add_sa_codes_c(len(codes), faiss.swig_ptr(codes), None)
        exact.search_c(1, faiss.swig_ptr(asked), kept, faiss.swig_ptr(cosines), faiss.swig_ptr(rows))
    return rows[0], cosines[0]


class InvertedFile:
    """An inverted file (IVF) over principal components of 8 bits each.

    It compares by Euclidean distance: for vectors of length 1 that order is the order by cosine, and unlike the inner
    product it survives the mean that the principal components subtract.
    """

    def __init__(self, index: Any) -> None:
        """Wrap a faiss `IndexPreTransform` of one linear transform and one inverted file."""
        self._whole = index
        self._components = faiss.downcast_VectorTransform(index.chain.at(0))
        self._lists: Any = faiss.downcast_index(index.index)

    @classmethod
    def train(cls, sample: NDArray[np.float32], components: int, lists: int) -> "InvertedFile":
        """Return an empty index whose components and list centres are trained on a sample (S, D)."""
        width = min(components, sample.shape[1])
        index = faiss.index_factory(sample.shape[1], f"PCA{width},IVF{lists},SQ8", faiss.METRIC_L2)
        index.train(np.ascontiguousarray(sample))
        return cls(index)

    @classmethod
    def load(cls, path: Path) -> "InvertedFile":
        """Read a saved file into memory."""
        return cls(faiss.read_index(str(path)))

    @classmethod
    def map(cls, path: Path) -> "InvertedFile":
        """Open a saved file for searching; its lists are memory-mapped.

        By default, faiss starts one thread per visited list in each search, to read the list from the disk in advance.
        With the lists in memory, these threads take 240 of the 340 µs of a search of a million vectors.
        """
        opened = cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP))
        mapped: Any = faiss.downcast_InvertedLists(opened._lists.invlists)
        mapped.prefetch_nthread = 0
        return opened

    def save(self, path: Path) -> None:
        """Write the inverted file."""
        faiss.write_index(self._whole, str(path))

    @property
    def lists(self) -> int:
        """Number of lists."""
        return int(self._lists.nlist)

    def add(self, vectors: NDArray[np.float32]) -> None:
        """Append vectors (N, D); their rows follow the existing rows."""
        self._whole.add(np.ascontiguousarray(vectors))

    def search(
        self, question: NDArray[np.float32], count: int, visited: int, allowed: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """Return at most `count` rows near the question (D,), nearest first by the codes, from `visited` lists.

        `allowed` (N,) leaves the other rows out during the search. One thread: requests run beside each other.
        """
        faiss.omp_set_num_threads(1)
        parameters: Any = faiss.SearchParametersIVF()
        parameters.nprobe = min(visited, self.lists)
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
            parameters.sel = selector
        reduced = self._components.apply(np.ascontiguousarray(question[None], np.float32))
        rows, distances = np.empty((1, count), np.int64), np.empty((1, count), np.float32)
        # `search` itself takes no parameters any more once somebody has imported faiss.contrib.torch_utils
        self._lists.search_c(
            1, faiss.swig_ptr(reduced), count, faiss.swig_ptr(distances), faiss.swig_ptr(rows), parameters
        )
        found: NDArray[np.int64] = rows[0][rows[0] >= 0]
        return found
