"""Exact nearest-neighbour search by cosine with faiss, on a GPU if faiss-gpu finds one."""

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
