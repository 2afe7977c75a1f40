"""PopRank counts training users."""

import numpy as np
from fitting import auc, cpu, planted_blocks, training_set

from baselines.poprank import PopRank


def test_scores_are_the_numbers_of_training_users() -> None:
    # A repeated purchase counts once: user 0 has item 2 twice.
    data = training_set([[2, 2, 0], [2], [], [2, 0, 4]], 5)
    model = PopRank(runtime=cpu()).fit(data)
    assert model.score([0, 2, 3]).tolist() == [[2, 0, 3, 0, 1]] * 3
    factors = model.factors()
    assert factors.user_factors.shape == (4, 0)
    assert factors.item_factors.shape == (5, 0)
    assert factors.item_bias.tolist() == [2, 0, 3, 0, 1]


def test_the_most_popular_item_of_many_is_counted_exactly() -> None:
    data = training_set([[0]] * 1000 + [[1]], 2)
    assert PopRank(runtime=cpu()).fit(data).score([1000]).tolist() == [[1000, 1]]


def test_planted_blocks_cannot_be_seen_by_popularity() -> None:
    data, held_out = planted_blocks()
    assert 0.4 < auc(PopRank(runtime=cpu()).fit(data), data, held_out) < 0.65


def test_state_is_a_copy() -> None:
    model = PopRank(runtime=cpu()).fit(training_set([[0, 1], [1]], 3))
    model.state()["item_counts"][:] = np.nan
    assert model.score([0]).tolist() == [[1, 2, 0]]
