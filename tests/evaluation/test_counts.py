"""Counting: equal to brute force, on both paths, with every kind of user."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import as_rows, known_of, rank_counts

from bench.datasets.dataset import NO_ITEM, Interactions
from bench.errors import BenchError, NonFiniteScoreError
from bench.evaluation.counts import count_ranks, count_sampled, count_scores
from bench.recommender import FactorRecommender, Factors, Recommender, State


def rows_of(scores: npt.NDArray[np.float32]) -> Callable[..., npt.NDArray[np.float32]]:
    return lambda users: scores[users]


@st.composite
def problems(
    draw: st.DrawFn,
) -> tuple[npt.NDArray[np.float32], list[npt.NDArray[np.int32]], list[list[int]]]:
    """Draw scores with many ties, one or more kinds of targets, and each user's known items."""
    n_users, n_items = draw(st.integers(0, 6)), draw(st.integers(1, 9))
    n_kinds = draw(st.integers(1, 3))
    item = st.integers(0, n_items - 1)
    score = st.integers(-2, 2)
    row = st.lists(score, min_size=n_items, max_size=n_items)
    scores = np.array([draw(row) for _ in range(n_users)], dtype=np.float32)
    one_per_user = st.lists(item | st.just(NO_ITEM), min_size=n_users, max_size=n_users)
    targets = [np.array(draw(one_per_user), dtype=np.int32) for _ in range(n_kinds)]
    known = []
    for user in range(n_users):
        everything = draw(st.sampled_from([False, False, False, True]))
        trained = range(n_items) if everything else draw(st.sets(item))
        held_out = {int(items[user]) for items in targets} - {NO_ITEM}
        known.append(sorted(held_out.union(trained)))
    return scores.reshape(n_users, n_items), targets, known


@settings(deadline=None)  # the first example compiles or loads the kernels
@given(problems(), st.integers(1, 7))
def test_equals_brute_force(problem, batch_users: int) -> None:  # type: ignore[no-untyped-def]
    scores, targets, known = problem
    table = known_of(known, scores.shape[1])
    counts = count_scores(rows_of(scores), targets, table, batch_users=batch_users)
    for one, target in zip(counts, targets, strict=True):
        assert as_rows(one) == rank_counts(scores, target, known)


def test_hand_worked() -> None:
    # Six items; the user knows 0 and 1 (the test item). Negatives 2..5 score 1, 3, 3, 4 against 3.
    scores = np.array([[9, 3, 1, 3, 3, 4]], dtype=np.float32)
    known = known_of([[0, 1]], 6)
    (counts,) = count_scores(rows_of(scores), [np.array([1])], known)
    assert as_rows(counts) == [(1, 2, 4)]
    assert counts.n_greater.tolist() == [1]
    assert counts.present.tolist() == [True]


