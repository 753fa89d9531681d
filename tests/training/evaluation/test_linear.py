"""Tests of the linear classifier: against scikit-learn's, and the choice of its penalty."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from training.evaluation.linear import choose_penalty, choosing_rows, fit


def vectors(noise: float, seed: int = 0, each: int = 40) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(7).standard_normal((4, 10))
    labels = np.repeat(np.arange(4), each)
    found = centres[labels] + noise * generator.standard_normal((len(labels), 10))
    return found.astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize("penalty", [0.1, 0.001])
def test_weights_equal_scikit_learns(penalty: float) -> None:
    data, labels = vectors(1.0)
    ours = fit(data, labels, 4, penalty)
    inputs = StandardScaler().fit_transform(data) / data.shape[1] ** 0.5
    theirs = LogisticRegression(C=1 / (penalty * len(data)), tol=1e-8, max_iter=2000).fit(inputs, labels)
    assert np.allclose(ours.weights[:-1].numpy(), theirs.coef_.T, atol=2e-3)


def test_a_constant_dimension_is_ignored() -> None:
    data, labels = vectors(0.1)
    data[:, 3] = 5
    model = fit(data, labels, 4, 0.001)
    data[:, 3] = -100
    assert (model.classify(data) == labels).mean() > 0.95


def test_a_fifth_of_each_class_chooses_and_the_penalty_fits_the_noise() -> None:
    data, labels = vectors(4.0)
    aside = choosing_rows(labels)
    assert [int(aside[labels == label].sum()) for label in range(4)] == [8, 8, 8, 8]
    # The chosen penalty is the best of a naive search over the same split.
    penalties = (1.0, 0.01, 1e-5)
    right = [
        (fit(data[~aside], labels[~aside], 4, penalty).classify(data[aside]) == labels[aside]).sum()
        for penalty in penalties
    ]
    assert choose_penalty(data, labels, 4, penalties) == penalties[int(np.argmax(right))]
