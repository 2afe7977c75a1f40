"""Eq. 9 to 11: the objective's gradient, what is drawn, and what is the same whatever the batch."""

import itertools
import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from toy_networks import DIMS, PIXELS, modules, queries, toy_networks

from bench.errors import NonFiniteScoreError
from bench.generator import DesignOptions, Designs
from dvbpr.design import Networks, choose, design, draw_without_replacement
from dvbpr.device_images import normalise, to_bytes

SMALL = DesignOptions(starts=8, steps=12, learning_rate=0.1, top=3)


def tensors(images: npt.NDArray[np.uint8]) -> Tensor:
    return normalise(torch.from_numpy(images).permute(0, 3, 1, 2))


@pytest.mark.parametrize("eta", [0.0, 1.0, 7.5])
def test_the_gradient_of_the_objective(eta: float) -> None:
    """Against central differences in float64, through tanh, G, D, Delta and the backbone."""
    drawer, judge, preference = modules(dtype=torch.float64)
    networks = toy_networks(dtype=torch.float64)
    users, categories = (torch.from_numpy(each) for each in queries(4))
    codes = torch.randn(4, DIMS, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def objective(z_prime: Tensor) -> Tensor:
        images = networks.generate(torch.tanh(z_prime), categories)
        return networks.values(users, categories, images, eta)[1]

    leaf = codes.clone().requires_grad_()
    values = objective(leaf)
    (gradient,) = torch.autograd.grad(values.sum(), leaf)
    # Eq. 10 written out.
    images = drawer(torch.tanh(codes), categories)
    doubled = images.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    encoded = preference.network(doubled)
    written = torch.einsum("nk,nk->n", preference.rows[users], encoded)
    written = written - eta * (judge(images, categories) - 1) ** 2
    torch.testing.assert_close(values.detach(), written)
    for row, column in itertools.product(range(4), range(DIMS)):
        step = torch.zeros_like(codes)
        step[row, column] = 1e-6
        difference = (objective(codes + step) - objective(codes - step)) / 2e-6
        assert float(gradient[row, column]) == pytest.approx(
            float(difference[row]), rel=1e-4, abs=1e-7
        )
        others = np.delete(difference.numpy(), row)
        assert (others == 0).all()
    assert all(p.grad is None for m in (drawer, judge, preference.network) for p in m.parameters())


def test_nothing_of_the_networks_changes() -> None:
    drawer, judge, preference = modules()
    networks = replace(toy_networks(), generate=drawer, judge=judge, prefer=preference)
    before = [
        value.clone()
        for network in (drawer, judge, preference.network)
        for value in network.state_dict().values()
    ]
    design(networks, *queries(2), SMALL, seed=0)
    after = [
        value
        for network in (drawer, judge, preference.network)
        for value in network.state_dict().values()
    ]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not any(network.training for network in (drawer, judge, preference.network))


def test_what_is_returned_is_what_is_scored() -> None:
    networks = toy_networks()
    users, categories = queries(5)
    made = design(networks, users, categories, SMALL, seed=3)
    assert made.images.shape == (5, 3, PIXELS, PIXELS, 3)
    assert made.images.dtype == np.uint8
    assert made.scores.shape == made.objective.shape == (5, 3)
    assert made.scores.dtype == made.objective.dtype == made.codes.dtype == np.float32
    assert made.codes.shape == (5, 3, DIMS)
    assert np.abs(made.codes).max() <= 1
    who, what = (torch.from_numpy(np.repeat(each, 3)) for each in (users, categories))
    flat = tensors(made.images.reshape(15, PIXELS, PIXELS, 3))
    scores = networks.prefer(who, flat)
    loss = (networks.judge(flat, what) - 1) ** 2
    np.testing.assert_allclose(made.scores.ravel(), scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(made.objective.ravel(), scores - loss, rtol=1e-4, atol=1e-5)
    drawn = networks.generate(torch.from_numpy(made.codes.reshape(15, DIMS)), what)
    difference = to_bytes(drawn).permute(0, 2, 3, 1).numpy().astype(int) - made.images.reshape(
        15, PIXELS, PIXELS, 3
    )
    assert np.abs(difference).max() <= 1
    assert (np.diff(made.objective, axis=1) <= 0).all()
    assert len({image.tobytes() for image in made.images.reshape(15, -1)}) == 15


def same(a: Designs, b: Designs) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for name in ("images", "scores", "objective", "codes")
    )


def test_same_seed_same_images() -> None:
    networks, (users, categories) = toy_networks(), queries(3)
    first = design(networks, users, categories, SMALL, seed=5)
    assert same(first, design(networks, users, categories, SMALL, seed=5))
    other = design(networks, users, categories, SMALL, seed=6)
    assert not np.array_equal(first.images, other.images)


def test_a_query_depends_on_no_other_query() -> None:
    """To the last bit where each passes alone, as on a CPU with the paper's 64 starts."""
    networks = toy_networks()
    users, categories = np.array([0, 1, 2, 1]), np.array([0, 0, 2, 0])
    options = replace(SMALL, starts=64, steps=3)
    whole = design(networks, users, categories, options, seed=1)
    for query in range(4):
        alone = design(networks, users[[query]], categories[[query]], options, seed=1)
        assert np.array_equal(alone.images[0], whole.images[query])
        assert np.array_equal(alone.objective[0], whole.objective[query])
    assert np.array_equal(whole.codes[1], whole.codes[3])  # the same query twice
    assert not np.array_equal(whole.codes[0], whole.codes[1])


@pytest.mark.parametrize("batch", [1, 5, 8, 20, 1000])
def test_the_micro_batch_changes_rounding_only(batch: int) -> None:
    networks, (users, categories) = toy_networks(), queries(4, seed=2)
    options = replace(SMALL, top=8)  # all starts, so that no tie of the draw can hide a difference
    whole = design(networks, users, categories, options, seed=2)
    found = design(networks, users, categories, replace(options, batch=batch), seed=2)
    spread = float(np.ptp(whole.objective))
    np.testing.assert_allclose(found.objective, whole.objective, atol=2e-3 * spread)
    np.testing.assert_allclose(found.codes, whole.codes, atol=2e-3)


def test_no_queries_no_steps_one_start() -> None:
    networks = toy_networks()
    none = np.array([], dtype=np.int64)
    assert design(networks, none, none, SMALL, seed=0).images.shape == (0, 3, PIXELS, PIXELS, 3)
    options = DesignOptions(starts=1, steps=0, top=1)
    still = design(networks, np.array([0]), np.array([1]), options, seed=0)
    assert still.images.shape == (1, 1, PIXELS, PIXELS, 3)


def test_ascent_gains_and_starts_help() -> None:
    networks, (users, categories) = toy_networks(), queries(6, seed=4)
    best = replace(SMALL, top=1)
    before = design(networks, users, categories, replace(best, steps=0), seed=0).objective
    after = design(networks, users, categories, replace(best, steps=40), seed=0).objective
    assert (after > before).all()
    one = design(networks, users, categories, replace(best, steps=40, starts=1), seed=0).objective
    assert (after >= one - 1e-4).all()
    assert (after > one + 1e-4).any()


def test_eta_trades_preference_for_realism() -> None:
    networks, (users, categories) = toy_networks(), queries(6, seed=4)
    what = torch.from_numpy(categories)
    scores, losses = [], []
    for eta in (0.0, 1.0, 100.0):
        options = replace(SMALL, top=1, steps=60, eta=eta)
        made = design(networks, users, categories, options, seed=0)
        judged = networks.judge(tensors(made.images[:, 0]), what)
        scores.append(float(made.scores.mean()))
        losses.append(float((judged - 1).square().mean()))
        if eta == 0.0:
            assert np.array_equal(made.scores, made.objective)
    assert scores[0] > scores[1] > scores[2]
    assert losses[0] > losses[1] > losses[2]


def test_without_eta_nobody_asks_the_discriminator() -> None:
    def judge(images: Tensor, categories: Tensor) -> Tensor:
        raise AssertionError("asked")

    networks = replace(toy_networks(), judge=judge)
    design(networks, *queries(2), replace(SMALL, eta=0.0), seed=0)
    with pytest.raises(AssertionError, match="asked"):
        design(networks, *queries(2), replace(SMALL, eta=1e-9), seed=0)


def test_a_known_optimum() -> None:
    """G paints z itself and users like one sign of each pixel: the best image is that sign."""
    taste = torch.from_numpy(np.random.default_rng(7).choice([-1.0, 1.0], size=(2, 12))).float()
    networks = Networks(
        generate=lambda codes, _: codes.view(-1, 3, 2, 2),
        judge=lambda images, _: torch.ones(len(images)),
        prefer=lambda users, images: (taste[users] * images.flatten(1)).sum(dim=1),
        code_dims=12,
        pixels=2,
        device=torch.device("cpu"),
    )
    options = DesignOptions(starts=4, steps=200, top=1)
    made = design(networks, np.array([0, 1]), np.array([0, 0]), options, seed=0)
    np.testing.assert_allclose(made.codes[:, 0], taste, atol=0.02)
    assert (made.scores > 11.8).all()


def test_a_preference_that_is_no_number() -> None:
    networks = toy_networks()

    def prefer(users: Tensor, images: Tensor) -> Tensor:
        scores = networks.prefer(users, images)
        return torch.where(users == 3, torch.nan, scores)

    broken = replace(networks, prefer=prefer)
    with pytest.raises(NonFiniteScoreError, match="preference of user 3"):
        design(broken, np.array([1, 3]), np.array([0, 0]), SMALL, seed=0)


LOGITS = np.array([0.0, 1.3, -0.7, 2.0])


def plackett_luce(logits: npt.NDArray[np.float64], order: tuple[int, ...]) -> float:
    """The probability of drawing this order, each time with the weights of those left."""
    weights = [math.exp(value) for value in logits]
    left, probability = sum(weights), 1.0
    for place in order:
        probability *= weights[place] / left
        left -= weights[place]
    return probability


@pytest.mark.parametrize("k", [1, 2, 3])
def test_draws_have_the_probabilities_of_eq_11(k: int) -> None:
    rng, n = np.random.default_rng(11), 20_000
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(n):
        order = tuple(draw_without_replacement(LOGITS, k, rng).tolist())
        counts[order] = counts.get(order, 0) + 1
    outcomes = list(itertools.permutations(range(4), k))
    expected = np.array([n * plackett_luce(LOGITS, order) for order in outcomes])
    assert expected.sum() == pytest.approx(n)
    observed = np.array([counts.get(order, 0) for order in outcomes])
    chi_squared = float(((observed - expected) ** 2 / expected).sum())
    freedom = len(outcomes) - 1
    assert chi_squared < freedom + 4 * (2 * freedom) ** 0.5


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    logits=st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=9),
    data=st.data(),
)
def test_choices_are_distinct_and_in_order(
    seed: int, logits: list[float], data: st.DataObject
) -> None:
    values = np.array(logits, dtype=np.float32)
    top = data.draw(st.integers(1, len(values)))
    chosen = choose(values, top, np.random.default_rng(seed), sampled=True)
    assert len(set(chosen.tolist())) == top
    assert all((-values[a], a) < (-values[b], b) for a, b in itertools.pairwise(chosen.tolist()))
    best = choose(values, top, np.random.default_rng(seed), sampled=False)
    assert best.tolist() == sorted(range(len(values)), key=lambda k: (-values[k], k))[:top]
    if top in (1, len(values)):
        assert chosen.tolist() == best.tolist()


def test_the_draw_follows_the_objective_and_not_the_preference_alone() -> None:
    """All starts like each other in preference; what looks real is drawn nevertheless."""
    networks = replace(
        toy_networks(), prefer=lambda users, images: 0.0 * images.flatten(1).sum(dim=1)
    )
    users, categories = queries(6)
    options = replace(SMALL, steps=0, eta=1e4, starts=16)
    drawn = design(networks, users, categories, options, seed=0)
    best = design(networks, users, categories, replace(options, selection="best"), seed=0)
    np.testing.assert_array_equal(drawn.objective, best.objective)
    assert (drawn.scores == 0).all()
    even = design(networks, users, categories, replace(options, eta=1e-9), seed=0)
    assert not np.array_equal(even.codes, best.codes)
