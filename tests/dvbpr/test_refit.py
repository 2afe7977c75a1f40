"""Refitted rows against SciPy's minimiser, user by user, on the loss written out in NumPy."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.optimize import minimize

from bench.datasets.dataset import Interactions
from bench.device import torch_threads
from bench.errors import BenchError
from bench.rng import child_generator
from dvbpr import refit
from dvbpr.known_pairs import KnownPairs
from dvbpr.objective import Objective
from dvbpr.refit import refitted_rows

CPU = torch.device("cpu")
N_ITEMS, K = 40, 5
BOUGHT = [[3], [0, 7, 21], [], [5, 6], list(range(0, N_ITEMS, 2))]


@pytest.fixture
def train() -> Interactions:
    users = np.repeat(np.arange(len(BOUGHT)), [len(items) for items in BOUGHT])
    items = np.array([item for own in BOUGHT for item in own])
    return Interactions.from_pairs(users, items, n_users=len(BOUGHT), n_items=N_ITEMS)


@pytest.fixture
def outputs(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    scales = np.array([0.1, 0.5, 1.0, 2.0, 5.0])  # directions that curve differently
    return (rng.standard_normal((N_ITEMS, K)) * scales + 1.0).astype(np.float32)


def objective(lambda_theta: float, convention: Literal["paper", "release"]) -> Objective:
    return Objective(convention=convention, lambda_theta=lambda_theta, weight_decay=0.0)


def fitted(
    outputs: npt.NDArray[np.float32], train: Interactions, of: Objective, seed: int = 0
) -> npt.NDArray[np.float64]:
    rows = refitted_rows(torch.from_numpy(outputs), train, KnownPairs(train, CPU), of, seed=seed)
    return rows.numpy().astype(np.float64)


@pytest.mark.parametrize("convention", ["paper", "release"])
@pytest.mark.parametrize("lambda_theta", [0.05, 1.0, 10.0])
def test_each_row_is_the_minimum_of_its_users_loss(
    outputs: npt.NDArray[np.float32],
    train: Interactions,
    lambda_theta: float,
    convention: Literal["paper", "release"],
) -> None:
    drawn = child_generator(0, "dvbpr", "refit").integers(N_ITEMS, size=refit._NEGATIVES)
    phi = outputs.astype(np.float64)
    rows = fitted(outputs, train, objective(lambda_theta, convention))
    factor = lambda_theta if convention == "paper" else lambda_theta / 2
    for user, own in enumerate(BOUGHT):
        others = [j for j in drawn if j not in own]

        def loss(theta: npt.NDArray[np.float64], own=own, others=others) -> float:  # type: ignore[no-untyped-def]
            margins = np.array([[theta @ (phi[i] - phi[j]) for j in others] for i in own])
            data = np.logaddexp(0.0, -margins).mean() if own else 0.0
            return float(data + factor * theta @ theta)

        best = minimize(loss, np.zeros(K), method="BFGS", options={"gtol": 1e-8})
        np.testing.assert_allclose(rows[user], best.x, atol=2e-3 * max(1.0, abs(best.x).max()))
        assert loss(rows[user]) <= best.fun + 1e-6


def test_no_row_depends_on_the_blocks(
    outputs: npt.NDArray[np.float32], train: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fitted(outputs, train, objective(1.0, "release"))
    monkeypatch.setattr(refit, "_PAIRS", 3)
    assert [len(range(b.start, b.stop)) for b in refit._blocks(train)] == [1, 2, 1, 1]
    parts = fitted(outputs, train, objective(1.0, "release"))
    np.testing.assert_allclose(parts, whole, atol=2e-3)


def test_a_user_without_items_has_zeros_and_rows_are_the_seeds(
    outputs: npt.NDArray[np.float32], train: Interactions
) -> None:
    first = fitted(outputs, train, objective(1.0, "release"))
    assert not first[2].any()
    assert first[[0, 1, 3, 4]].any(axis=1).all()
    np.testing.assert_array_equal(first, fitted(outputs, train, objective(1.0, "release")))
    assert (first != fitted(outputs, train, objective(1.0, "release"), seed=1)).any()


def test_nobody_bought_anything() -> None:
    none = np.zeros(0, dtype=np.int64)
    train = Interactions.from_pairs(none, none, n_users=2, n_items=3)
    assert not fitted(np.ones((3, K), dtype=np.float32), train, objective(1.0, "paper")).any()


def test_outputs_that_are_all_the_same(train: Interactions) -> None:
    same = np.ones((N_ITEMS, 1), dtype=np.float32)
    np.testing.assert_allclose(fitted(same, train, objective(1.0, "paper")), 0.0, atol=1e-6)


def many(rng: np.random.Generator) -> tuple[npt.NDArray[np.float32], Interactions]:
    """Give 100 dimensions, and pairs enough for several threads to share them."""
    n_users, n_items = 400, 300
    pairs = rng.integers(n_items, size=(n_users, 6))
    train = Interactions.from_pairs(
        np.repeat(np.arange(n_users), 6), pairs.ravel(), n_users=n_users, n_items=n_items
    )
    return rng.standard_normal((n_items, 100)).astype(np.float32), train


def test_two_threads_give_the_same_bits_every_time(rng: np.random.Generator) -> None:
    outputs, train = many(rng)
    with torch_threads(2):
        first = fitted(outputs, train, objective(10.0, "release"))
        for _ in range(8):
            np.testing.assert_array_equal(fitted(outputs, train, objective(10.0, "release")), first)


@pytest.mark.parametrize("lambda_theta", [0.01, 1.0])
def test_the_gradient_is_nothing_at_the_end(rng: np.random.Generator, lambda_theta: float) -> None:
    """In all of 100 dimensions, with a weak penalty too; the gradient is computed in NumPy."""
    outputs, train = many(rng)
    rows = fitted(outputs, train, objective(lambda_theta, "release"))
    drawn = child_generator(0, "dvbpr", "refit").integers(train.n_items, size=refit._NEGATIVES)
    phi = outputs.astype(np.float64)
    start, largest = 0.0, 0.0
    for user in range(0, train.n_users, 20):
        own = train.of(user)
        others = phi[[j for j in drawn if j not in own]]
        gradients = []
        for theta in (np.zeros(100), rows[user]):
            margins = (phi[own] @ theta)[:, None] - (others @ theta)[None, :]
            slopes = -1.0 / (1.0 + np.exp(margins)) / margins.size  # (own, others)
            data = slopes.sum(axis=1) @ phi[own] - slopes.sum(axis=0) @ others
            gradients.append(np.linalg.norm(data + lambda_theta * theta))
        start, largest = max(start, gradients[0]), max(largest, gradients[1])
    assert largest < 2e-3 * start


def test_a_penalty_of_nothing_is_told(train: Interactions) -> None:
    flat = np.outer(np.arange(N_ITEMS), 1e6 / np.arange(3, 3 + K)).astype(np.float32)  # rank 1
    with pytest.raises(BenchError, match="cannot be refitted with refit_lambda=1e-30"):
        fitted(flat, train, objective(1e-30, "release"))


def test_a_search_that_is_cut_off_says_so(
    outputs: npt.NDArray[np.float32],
    train: Interactions,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("WARNING", logger="dvbpr")
    fitted(outputs, train, objective(1.0, "release"))
    assert not caplog.messages
    monkeypatch.setattr(refit, "_ITERATIONS", 1)
    fitted(outputs, train, objective(1.0, "release"))
    assert "have not converged after 1 iterations" in caplog.messages[0]
