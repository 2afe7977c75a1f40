"""VBPR: eq. 2, 4 and 5 written out plainly, against the trainer's own gradients and steps."""

from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
import torch
from fitting import Recorder, auc, cpu, planted_blocks, training_set

from baselines.features import FeatureScaling
from baselines.vbpr import Vbpr, VbprParams, _Trainer
from bench.datasets.dataset import TrainingSet
from bench.errors import BenchError
from bench.recommender import State

PARAMS = VbprParams(
    factors=3, visual_factors=2, regularization=0.3, regularization_visual=0.7, learning_rate=0.2
)
TABLES = ("user_rows", "item_rows", "visual")
TRIPLES = {
    "one": ([4], [0], [7]),
    "distinct": ([0, 1, 2], [3, 4, 5], [6, 7, 8]),
    "a user twice": ([5, 5, 1], [0, 2, 2], [7, 6, 1]),
    "an item as positive and as negative": ([0, 3, 3, 0], [2, 7, 2, 2], [7, 2, 7, 7]),
}


def small_trainer(**settings: Any) -> _Trainer:
    """Train a little, so that no parameter is at its start, where beta' is zero."""
    rng = np.random.default_rng(9)
    owned = [rng.permutation(9)[:4].tolist() for _ in range(6)]
    data = training_set(owned, 9, rng.gamma(1.0, size=(9, 5)).astype(np.float32) * 10)
    trainer = _Trainer(data, VbprParams(**{**vars(PARAMS), **settings}), seed=1, device="cpu")
    for _ in range(3):
        trainer.run_epoch()
    return trainer


def tables(trainer: _Trainer) -> dict[str, npt.NDArray[Any]]:
    return {name: trainer.state()[f"table.{name}"] for name in TABLES}


def raw_features(trainer: _Trainer) -> npt.NDArray[np.float64]:
    return trainer._features.numpy().astype(np.float64)


def mean_length(features: npt.NDArray[Any]) -> float:
    return float(np.mean([np.sqrt((row.astype(np.float64) ** 2).sum()) for row in features]))


def score(p: dict[str, Any], f: Any, user: int, item: int, latent: int) -> Any:
    """Give x_ui of eq. 2: beta_i + gamma_u . gamma_i + theta_u . (E f_i) + beta' . f_i."""
    gamma_u, theta_u = p["user_rows"][user][:latent], p["user_rows"][user][latent:]
    gamma_i, beta_i = p["item_rows"][item][:latent], p["item_rows"][item][latent]
    e, beta = p["visual"][:, :-1].T, p["visual"][:, -1]
    return beta_i + gamma_u @ gamma_i + theta_u @ (e @ f[item]) + beta @ f[item]


