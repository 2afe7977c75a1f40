"""The objective term by term against loops in NumPy and float64; shared negatives are unbiased."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from dvbpr.objective import Objective, shared_losses, triple_losses

Array = npt.NDArray[np.float64]
B, K, N = 5, 3, 4


@pytest.fixture
def theta(rng: np.random.Generator) -> Array:
    return rng.standard_normal((B, K))


@pytest.fixture
def phi_i(rng: np.random.Generator) -> Array:
    return rng.standard_normal((B, K)) + 0.3


@pytest.fixture
def phi_j(rng: np.random.Generator) -> Array:
    return rng.standard_normal((B, N, K)) - 0.2


def sigma(x: float) -> float:
    return 1.0 / (1.0 + np.exp(-x))


def by_hand(theta: Array, phi_i: Array, phi_j: Array) -> tuple[Array, Array, Array, Array]:
    """Give losses (B,) and the gradients of their sum, for n negatives per triple."""
    losses = np.zeros(len(theta))
    d_theta, d_i, d_j = np.zeros_like(theta), np.zeros_like(phi_i), np.zeros_like(phi_j)
    n = phi_j.shape[1]
    for b in range(len(theta)):
        for k in range(n):
            x = float(theta[b] @ phi_i[b] - theta[b] @ phi_j[b, k])  # eq. 4 and 6
            losses[b] -= np.log(sigma(x)) / n
            slope = -(1.0 - sigma(x)) / n  # d(-ln sigma(x)) / dx
            d_theta[b] += slope * (phi_i[b] - phi_j[b, k])
            d_i[b] += slope * theta[b]
            d_j[b, k] -= slope * theta[b]
    return losses, d_theta, d_i, d_j


def leaves(*arrays: Array) -> list[torch.Tensor]:
    return [torch.tensor(array, requires_grad=True) for array in arrays]


@pytest.mark.parametrize("n", [1, N])
def test_triples(theta: Array, phi_i: Array, phi_j: Array, n: int) -> None:
    expected = by_hand(theta, phi_i, phi_j[:, :n])
    tensors = leaves(theta, phi_i, phi_j[:, :n])
    losses = triple_losses(*tensors)
    gradients = torch.autograd.grad(losses.sum(), tensors)
    for got, wanted in zip((losses.detach(), *gradients), expected, strict=True):
        np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-12)


def test_losses_far_out_are_finite() -> None:
    far = torch.tensor([[1e4], [-1e4]], dtype=torch.float64)
    losses = triple_losses(far, torch.ones(2, 1).double(), torch.zeros(2, 1, 1).double())
    np.testing.assert_allclose(losses.numpy(), [0.0, 1e4])


@pytest.mark.parametrize(
    ("convention", "half", "mean"), [("release", 0.5, False), ("paper", 1.0, True)]
)
def test_conventions_term_by_term(
    theta: Array, phi_i: Array, phi_j: Array, convention: str, half: float, mean: bool
) -> None:
    objective = Objective(
        convention="paper" if convention == "paper" else "release",
        lambda_theta=0.7,
        weight_decay=1e-2,
    )
    expected, d_theta, d_i, _ = by_hand(theta, phi_i, phi_j[:, :1])
    penalty = np.array([0.7 * half * sum(value**2 for value in row) for row in theta])
    share = 1 / B if mean else 1.0
    tensors = leaves(theta, phi_i)
    users, positives = tensors
    losses = triple_losses(users, positives, torch.tensor(phi_j[:, :1]))
    np.testing.assert_allclose(objective.user_penalty(users).detach().numpy(), penalty)
    total = objective.batch(losses, users)
    assert total.item() == pytest.approx(share * (expected.sum() + penalty.sum()), rel=1e-12)
    of_users, of_positives = torch.autograd.grad(total, tensors)
    wanted = share * (d_theta + 0.7 * 2 * half * theta)
    np.testing.assert_allclose(of_users.numpy(), wanted, rtol=1e-12)
    np.testing.assert_allclose(of_positives.numpy(), share * d_i, rtol=1e-12)


def test_weight_decay_is_on_weights_and_not_on_biases(rng: np.random.Generator) -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(4, 5)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.from_numpy(rng.standard_normal(tuple(parameter.shape))))
    objective = Objective(convention="release", lambda_theta=0.0, weight_decay=0.03)
    penalty = objective.weight_penalty(network)
    weights = [network[0].weight, network[2].weight]
    by_loop = sum(0.5 * 0.03 * value**2 for w in weights for value in w.detach().flatten().tolist())
    assert penalty.item() == pytest.approx(by_loop, rel=1e-12)
    gradients = torch.autograd.grad(penalty, list(network.parameters()), allow_unused=True)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        if parameter.ndim > 1:
            assert gradient is not None
            torch.testing.assert_close(gradient, 0.03 * parameter.detach())
        else:
            assert gradient is None


def test_shared_negatives_against_loops(
    theta: Array, phi_i: Array, rng: np.random.Generator
) -> None:
    negatives = rng.standard_normal((N, K))
    known = np.array(
        [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1], [0, 1, 0, 1]], dtype=bool
    )
    share = np.array([0.1, 0.3, 0.5, 0.6, 1.0])
    expected = np.zeros(B)
    d_theta, d_j = np.zeros_like(theta), np.zeros_like(negatives)
    for b in range(B):
        free = [k for k in range(N) if not known[b, k]]
        chance = 1.0 - share[b] ** N
        for k in free if chance > 0 else []:
            x = float(theta[b] @ (phi_i[b] - negatives[k]))
            weight = 1.0 / len(free) / chance
            expected[b] -= weight * np.log(sigma(x))
            d_theta[b] -= weight * (1 - sigma(x)) * (phi_i[b] - negatives[k])
            d_j[k] += weight * (1 - sigma(x)) * theta[b]
    tensors = leaves(theta, negatives)
    losses = shared_losses(
        tensors[0], torch.tensor(phi_i), tensors[1], torch.tensor(known), torch.tensor(share)
    )
    np.testing.assert_allclose(losses.detach().numpy(), expected, rtol=1e-12)
    assert losses[3] == losses[4] == 0
    got = torch.autograd.grad(losses.sum(), tensors)
    np.testing.assert_allclose(got[0].numpy(), d_theta, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(got[1].numpy(), d_j, rtol=1e-12, atol=1e-15)


def test_shared_negatives_are_unbiased_over_every_possible_draw(
    theta: Array, phi_i: Array, rng: np.random.Generator
) -> None:
    """All 5³ draws of three negatives from five items, each as likely: loss and gradient average
    to those of one negative drawn uniformly outside the user's items."""
    n_items = 5
    catalogue = rng.standard_normal((n_items, K))
    owned = [{0}, {0, 1, 2, 3}, set(), {2, 4}, {1, 2, 3}]
    share = torch.tensor([len(own) / n_items for own in owned], dtype=torch.float64)
    wanted, wanted_theta = np.zeros(B), np.zeros_like(theta)
    for b, own in enumerate(owned):
        free = [j for j in range(n_items) if j not in own]
        several = catalogue[free][None]
        losses, d_theta, _, _ = by_hand(theta[b : b + 1], phi_i[b : b + 1], several)
        wanted[b], wanted_theta[b] = losses[0], d_theta[0]
    mean, mean_theta = np.zeros(B), np.zeros_like(theta)
    draws = list(itertools.product(range(n_items), repeat=3))
    for draw in draws:
        known = torch.tensor([[j in own for j in draw] for own in owned])
        (users,) = leaves(theta)
        losses = shared_losses(
            users, torch.tensor(phi_i), torch.tensor(catalogue[list(draw)]), known, share
        )
        (gradient,) = torch.autograd.grad(losses.sum(), users)
        mean += losses.detach().numpy() / len(draws)
        mean_theta += gradient.numpy() / len(draws)
    np.testing.assert_allclose(mean, wanted, rtol=1e-12)
    np.testing.assert_allclose(mean_theta, wanted_theta, rtol=1e-12)
