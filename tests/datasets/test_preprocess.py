from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets.preprocess import (
    NO_TIME,
    Preprocessed,
    drop_inactive_users,
    leave_one_out,
    merge_repeats,
    preprocess,
)
from bench.errors import BenchError

Rows = list[tuple[int, int, int]]

rows_of_a_log = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 9), st.integers(-5, 100) | st.just(int(NO_TIME))),
    max_size=120,
)


def columns(rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(rows, np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def as_sets(result: Preprocessed) -> dict[int, tuple[set[int], int, int]]:
    """Training items, validation and test item per user, in the former numbers."""
    return {
        int(user): (
            {int(result.items[i]) for i in result.train.of(row)},
            int(result.items[result.validation[row]]),
            int(result.items[result.test[row]]),
        )
        for row, user in enumerate(result.users)
    }


def test_repeats_are_merged_and_the_earliest_time_stays() -> None:
    pairs = merge_repeats(
        np.array([1, 0, 1, 1]), np.array([5, 2, 5, 3]), np.array([30, 9, 10, NO_TIME])
    )
    assert pairs.users.tolist() == [0, 1, 1]
    assert pairs.items.tolist() == [2, 3, 5]
    assert pairs.seconds.tolist() == [9, NO_TIME, 10]


def test_a_known_time_beats_an_unknown_one() -> None:
    pairs = merge_repeats(np.array([0, 0]), np.array([0, 0]), np.array([NO_TIME, 4]))
    assert pairs.seconds.tolist() == [4]


def test_no_pairs_at_all() -> None:
    none = np.array([], np.int64)
    assert len(merge_repeats(none, none)) == 0
    assert len(preprocess(none, none).users) == 0


def test_numbers_that_would_overflow_are_refused() -> None:
    with pytest.raises(BenchError, match="too large"):
        merge_repeats(np.array([2**40]), np.array([2**40]))


def test_a_user_needs_five_distinct_items_and_repeats_do_not_count() -> None:
    users = np.repeat([0, 1, 2], [5, 6, 4])
    items = np.array([0, 1, 2, 3, 4, 0, 1, 2, 3, 3, 3, 0, 1, 2, 3])
    result = preprocess(users, items)
    assert result.users.tolist() == [0]
    assert result.counts.to_json() == {
        "pairs_read": 15,
        "repeated_pairs_merged": 2,
        "users_read": 3,
        "users_discarded": 2,
        "pairs_discarded": 8,
        "items_discarded": 0,
        "items_without_training": 2,
        "min_interactions": 5,
    }
    assert result.train.n_pairs == 3


def test_the_limit_itself_is_enough() -> None:
    pairs = merge_repeats(np.array([3, 3, 4]), np.array([0, 1, 0]))
    assert drop_inactive_users(pairs, 2).users.tolist() == [3, 3]


def test_a_given_catalogue_keeps_items_that_nobody_bought() -> None:
    users, items = np.zeros(5, np.int64), np.arange(5) * 2
    given_catalogue = preprocess(users, items, n_items=12)
    assert given_catalogue.train.n_items == 12
    assert given_catalogue.items.tolist() == list(range(12))
    assert given_catalogue.counts.items_without_training == 9
    own_catalogue = preprocess(users, items)
    assert own_catalogue.items.tolist() == [0, 2, 4, 6, 8]
    assert as_sets(own_catalogue) == as_sets(given_catalogue)


def test_without_a_catalogue_items_of_discarded_users_go() -> None:
    result = preprocess(np.array([0] * 5 + [1]), np.array([0, 1, 2, 3, 4, 9]))
    assert 9 not in result.items
    assert result.counts.items_discarded == 1


@pytest.mark.parametrize("limit", [-1, 0, 2])
def test_too_low_a_limit(limit: int) -> None:
    with pytest.raises(BenchError, match="at least 3 interactions"):
        preprocess(np.array([0]), np.array([0]), min_interactions=limit)


def test_every_ordered_pair_of_places_is_drawn_alike() -> None:
    validation, test = leave_one_out(np.full(60_000, 5), np.random.default_rng(0))
    counts = np.bincount(validation * 5 + test, minlength=25).reshape(5, 5)
    assert (np.diag(counts) == 0).all()
    expected = 60_000 / 20
    off_diagonal = counts[~np.eye(5, dtype=bool)]
    # Chi-square with 19 degrees of freedom: 43.8 is passed once in a thousand seeds.
    assert ((off_diagonal - expected) ** 2 / expected).sum() < 43.8


def test_another_seed_gives_another_split_and_the_same_users() -> None:
    users, items = np.repeat(np.arange(50), 6), np.tile(np.arange(6), 50)
    first, again, other = (preprocess(users, items, seed=seed) for seed in (1, 1, 2))
    assert as_sets(first) == as_sets(again)
    assert as_sets(first) != as_sets(other)


@settings(max_examples=150, deadline=None)
@given(rows=rows_of_a_log, limit=st.integers(3, 6), seed=st.integers(0, 3), data=st.data())
def test_properties(rows: Rows, limit: int, seed: int, data: st.DataObject) -> None:
    users, items, seconds = columns(rows)
    result = preprocess(users, items, seconds, min_interactions=limit, seed=seed)

    # The slow twin: plain sets and dictionaries.
    bought: dict[int, set[int]] = defaultdict(set)
    earliest: dict[tuple[int, int], int] = {}
    for user, item, time in rows:
        bought[user].add(item)
        earliest[user, item] = min(time, earliest.get((user, item), int(NO_TIME)))
    active = {user: found for user, found in bought.items() if len(found) >= limit}
    split = as_sets(result)
    assert set(split) == set(active)
    for user, (train, validation, test) in split.items():
        assert validation != test
        assert train.isdisjoint({validation, test})
        assert train | {validation, test} == active[user]
    assert set(result.items.tolist()) == set().union(*active.values())
    former = zip(
        result.users[result.pairs.users].tolist(),
        result.items[result.pairs.items].tolist(),
        result.pairs.seconds.tolist(),
        strict=True,
    )
    assert {(u, i): t for u, i, t in former} == {
        pair: time for pair, time in earliest.items() if pair[0] in active
    }

    counts = result.counts
    n_pairs = sum(map(len, bought.values()))
    n_kept = sum(map(len, active.values()))
    assert counts.pairs_read == len(rows)
    assert counts.repeated_pairs_merged == len(rows) - n_pairs
    assert counts.pairs_discarded == n_pairs - n_kept
    assert counts.users_discarded == len(bought) - len(active)
    in_training = set().union(*(train for train, _, _ in split.values()))
    assert counts.items_without_training == len(result.items) - len(in_training)

    # Nothing depends on the order of the rows.
    shuffled = preprocess(
        *columns(data.draw(st.permutations(rows))), min_interactions=limit, seed=seed
    )
    assert as_sets(shuffled) == split
    assert shuffled.pairs.seconds.tolist() == result.pairs.seconds.tolist()
