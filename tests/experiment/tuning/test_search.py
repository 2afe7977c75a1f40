"""Which points are tried, and who wins."""

import itertools
from fractions import Fraction
from typing import Any

import pytest

from bench.errors import BenchError
from bench.experiment.tuning.search import (
    SearchOptions,
    drawn_points,
    entering,
    epochs_of,
    ranked,
    rungs,
)


def drawn(n_points: int, recommender: str = "vbpr", **options: Any) -> list[int]:
    """As many as a random search takes of those that come."""
    how = SearchOptions(kind="random", **options)
    return list(itertools.islice(drawn_points(n_points, how, recommender), how.trials))


def test_random_search_draws_without_replacement_and_a_larger_one_draws_more() -> None:
    draws = [drawn(21, trials=n) for n in range(1, 30)]
    for n, points in enumerate(draws, start=1):
        assert len(points) == len(set(points)) == min(n, 21)
        assert set(points) <= set(range(21))
    assert all(set(few) <= set(more) for few, more in itertools.pairwise(draws))
    assert draws[4] != sorted(draws[4])
    assert drawn(21, trials=5, seed=1) != draws[4]
    assert drawn(21, "fm", trials=5) != draws[4]


def test_a_random_search_can_go_on_to_the_last_point() -> None:
    how = SearchOptions(kind="random", trials=2)
    assert sorted(drawn_points(9, how, "vbpr")) == list(range(9))


def test_a_grid_search_tries_all() -> None:
    assert list(drawn_points(4, SearchOptions(), "vbpr")) == [0, 1, 2, 3]
    (rung,) = rungs(4, "grid")
    assert (rung.n_points, rung.share) == (4, 1)


@pytest.mark.parametrize(
    ("n_points", "expected"),
    [
        (21, [(21, Fraction(1, 9)), (7, Fraction(1, 3)), (2, 1)]),
        (27, [(27, Fraction(1, 27)), (9, Fraction(1, 9)), (3, Fraction(1, 3)), (1, 1)]),
        (3, [(3, Fraction(1, 3)), (1, 1)]),
        (2, [(2, 1)]),
        (1, [(1, 1)]),
    ],
)
def test_successive_halving_keeps_a_third(n_points: int, expected: list[object]) -> None:
    assert [(rung.n_points, rung.share) for rung in rungs(n_points, "halving")] == expected


@pytest.mark.parametrize(
    ("share", "max_epochs", "every", "epochs"),
    [
        (Fraction(1), 50, 1, None),
        (Fraction(1, 3), None, 1, None),
        (Fraction(1, 9), 50, 1, 6),
        (Fraction(1, 9), 200, 4, 24),  # 22.2, up to a validation
        (Fraction(1, 3), 2, 1, 1),
        (Fraction(1, 3), 5, 5, None),
        (Fraction(1, 2), 9, 5, 5),
        (Fraction(2, 3), 9, 5, None),  # 6, and the next validation is past the end
    ],
)
def test_epochs_of_a_stage(
    share: Fraction, max_epochs: int | None, every: int, epochs: int | None
) -> None:
    assert epochs_of(share, max_epochs, every) == epochs


def test_the_best_wins_and_among_equals_the_first_of_the_grid() -> None:
    trials = [(4, 0.5), (2, 0.7), (0, None), (3, 0.7), (1, 0.1)]
    assert ranked(trials) == [2, 3, 4, 1]
    assert ranked(reversed(trials)) == [2, 3, 4, 1]
    assert ranked([(0, None)]) == []


def test_a_stage_takes_in_the_best_and_the_next_ones_for_those_that_diverge() -> None:
    order = [2, 7, 3, 4, 1]
    assert entering(order, 3, []) == [2, 3, 7]
    assert entering(order, 3, [(2, 0.5), (7, None), (3, 0.4)]) == [4]
    assert entering(order, 3, [(2, None), (7, None), (3, 0.4)]) == [1, 4]
    assert entering(order, 3, [(2, 0.1), (7, 0.2), (3, 0.4)]) == []
    assert entering(order, 3, [(k, None) for k in order]) == []


@pytest.mark.parametrize(
    ("kind", "trials", "message"),
    [
        ("grid", 3, "a grid search tries every point"),
        ("random", None, "say how many points"),
        ("halving", 0, "must be at least 1"),
    ],
)
def test_a_search_that_makes_no_sense(kind: str, trials: int | None, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        SearchOptions(kind=kind, trials=trials)  # type: ignore[arg-type]
