"""Epochs of triples: what a step gets, where negatives come from, the same epoch every time."""

import numpy as np
import pytest

from bench.datasets.dataset import Interactions
from dvbpr.sampling import Negatives, Sampler


@pytest.fixture
def train(rng: np.random.Generator) -> Interactions:
    users, items = np.nonzero(rng.random((30, 50)) < 0.2)
    return Interactions.from_pairs(users, items, n_users=30, n_items=50)


def sampler(
    train: Interactions, negatives: Negatives, n: int, batch: int, seed: int = 1
) -> Sampler:
    return Sampler(
        train, sampling="pairs", negatives=negatives, n_negatives=n, batch_size=batch, seed=seed
    )


@pytest.mark.parametrize("n", [1, 3])
def test_own_negatives(train: Interactions, n: int) -> None:
    draws = sampler(train, "own", n, 64)
    epoch = draws.epoch(0)
    batches = [epoch.batch(step) for step in range(draws.steps)]
    assert draws.steps == -(-train.n_pairs // 64)
    assert sum(len(b.users) for b in batches) == train.n_pairs
    assert {len(b.users) for b in batches[:-1]} == {64}
    pairs = {(int(u), int(i)) for b in batches for u, i in zip(b.users, b.positives, strict=True)}
    assert pairs == set(zip(train.users.tolist(), train.indices.tolist(), strict=True))
    for b in batches:
        assert b.negatives.shape == (len(b.users), n)
        assert not train.contains(b.users[:, None], b.negatives).any()
        np.testing.assert_array_equal(b.items, [*b.positives, *b.negatives.ravel()])


def test_shared_negatives_come_from_the_whole_catalogue(train: Interactions) -> None:
    draws = sampler(train, "shared", 40, 32)
    drawn = []
    for number in range(20):
        epoch = draws.epoch(number)
        for step in range(draws.steps):
            batch = epoch.batch(step)
            assert batch.negatives.shape == (40,)
            assert len(batch.items) == len(batch.users) + 40
            drawn.append(batch.negatives)
    counts = np.bincount(np.concatenate(drawn), minlength=50)
    expected = counts.sum() / 50
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


@pytest.mark.parametrize("negatives", ["own", "shared"])
def test_an_epoch_follows_from_seed_and_number(train: Interactions, negatives: Negatives) -> None:
    first = sampler(train, negatives, 2, 16)
    first.epoch(0)
    again = sampler(train, negatives, 2, 16).epoch(1)
    same, other = first.epoch(1), sampler(train, negatives, 2, 16, seed=2).epoch(1)
    for name in ("users", "positives", "negatives"):
        np.testing.assert_array_equal(getattr(same, name), getattr(again, name))
    assert not np.array_equal(same.positives, other.positives)
    assert not np.array_equal(same.positives, first.epoch(2).positives)