def objective(
    p: dict[str, torch.Tensor], f: torch.Tensor, triples: tuple[list[int], ...], n_pairs: int
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Give each triple's -ln sigma(x_ui - x_uj) and their sum with all penalties."""
    losses, penalties = [], torch.zeros((), dtype=torch.float64)
    for user, positive, negative in zip(*triples, strict=True):
        x = score(p, f, user, positive, 3) - score(p, f, user, negative, 3)
        losses.append(-torch.log(1 / (1 + torch.exp(-x))))
        touched = (p["user_rows"][user], p["item_rows"][positive], p["item_rows"][negative])
        penalties = penalties + 0.3 / 2 * sum((row**2).sum() for row in touched)
        # E and beta' belong to every triple of an epoch: this one's share of their penalty.
        penalties = penalties + 0.7 / 2 * (p["visual"] ** 2).sum() / n_pairs
    return losses, torch.stack(losses).sum() + penalties


def batch(triples: tuple[list[int], ...]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(triples[0]), torch.tensor(triples[1:])


@pytest.mark.parametrize("triples", TRIPLES.values(), ids=TRIPLES.keys())
def test_gradients_of_eq_5_equal_automatic_differentiation(triples: tuple[list[int], ...]) -> None:
    trainer = small_trainer()
    leaves = {
        name: torch.from_numpy(table.astype(np.float64)).requires_grad_()
        for name, table in tables(trainer).items()
    }
    features = raw_features(trainer)
    scaled = torch.from_numpy(features / mean_length(features))
    n_pairs = 24
    expected, total = objective(leaves, scaled, triples, n_pairs)
    total.backward()

    users, items = batch(triples)
    losses, (user, item, visual) = trainer.gradients(users, items)
    assert losses.shape == (len(triples[0]),)  # one per triple, never a mean
    np.testing.assert_allclose(losses, [x.item() for x in expected], rtol=1e-5)
    assert user.shape == (len(users), 5)
    assert item.shape == (2 * len(users), 4)
    by_row = {
        "user_rows": torch.zeros(6, 5).index_add(0, users, user),
        "item_rows": torch.zeros(9, 4).index_add(0, items.reshape(-1), item),
        "visual": visual,
    }
    for name, got in by_row.items():
        np.testing.assert_allclose(got, leaves[name].grad, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("triples", TRIPLES.values(), ids=TRIPLES.keys())
def test_the_steps_of_cpu_and_gpu_are_the_same(
    triples: tuple[list[int], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CPU has compiled loops; tensor operations, which a GPU takes, are run here on the CPU."""
    compiled, by_tensors = small_trainer(), small_trainer()
    compiled.step(*batch(triples))
    monkeypatch.setattr(by_tensors, "device", SimpleNamespace(type="cuda"))
    by_tensors.step(*batch(triples))
    for name, table in tables(compiled).items():
        assert np.abs(table).max() > 0.01
        np.testing.assert_allclose(tables(by_tensors)[name], table, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("triples", TRIPLES.values(), ids=TRIPLES.keys())
def test_a_step_is_adagrads(triples: tuple[list[int], ...]) -> None:
    trainer = small_trainer()
    before = {name: value.astype(np.float64) for name, value in trainer.state().items()}
    users, items = batch(triples)
    _, gradients = trainer.gradients(users, items)
    trainer.step(users, items)
    after = trainer.state()

    rows = {"user_rows": triples[0], "item_rows": triples[1] + triples[2]}
    for name, tensor in zip(TABLES, gradients, strict=True):
        gradient = tensor.numpy().astype(np.float64)
        table, sums = before[f"table.{name}"], before[f"sum.{name}"]
        if name in rows:
            for row, part in zip(rows[name], gradient, strict=True):
                sums[row] += part**2
            for row, part in zip(rows[name], gradient, strict=True):
                table[row] -= 0.2 * part / np.sqrt(sums[row])
        else:
            sums += gradient**2
            table -= 0.2 * gradient / np.sqrt(sums)
        np.testing.assert_allclose(after[f"sum.{name}"], sums, rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(after[f"table.{name}"], table, rtol=1e-4, atol=1e-6)


def test_a_step_leaves_other_rows_alone() -> None:
    trainer = small_trainer()
    before = tables(trainer)
    trainer.step(*batch(([4], [0], [7])))
    after = tables(trainer)
    moved_users = (before["user_rows"] != after["user_rows"]).any(axis=1)
    moved_items = (before["item_rows"] != after["item_rows"]).any(axis=1)
    assert np.flatnonzero(moved_users).tolist() == [4]
    assert np.flatnonzero(moved_items).tolist() == [0, 7]


def test_an_epoch_goes_once_over_the_pairs_and_reports_the_mean_loss() -> None:
    trainer = small_trainer(batch_size=5)
    seen: list[tuple[int, int]] = []
    losses: list[float] = []
    plain_step = trainer.step

    def step(u: torch.Tensor, ij: torch.Tensor) -> torch.Tensor:
        seen.extend(zip(u.tolist(), ij[0].tolist(), strict=True))
        assert not trainer._train.contains(u.numpy(), ij[1].numpy()).any()
        loss = plain_step(u, ij)
        losses.extend(loss.tolist())
        return loss

    trainer.step = step  # type: ignore[method-assign]
    mean = trainer.run_epoch()
    train = trainer._train
    assert sorted(seen) == list(zip(train.users.tolist(), train.indices.tolist(), strict=True))
    assert seen != sorted(seen)
    assert mean == pytest.approx(np.mean(losses))


def test_every_epoch_draws_anew_and_every_seed_its_own() -> None:
    def drawn(seed: int) -> list[list[int]]:
        data, _ = planted_blocks()
        trainer = _Trainer(data, VbprParams(batch_size=10**6), seed=seed, device="cpu")
        epochs: list[list[int]] = []

        def step(u: torch.Tensor, ij: torch.Tensor) -> torch.Tensor:
            epochs.append([*u.tolist(), *ij.reshape(-1).tolist()])
            return torch.zeros(len(u))

        trainer.step = step  # type: ignore[method-assign]
        for _ in range(3):
            trainer.run_epoch()
        return epochs

    assert drawn(0) == drawn(0)
    different = {tuple(epoch) for epoch in drawn(0) + drawn(1)}
    assert len(different) == 6


SCALES = {
    "unit": mean_length,
    "max": lambda rows: float(np.abs(rows).max()),
    "vbpr": lambda rows: 58.388599,
    "none": lambda rows: 1.0,
}


@pytest.mark.parametrize("scaling", get_args(FeatureScaling))
def test_scores_are_eq_2_with_scaled_features(scaling: FeatureScaling) -> None:
    data, _ = planted_blocks()
    params = VbprParams(factors=3, visual_factors=2, epochs=2, feature_scaling=scaling)
    model = Vbpr(params, runtime=cpu())
    states: list[State] = []
    model.fit(data, watch=Recorder(on_epoch=lambda: states.append(model.training_state())))
    p = {name: states[-1][f"table.{name}"].astype(np.float64) for name in TABLES}
    features = data.need_features().astype(np.float64)
    features /= SCALES[scaling](features)
    scores, factors = model.score(range(90)), model.factors()
    assert factors.user_factors.shape == (90, 5)
    for user in (0, 41, 89):
        expected = [score(p, features, user, item, 3) for item in range(60)]
        np.testing.assert_allclose(scores[user], expected, rtol=1e-4, atol=1e-5)
        product = factors.item_bias + factors.item_factors @ factors.user_factors[user]
        np.testing.assert_allclose(product, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("scaling", "same"), [("unit", True), ("max", True), ("none", False)])
def test_relative_scalings_do_not_mind_the_features_unit(
    scaling: FeatureScaling, same: bool
) -> None:
    data, _ = planted_blocks()
    params = VbprParams(epochs=2, feature_scaling=scaling)
    # A power of two, so that no rounding differs.
    larger = TrainingSet(name="larger", train=data.train, features=data.need_features() * 8)
    scores = [Vbpr(params, runtime=cpu()).fit(each).score(range(90)) for each in (data, larger)]
    assert np.array_equal(*scores) == same


def test_half_precision_features_are_the_same_numbers() -> None:
    data, _ = planted_blocks()
    half = data.need_features().astype(np.float16)
    sets = [TrainingSet(name="x", train=data.train, features=f) for f in (half, half.astype("f4"))]
    params = VbprParams(epochs=2)
    scores = [Vbpr(params, runtime=cpu()).fit(each).score(range(90)) for each in sets]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("sampling", ["pairs", "users"])
def test_training_lowers_the_loss_and_finds_planted_blocks(sampling: Any) -> None:
    data, held_out = planted_blocks()
    params = VbprParams(
        factors=4,
        visual_factors=4,
        regularization=0.01,
        learning_rate=0.1,
        batch_size=32,
        epochs=15,
        sampling=sampling,
    )
    watch = Recorder()
    model = Vbpr(params, runtime=cpu()).fit(data, watch=watch)
    assert watch.epochs == list(range(1, 16))
    assert watch.losses[0] < 0.75  # ln 2 = 0.69 at the start: small random scores
    assert watch.losses[-1] < 0.4 * watch.losses[0]
    assert auc(model, data, held_out) > 0.75  # 0.88 at best


def test_visual_factors_alone_score_items_nobody_bought() -> None:
    """Two kinds of items by their look; cold items are told apart by it."""
    look = np.repeat(np.eye(2, dtype=np.float32), 10, axis=0)  # items 0 to 9, 10 to 19
    owned = [list(range(8)) if user % 2 else list(range(10, 18)) for user in range(20)]
    params = VbprParams(factors=0, visual_factors=2, regularization=0.01, epochs=30, batch_size=8)
    model = Vbpr(params, runtime=cpu()).fit(training_set(owned, 20, look))
    scores = model.score(range(20))
    warm_user = scores[1::2]
    assert (warm_user[:, 8:10].min(axis=1) > warm_user[:, 18:20].max(axis=1)).all()
    assert (scores[::2, 8:10].max(axis=1) < scores[::2, 18:20].min(axis=1)).all()


@pytest.mark.parametrize("sampling", ["pairs", "users"])
@pytest.mark.parametrize("interrupted_after", [1, 3])
def test_a_resumed_fit_is_bit_equal(sampling: Any, interrupted_after: int) -> None:
    data, _ = planted_blocks()
    params = VbprParams(epochs=4, batch_size=50, sampling=sampling)
    states: list[State] = []
    model = Vbpr(params, runtime=cpu())
    model.fit(data, watch=Recorder(on_epoch=lambda: states.append(model.training_state())))
    checkpoint = states[interrupted_after - 1]
    before = {name: value.copy() for name, value in checkpoint.items()}
    watch = Recorder(checkpoint=checkpoint)
    resumed = Vbpr(params, runtime=cpu()).fit(data, watch=watch)
    assert watch.epochs == list(range(interrupted_after + 1, 5))
    np.testing.assert_array_equal(model.score(range(90)), resumed.score(range(90)))
    for name, value in before.items():
        np.testing.assert_array_equal(checkpoint[name], value, err_msg=name)


def test_a_finished_fit_is_resumed_without_another_epoch() -> None:
    data, _ = planted_blocks()
    params = VbprParams(epochs=2)
    states: list[State] = []
    model = Vbpr(params, runtime=cpu())
    model.fit(data, watch=Recorder(on_epoch=lambda: states.append(model.training_state())))
    watch = Recorder(checkpoint=states[-1])
    resumed = Vbpr(params, runtime=cpu()).fit(data, watch=watch)
    assert watch.epochs == []
    np.testing.assert_array_equal(model.score(range(90)), resumed.score(range(90)))


@pytest.mark.parametrize("sampling", ["pairs", "users"])
def test_no_training_pairs_at_all(sampling: Any) -> None:
    data = training_set([[], []], 3, np.ones((3, 2), dtype=np.float32))
    model = Vbpr(VbprParams(epochs=2, sampling=sampling), runtime=cpu()).fit(data)
    assert np.isfinite(model.score([0, 1])).all()


def test_stops_when_told_and_keeps_no_optimiser() -> None:
    data, _ = planted_blocks()
    watch = Recorder(stop_after=2)
    model = Vbpr(VbprParams(epochs=9), runtime=cpu()).fit(data, watch=watch)
    assert watch.epochs == [1, 2]
    assert not hasattr(model, "_trainer")


def test_seeds_decide() -> None:
    data, _ = planted_blocks()
    params = VbprParams(epochs=1)
    first, again, other = (
        Vbpr(params, runtime=cpu(seed)).fit(data).score(range(90)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_needs_features_that_say_something() -> None:
    with pytest.raises(BenchError, match="vbpr needs features, which small does not have"):
        Vbpr(runtime=cpu()).fit(training_set([[0]], 2))
    zeros = training_set([[0]], 2, np.zeros((2, 3), dtype=np.float32))
    with pytest.raises(BenchError, match="features are all zero"):
        Vbpr(VbprParams(feature_scaling="unit"), runtime=cpu()).fit(zeros)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"factors": -1}, "factors must be >= 0"),
        ({"visual_factors": 0}, "visual_factors >= 1"),
        ({"batch_size": 0}, "batch_size and epochs"),
        ({"epochs": 0}, "batch_size and epochs"),
        ({"regularization": -0.1}, "regularisation must be >= 0"),
        ({"regularization_visual": -0.1}, "regularisation must be >= 0"),
        ({"learning_rate": 0.0}, "learning_rate > 0"),
    ],
)
def test_impossible_settings(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VbprParams(**setting)
