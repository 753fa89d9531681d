"""A linear softmax classifier with an L2 penalty, and the selection of the penalty on a part of the training data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

PENALTIES = (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5)  # strongest first, so the strongest of equally good ones is chosen
CHOOSING_SHARE = 5  # one in five training pictures of a class serves to choose the penalty
_STEPS = 200  # maximum of L-BFGS


@dataclass(frozen=True)
class LinearClassifier:
    """Weights (D + 1, C) of standardised vectors; the last row is the bias."""

    mean: Tensor
    scale: Tensor
    weights: Tensor

    def classify(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the (N,) most likely classes of (N, D) vectors."""
        inputs = (torch.from_numpy(vectors) - self.mean) * self.scale
        scores = inputs @ self.weights[:-1] + self.weights[-1]
        found: NDArray[np.int64] = scores.argmax(1).numpy()
        return found


def fit(vectors: NDArray[np.float32], labels: NDArray[np.int64], classes: int, penalty: float) -> LinearClassifier:
    """Minimise mean cross-entropy + penalty/2 · |W|² over (N, D) vectors by L-BFGS; the bias is not penalised.

    Vectors are standardised and divided by √D, so that one penalty means the same at every stage.
    """
    data = torch.from_numpy(vectors)
    target = torch.from_numpy(labels)
    mean = data.mean(0)
    spread = data.std(0, correction=0)
    scale = torch.where(spread > 1e-8, 1 / spread, torch.zeros(())) / data.shape[1] ** 0.5
    inputs = (data - mean) * scale
    weights = torch.zeros((data.shape[1] + 1, classes), requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=_STEPS, tolerance_change=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = functional.cross_entropy(inputs @ weights[:-1] + weights[-1], target)
        loss = loss + penalty / 2 * weights[:-1].square().sum()
        torch.autograd.backward(loss)
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return LinearClassifier(mean, scale, weights.detach())


def choosing_rows(labels: NDArray[np.int64], seed: int = 0) -> NDArray[np.bool_]:
    """Mark one in `CHOOSING_SHARE` rows of each class, drawn at random: (N,) bool."""
    chosen = np.zeros(len(labels), np.bool_)
    generator = np.random.default_rng(seed)
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        chosen[rows[: len(rows) // CHOOSING_SHARE]] = True
    return chosen


def choose_penalty(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: int,
    penalties: Sequence[float] = PENALTIES,
    tried: Callable[[int], None] = lambda done: None,
) -> float:
    """Return the penalty of the highest accuracy on the chosen part of (N, D) training vectors, fitted on the rest."""
    aside = choosing_rows(labels)
    best, best_right = penalties[0], -1
    for done, penalty in enumerate(penalties, start=1):
        model = fit(vectors[~aside], labels[~aside], classes, penalty)
        right = int((model.classify(vectors[aside]) == labels[aside]).sum())
        if right > best_right:
            best, best_right = penalty, right
        tried(done)
    return best