def test_users_without_targets_are_not_scored() -> None:
    asked: list[int] = []

    def score(users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        asked.extend(users.tolist())
        return np.zeros((len(users), 3), dtype=np.float32)

    known = known_of([[0], [1], [0, 1, 2], [2]], 3)
    validation, test = np.array([NO_ITEM, 1, 0, NO_ITEM]), np.array([NO_ITEM, NO_ITEM, 1, 2])
    first, second = count_scores(score, [validation, test], known, batch_users=1)
    assert asked == [1, 3]  # user 0 has no target, user 2 no negatives
    assert first.present.tolist() == [False, True, False, False]
    assert second.present.tolist() == [False, False, False, True]


def test_scores_are_left_alone() -> None:
    scores = np.arange(6, dtype=np.float32).reshape(2, 3)
    scores.flags.writeable = False
    known = known_of([[0], [1]], 3)
    (counts,) = count_scores(rows_of(scores), [np.array([0, 1])], known)
    assert as_rows(counts) == [(0, 0, 2), (1, 0, 2)]
    (constant,) = count_scores(
        lambda users: np.broadcast_to(np.float32(1), (len(users), 3)), [np.array([0, 1])], known
    )
    assert as_rows(constant) == [(0, 2, 2), (0, 2, 2)]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_score_names_recommender_and_user(bad: float) -> None:
    scores = np.zeros((4, 5), dtype=np.float32)
    scores[2, 4] = bad
    known = known_of([[0]] * 4, 5)
    with pytest.raises(NonFiniteScoreError, match="mine gave NaN or infinite scores to user 2;"):
        count_scores(rows_of(scores), [np.zeros(4, int)], known, name="mine")
    with pytest.raises(NonFiniteScoreError, match="mine gave NaN or infinite scores to user 2;"):
        count_sampled(
            rows_of(scores), [np.zeros(4, int)], known, name="mine", rng=np.random.default_rng(0)
        )


@pytest.mark.parametrize("scores", [np.zeros((1, 4), np.float32), np.zeros((1, 5))])
def test_wrong_scores_are_refused(scores: npt.NDArray[np.float32]) -> None:
    known = known_of([[0]], 5)
    with pytest.raises(BenchError, match=r"mine gave float\d\d scores of shape .* expected float3"):
        count_scores(lambda users: scores, [np.array([0])], known, name="mine")


def test_targets_must_be_known() -> None:
    scores = np.zeros((1, 5), dtype=np.float32)
    with pytest.raises(ValueError, match="must hold all items"):
        count_scores(rows_of(scores), [np.array([1])], known_of([[0]], 5))
    with pytest.raises(ValueError, match="targets have shape"):
        count_scores(rows_of(scores), [np.array([0, 0])], known_of([[0]], 5))


class Plain(Recommender):
    name, label, source = "plain", "Plain", "a test"

    def _fit(self, dataset, watch) -> None: ...  # type: ignore[no-untyped-def]

    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return np.tile(np.arange(4, dtype=np.float32), (len(users), 1))

    def state(self) -> State:
        return {}

    def load_state(self, state, dataset) -> None: ...  # type: ignore[no-untyped-def]


class Fast(Plain, FactorRecommender):
    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        raise AssertionError("the fused path needs no scores")

    def factors(self) -> Factors:
        empty = np.zeros((3, 0), np.float32), np.zeros((4, 0), np.float32)
        return Factors(*empty, np.arange(4, dtype=np.float32))


@pytest.mark.parametrize("kind", [Plain, Fast])
def test_count_ranks_takes_any_recommender(kind: type[Recommender]) -> None:
    known = known_of([[0], [1], [2, 3]], 4)
    train = Interactions.from_pairs(np.array([]), np.array([]), n_users=3, n_items=4)
    from bench.datasets.dataset import TrainingSet

    model = kind().fit(TrainingSet(name="tiny", train=train))
    (counts,) = count_ranks(model, [np.array([0, 1, 3])], known, device="cpu")
    assert as_rows(counts) == [(0, 0, 3), (1, 0, 3), (2, 0, 2)]


def test_sampled_keeps_the_released_codes_rules() -> None:
    # Ten items, all of them drawn: train items 0, 1 and the target go, the other held-out item 3
    # stays, so seven negatives are left.
    scores = np.arange(10, dtype=np.float32)[None]
    train = known_of([[0, 1]], 10)
    validation, test = np.array([3]), np.array([5])
    rng = np.random.default_rng(0)
    first, second = count_sampled(rows_of(scores), [validation, test], train, rng=rng)
    assert as_rows(first) == [(1, 0, 7)]  # below 3: item 2
    assert as_rows(second) == [(3, 0, 7)]  # below 5: items 2, 3, 4


def test_sampled_draws_without_replacement_and_in_user_order(rng: np.random.Generator) -> None:
    scores = rng.standard_normal((40, 300), dtype=np.float32)
    train = known_of([[user] for user in range(40)], 300)
    test = np.where(np.arange(40) % 4, np.arange(40) + 100, NO_ITEM)
    runs = [
        count_sampled(
            rows_of(scores), [test], train, rng=np.random.default_rng(3), batch_users=size
        )[0]
        for size in (7, 40)
    ]
    assert as_rows(runs[0]) == as_rows(runs[1])
    assert runs[0].present.tolist() == (test != NO_ITEM).tolist()
    present = runs[0].n_negatives[runs[0].present]
    assert present.max() == 100
    assert present.min() >= 98  # at most the training item and the target are dropped
    (exact,) = count_scores(rows_of(scores), [test], train.with_pairs(np.arange(40), test))
    share = [c.n_less[c.present].sum() / c.n_negatives.sum() for c in (runs[0], exact)]
    # 30 users x 100 draws of 300: the standard error of the difference is below 0.008.
    assert abs(share[0] - share[1]) < 0.03
