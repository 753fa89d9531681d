"""K-means assignment and nearest-neighbour search for linking, by bf16 and fp16 matrix products on any torch device.

graph/linking has both in NumPy. CPUs and GPUs with bf16 units multiply several times faster in bf16 than in float32.
`link(..., assign=points_on(device), search=nearest_on(device))` uses both.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from graph.linking.features import of_length_one
from graph.linking.neighbours import ROW_BITS, SIMILARITY_STEPS, Nearest
from graph.linking.points import MakePoints, Points

_CPU_BLOCK = 2048  # rows of one product
_CPU_CHUNK = 128  # rows in float32 at a time: they fit the second-level cache, which halves the time (measured)
_GPU_BLOCK = 1 << 16
_RESIDENT = 0.6  # share of the free device memory that the vectors may take
_GPU_KEYS, _CPU_KEYS = 1 << 28, 1 << 22  # similarities held at a time


class TorchPoints:
    """Implementation of `graph.linking.points.Points` on a torch device.

    Vectors are treated as having length 1. The mean of the centroids is subtracted from them before the bf16 product,
    and its contribution is added in float32 afterwards: the nearest centroid stays the same, and the few bits of bf16
    are used for the differences of centroids.
    """

    def __init__(self, features: NDArray[Any], device: torch.device) -> None:
        """Keep (N, D) float16 vectors; if they fit, they are copied to the GPU once."""
        self._device = device
        self._features = torch.from_numpy(features)
        self._block = _CPU_BLOCK
        if device.type == "cuda":
            self._block = _GPU_BLOCK
            if self._features.nbytes < _RESIDENT * torch.cuda.mem_get_info(device)[0]:
                self._features = self._features.to(device)
        block = min(self._block, len(features))
        chunk = block if device.type == "cuda" else min(_CPU_CHUNK, len(features))
        self._shapes = (block, features.shape[1]), (chunk, features.shape[1])
        self._own = threading.local()
        self._threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self._threads, "assign", initializer=torch.set_num_threads, initargs=(1,))
        self._centre: torch.Tensor | None = None  # mean of the first centroids
        self._scales = torch.empty(len(features), device=device)  # one over each length, 0 if that is 0
        self._constants = torch.empty(len(features), device=device)  # |x|² - 2 x·centre of each, of length 1
        self._measured = False

    def assign(self, centroids: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return for each vector its nearest centroid (N,) and the squared distance to it (N,)."""
        count = len(self._features)
        exact = torch.from_numpy(centroids).to(self._device)
        if self._centre is None:
            self._centre = exact.mean(dim=0)
        columns = (exact - self._centre).bfloat16().T.contiguous()
        half_norms = 0.5 * exact.square().sum(dim=1)
        labels = torch.empty(count, dtype=torch.int32, device=self._device)
        best = torch.empty(count, device=self._device)
        centre = self._centre

        def work(rows: slice) -> None:
            short = self._in_bf16(rows, centre)
            scores = (short @ columns).float().mul_(self._scales[rows, None]).sub_(half_norms)
            best[rows], labels[rows] = (found := scores.max(dim=1)).values, found.indices.int()

        self._each_block(work)
        self._measured = True
        distances = (self._constants - 2 * best).clamp_(min=0)
        return labels.cpu().numpy(), distances.cpu().numpy()

    def _in_bf16(self, rows: slice, centre: torch.Tensor) -> torch.Tensor:
        """Return vectors in a buffer that the next call overwrites; the first call also measures their lengths."""
        all_short, all_values = self._buffers()
        short = all_short[: rows.stop - rows.start]
        if self._device.type == "cuda" and self._measured:
            return short.copy_(self._features[rows])
        # Through float32: CPUs have instructions for both steps, none for fp16 to bf16 (2.5 times faster, measured).
        for start in range(rows.start, rows.stop, len(all_values)):
            some = slice(start, min(start + len(all_values), rows.stop))
            values = all_values[: some.stop - some.start].copy_(self._features[some])
            if not self._measured:
                lengths = torch.linalg.vector_norm(values, dim=1)
                self._scales[some] = scale = torch.where(lengths > 0, 1 / lengths.clamp(min=1e-12), 0)
                self._constants[some] = (lengths > 0).float() - 2 * (values @ centre) * scale
            short[some.start - rows.start : some.stop - rows.start].copy_(values)
        return short

    def move(self, sums: NDArray[np.float32], old: NDArray[np.int32], new: NDArray[np.int32]) -> None:
        """Where `old` and `new` differ, subtract the vector from `sums[old]` and add it to `sums[new]`; -1: none."""
        changed = np.flatnonzero(old != new)
        total = torch.from_numpy(sums).to(self._device)
        _, all_values = self._buffers()
        for start in range(0, len(changed), len(all_values)):
            rows = changed[start : start + len(all_values)]
            index = torch.from_numpy(rows).to(self._device)
            values = all_values[: len(rows)].copy_(self._features[index.to(self._features.device)])
            values *= self._scales[index, None]
            _add(total, torch.from_numpy(new[rows]).to(self._device), values, 1)
            _add(total, torch.from_numpy(old[rows]).to(self._device), values, -1)
        if self._device.type != "cpu":  # on a CPU the tensor is the array
            sums[:] = total.cpu().numpy()

    def _each_block(self, work: Callable[[slice], None]) -> None:
        """Process all blocks; on a CPU each core processes whole blocks, so no core waits within a block."""
        count = len(self._features)
        blocks = [slice(start, min(start + self._block, count)) for start in range(0, count, self._block)]
        if self._device.type == "cuda":
            for rows in blocks:
                work(rows)
            return
        list(self._pool.map(work, blocks))
        torch.set_num_threads(self._threads)  # the pool's threads set 1, which later threads would inherit

    def _buffers(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return this thread's buffers for a block in bf16 and a chunk in float32: new memory is slow on a CPU."""
        if not hasattr(self._own, "buffers"):
            short, values = self._shapes
            self._own.buffers = (
                torch.empty(short, dtype=torch.bfloat16, device=self._device),
                torch.empty(values, device=self._device),
            )
        found: tuple[torch.Tensor, torch.Tensor] = self._own.buffers
        return found


def _add(total: torch.Tensor, labels: torch.Tensor, values: torch.Tensor, sign: int) -> None:
    """Add `sign` times each row of `values` to the row of `total` that its label names, in a fixed order."""
    inside = labels >= 0
    if not bool(inside.any()):
        return
    if not bool(inside.all()):
        labels, values = labels[inside], values[inside]
    if total.device.type == "cpu":
        total.index_add_(0, labels.long(), values, alpha=sign)
        return
    # index_add_ adds in no fixed order on a GPU; a product with one-hot rows does, and is exact for fp16 vectors
    names, position = torch.unique(labels, return_inverse=True)
    one_hot = torch.zeros(len(names), len(position), dtype=torch.float16, device=total.device)
    one_hot[position, torch.arange(len(position), device=total.device)] = 1
    total[names.long()] += sign * torch.mm(one_hot, values.half(), out_dtype=torch.float32)


def points_on(device: str | torch.device) -> MakePoints:
    """Return a function that makes the `Points` of K-means on this device."""
    chosen = torch.device(device)

    def make(features: NDArray[Any]) -> Points:
        return TorchPoints(features, chosen)

    return make


def nearest_on(device: str | torch.device) -> Nearest:
    """Return `graph.linking.neighbours.nearest` on this device: the same lists, ties in the same order."""
    chosen = torch.device(device)

    def nearest(
        features: NDArray[Any], owners: NDArray[np.int64], allowed: NDArray[np.int64], count: int
    ) -> NDArray[np.int32]:
        size = len(features)
        lists = np.full((size, count), -1, np.int32)
        vectors, scales = _ready(features, chosen)
        codes, pairs = torch.from_numpy(owners).to(chosen), torch.from_numpy(allowed).to(chosen)
        last = (1 << ROW_BITS) - 1
        tie = last - torch.arange(size, device=chosen)
        lowest = torch.iinfo(torch.int64).min
        kept = min(count, size)
        step = max(1, (_GPU_KEYS if chosen.type == "cuda" else _CPU_KEYS) // max(size, 1))
        for start in range(0, size, step):
            rows = torch.arange(start, min(start + step, size), device=chosen)
            products = _products(vectors[start : start + step], vectors)
            if scales is not None:
                products *= scales[start : start + step, None] * scales
            keys = ((products * SIMILARITY_STEPS).round_().long() << ROW_BITS) + tie
            hidden = codes[rows, None] == codes[None, :]
            for first, second in ((0, 1), (1, 0)):
                here = pairs[(pairs[:, first] >= start) & (pairs[:, first] < start + step)]
                hidden[here[:, first] - start, here[:, second]] = False
            hidden[rows - start, rows] = True
            best = keys.masked_fill_(hidden, lowest).topk(kept, dim=1).values
            lists[start : start + step, :kept] = torch.where(best == lowest, -1, last - (best & last)).cpu().numpy()
        return lists

    return nearest


def _ready(features: NDArray[Any], device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the vectors to multiply, and the factors that turn the products into cosines (None: they are cosines).

    A CPU multiplies float32 vectors of length 1; a GPU multiplies the stored fp16 ones and scales afterwards.
    """
    if device.type == "cpu" or features.dtype != np.float16:
        return torch.from_numpy(of_length_one(features)).to(device), None
    vectors = torch.from_numpy(np.ascontiguousarray(features)).to(device)
    return vectors, vectors.float().square_().sum(dim=1).clamp_(min=1e-24).rsqrt_()


def _products(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return (B, N) products in float32."""
    return left @ right.T if left.dtype == torch.float32 else torch.mm(left, right.T, out_dtype=torch.float32)
