"""The inception score against loops in float64."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.errors import BenchError
from bench.evaluation.image import category_agreement, inception_score


def brute_force(probabilities: np.ndarray, splits: int) -> list[float]:
    """The inception score as it is written down, one term at a time."""
    n, n_classes = probabilities.shape
    scores = []
    for group in range(splits):
        rows = [i for i in range(n) if group * n // splits <= i < (group + 1) * n // splits]
        marginal = [sum(probabilities[i, c] for i in rows) / len(rows) for c in range(n_classes)]
        divergence = 0.0
        for i in rows:
            for c in range(n_classes):
                p = float(probabilities[i, c])
                if p > 0:
                    divergence += p * math.log(p / marginal[c])
        scores.append(math.exp(divergence / len(rows)))
    return scores


def random_probabilities(rng: np.random.Generator, n: int, n_classes: int) -> np.ndarray:
    return rng.dirichlet(np.full(n_classes, 0.3), n)


@pytest.mark.parametrize(("n", "splits"), [(40, 10), (43, 10), (7, 7), (12, 1)])
def test_inception_score_is_the_definition(rng: np.random.Generator, n: int, splits: int) -> None:
    probabilities = random_probabilities(rng, n, 5)
    probabilities[0] = [0, 1, 0, 0, 0]
    expected = brute_force(probabilities, splits)
    found = inception_score(probabilities, splits=splits)
    np.testing.assert_allclose(found.scores, expected, rtol=1e-12)
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.std == pytest.approx(np.std(expected))
    assert found.sizes.sum() == found.n_images == n
    assert found.n_classes == 5
    single = inception_score(probabilities.astype(np.float32), splits=splits)
    assert single.mean == pytest.approx(found.mean, rel=1e-6)
    # What half precision adds up to is brought back to 1.
    rounded = inception_score(probabilities * 1.004, splits=splits)
    np.testing.assert_allclose(rounded.scores, found.scores, rtol=1e-12)


def test_splits_are_in_the_given_order() -> None:
    """Two halves, each of one class: apart they score 1, interleaved 2."""
    sure = np.repeat(np.eye(2), 4, axis=0)
    assert inception_score(sure, splits=2).scores.tolist() == [1.0, 1.0]
    mixed = sure[[0, 4, 1, 5, 2, 6, 3, 7]]
    np.testing.assert_allclose(inception_score(mixed, splits=2).scores, [2.0, 2.0])


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 12), st.integers(1, 6)),
        elements=st.one_of(st.just(0.0), st.floats(1e-30, 1.0)),
    ),
    st.integers(1, 4),
)
def test_the_score_lies_between_one_and_the_number_of_classes(
    weights: np.ndarray, splits: int
) -> None:
    weights[weights.sum(axis=1) == 0] = 1.0
    found = inception_score(
        weights / weights.sum(axis=1, keepdims=True), splits=min(splits, len(weights))
    )
    assert found.scores.min() >= 1 - 1e-12
    assert found.scores.max() <= weights.shape[1] * (1 + 1e-12)


def test_extremes_of_the_score() -> None:
    assert inception_score(np.full((20, 6), 1 / 6)).mean == pytest.approx(1.0)
    assert inception_score(np.tile(np.eye(6), (10, 1))).mean == pytest.approx(6.0)


def test_what_is_printed_with_the_score() -> None:
    found = inception_score(np.tile(np.eye(6), (7, 1)))
    assert "(N = 42 in 10 splits of 4 or 5 in the given order, 6 classes)" in str(found)
    assert "in 7 splits of 6 in" in str(inception_score(np.tile(np.eye(6), (7, 1)), splits=7))


def test_what_is_no_probability() -> None:
    with pytest.raises(BenchError, match="9 images cannot be scored in 10 splits"):
        inception_score(np.full((9, 2), 0.5))
    with pytest.raises(BenchError, match="in 0 splits"):
        inception_score(np.full((9, 2), 0.5), splits=0)
    logits = np.array([[3.0, -2.0]])
    for wrong in (logits, np.array([[0.5, 0.1]]), np.array([[np.nan, 1.0]])):
        with pytest.raises(ValueError, match="must be probabilities"):
            inception_score(wrong, splits=1)
    for shape in ((3,), (3, 0)):
        with pytest.raises(ValueError, match=r"must be \(n, C\)"):
            inception_score(np.ones(shape), splits=1)


def test_agreement_with_the_category() -> None:
    probabilities = np.array([[0.6, 0.4], [0.2, 0.8], [0.9, 0.1]])
    assert category_agreement(probabilities, np.array([0, 0, 0])) == pytest.approx(2 / 3)
    assert math.isnan(category_agreement(probabilities[:0], np.array([], int)))
    with pytest.raises(ValueError, match="do not pair"):
        category_agreement(probabilities, np.array([0]))
