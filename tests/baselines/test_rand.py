"""RAND: uniform, independent scores that depend on seed, user and item only."""

import numpy as np
from fitting import cpu, training_set
from scipy.stats import kstest, pearsonr

from baselines.rand import Rand

DATA = training_set([[0]] * 2000, 60)


def test_scores_are_uniform() -> None:
    scores = Rand(runtime=cpu()).fit(DATA).score(range(2000))
    assert scores.dtype == np.float32
    assert scores.min() >= 0
    assert scores.max() < 1
    assert kstest(scores.ravel(), "uniform").pvalue > 0.001
    # Per item and per user too: no column or row is favoured.
    assert abs(scores.mean(axis=0) - 0.5).max() < 5 * np.sqrt(1 / 12 / 2000)
    assert abs(scores.mean(axis=1) - 0.5).max() < 5 * np.sqrt(1 / 12 / 60)


def test_neighbours_are_uncorrelated() -> None:
    scores = Rand(runtime=cpu()).fit(DATA).score(range(2000))
    for a, b in ((scores[1:], scores[:-1]), (scores[:, 1:], scores[:, :-1])):
        assert abs(pearsonr(a.ravel(), b.ravel()).statistic) < 5 / np.sqrt(a.size)


def test_scores_do_not_depend_on_the_batch() -> None:
    model = Rand(runtime=cpu()).fit(DATA)
    whole = model.score(range(2000))
    np.testing.assert_array_equal(model.score([1999, 3, 3]), whole[[1999, 3, 3]])


def test_seeds_decide() -> None:
    first = Rand(runtime=cpu(1)).fit(DATA).score(range(2000))
    np.testing.assert_array_equal(first, Rand(runtime=cpu(1)).fit(DATA).score(range(2000)))
    other = Rand(runtime=cpu(2)).fit(DATA).score(range(2000))
    assert (first == other).mean() < 0.001
    assert abs(pearsonr(first.ravel(), other.ravel()).statistic) < 5 / np.sqrt(first.size)


def test_auc_is_one_half() -> None:
    scores = Rand(runtime=cpu()).fit(DATA).score(range(2000))
    shares = (scores[:, 1:] < scores[:, :1]).mean(axis=1)
    assert abs(shares.mean() - 0.5) < 5 * shares.std() / np.sqrt(2000)
