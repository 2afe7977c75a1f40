"""Which points are tried, and who wins."""

import itertools
from fractions import Fraction

import pytest

from bench.errors import BenchError
from bench.experiment.tuning.search import (
    SearchOptions,
    chosen_points,
    epochs_of,
    keeps,
    ranked,
    rungs,
)


def test_random_search_draws_without_replacement_and_a_larger_one_draws_more() -> None:
    draws = [
        chosen_points(21, SearchOptions(kind="random", trials=n), "vbpr") for n in range(1, 30)
    ]
    for n, points in enumerate(draws, start=1):
        assert points == sorted(set(points))
        assert len(points) == min(n, 21)
        assert set(points) <= set(range(21))
    assert all(set(few) <= set(more) for few, more in itertools.pairwise(draws))
    others = SearchOptions(kind="random", trials=5, seed=1)
    assert chosen_points(21, others, "vbpr") != draws[4]
    assert chosen_points(21, SearchOptions(kind="random", trials=5), "fm") != draws[4]


def test_a_grid_search_tries_all() -> None:
    assert chosen_points(4, SearchOptions(), "vbpr") == [0, 1, 2, 3]
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
    assert keeps([2, 3, 4, 1], rungs(3, "halving")[1]) == [2]
    assert ranked([(0, None)]) == []


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
