"""Steps against an independent computation; interruptions, memory, losses that are no numbers."""

import logging
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from plain_network import Plain

from bench.datasets.dataset import Interactions, TrainingSet
from bench.device import torch_threads
from bench.errors import BenchError
from bench.recommender import State
from dvbpr.backbones import BACKBONES
from dvbpr.known_pairs import KnownPairs
from dvbpr.objective import Objective, shared_losses, triple_losses
from dvbpr.presets import DvbprParams
from dvbpr.refit import refitted_rows
from dvbpr.training import Trainer
from dvbpr.weights import network_state, start_network

N_USERS, N_ITEMS, PIXELS = 12, 20, 16


@pytest.fixture
def data(rng: np.random.Generator) -> TrainingSet:
    has = rng.random((N_USERS, N_ITEMS)) < 0.25
    has[3] = False
    users, items = np.nonzero(has)
    train = Interactions.from_pairs(users, items, n_users=N_USERS, n_items=N_ITEMS)
    return TrainingSet(name="small", train=train)


@pytest.fixture
def images(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    return rng.integers(256, size=(N_ITEMS, PIXELS, PIXELS, 3), dtype=np.uint8)


@pytest.fixture
def make(data: TrainingSet, images: npt.NDArray[np.uint8]) -> Callable[..., Trainer]:
    def make(preset: Literal["paper", "release", "fast", "slim"] = "slim", **given: Any) -> Trainer:
        values = {"backbone": "plain", "pixels": PIXELS, "factors": 4, "batch_size": 8}
        values |= {"n_negatives": 1 if preset in ("paper", "release") else 16} | given
        settings = DvbprParams(preset=preset, **values).settings("cpu")
        network = start_network(settings, seed=5)
        return Trainer(data, images, network, settings, precision="float32", seed=5, device="cpu")

    return make


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Steps this small gain nothing from a second one."""
    with torch_threads(1):
        yield


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that is not in the suite, of which every step can be told exactly."""
    monkeypatch.setitem(BACKBONES, "plain", Plain)


def nothing() -> None:
    pass


def arrays(trainer: Trainer) -> State:
    return {f"n.{k}": v for k, v in network_state(trainer.network).items()} | trainer.rows.state()


def assert_same(one: State, other: State) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.parametrize(
    ("preset", "given"),
    [
        ("paper", {"n_negatives": 1}),
        ("paper", {"n_negatives": 3}),
        ("release", {"n_negatives": 1}),
        ("slim", {"n_negatives": 16, "optimiser": "adam"}),
        ("slim", {"n_negatives": 16, "convention": "paper"}),
    ],
)
def test_a_step_is_adam_on_the_whole_objective(
    make: Callable[..., Trainer],
    data: TrainingSet,
    images: npt.NDArray[np.uint8],
    preset: Any,
    given: dict[str, Any],
) -> None:
    """In float64, with the weight penalty as part of the loss: what a step should do."""
    options = {"dropout": 0.0, "mirror": False, "weight_decay": 0.05, "lambda_theta": 0.3} | given
    trainer = make(preset, **options)
    settings = trainer._settings
    batch = trainer._sampler.epoch(0).batch(0)
    before = {name: p.detach().double().clone() for name, p in trainer.network.named_parameters()}
    oracle = start_network(settings, seed=5).double().eval()
    theta = trainer.rows.table.double()[torch.from_numpy(batch.users)].requires_grad_()
    pixels = torch.from_numpy(images[batch.items]).permute(0, 3, 1, 2).double()
    phi = oracle((pixels - 127.5) / 127.5)
    n = len(batch.users)
    if batch.negatives.ndim == 1:
        own = [set(data.train.of(int(u)).tolist()) for u in batch.users]
        known = torch.tensor([[j in items for j in batch.negatives.tolist()] for items in own])
        share = torch.tensor([len(items) / N_ITEMS for items in own], dtype=torch.float64)
        losses = shared_losses(theta, phi[:n], phi[n:], known, share)
        assert known.any()
    else:
        losses = triple_losses(theta, phi[:n], phi[n:].view(n, -1, 4))
    objective = Objective(convention=settings.convention, lambda_theta=0.3, weight_decay=0.05)
    decoupled = settings.optimiser == "adamw"
    total = objective.batch(losses, theta)
    if not decoupled:
        total = total + objective.weight_penalty(oracle)
    total.backward()
    rate = settings.learning_rate
    trainer.take_step(batch)
    assert trainer._total.item() == pytest.approx(losses.sum().item(), rel=1e-5)
    for name, parameter in trainer.network.named_parameters():
        gradient = dict(oracle.named_parameters())[name].grad
        assert gradient is not None
        if name == "last.bias":  # the same for both items of a pair: it cancels
            assert gradient.abs().max() < 1e-12
            continue
        # Adam's first step is the gradient over its size; tiny ones drown in rounding.
        shrink = 1 - rate * 0.05 if decoupled and parameter.ndim > 1 else 1.0
        step = rate * gradient / (gradient.abs() + 1e-8)
        clear = gradient.abs() > 1e-4 * gradient.abs().max()
        assert clear.float().mean() > 0.3
        expected = before[name] * shrink - step
        torch.testing.assert_close(
            parameter.detach().double()[clear], expected[clear], rtol=1e-5, atol=0.02 * rate
        )
    assert theta.grad is not None
    for user in np.unique(batch.users):
        gradient = theta.grad[torch.from_numpy(batch.users == user)].sum(dim=0)
        moved = trainer.rows.table[user].double() - theta[int((batch.users == user).argmax())]
        torch.testing.assert_close(
            moved.detach(), -settings.user_learning_rate * gradient.sign(), rtol=1e-3, atol=1e-6
        )


def test_rows_outside_the_batches_do_not_move(make: Callable[..., Trainer]) -> None:
    trainer = make("release", lambda_theta=10.0)
    start = trainer.rows.table.clone()
    assert float(start.min()) >= 0
    assert float(start.max()) < 0.01
    for _ in range(3):
        trainer.run_epoch(nothing)
    assert torch.equal(trainer.rows.table[3], start[3])  # the user without training items
    others = [u for u in range(N_USERS) if u != 3]
    assert bool((trainer.rows.table[others] != start[others]).any(dim=1).all())


PRESETS = [
    ("paper", {}),
    ("release", {"n_negatives": 2}),
    ("slim", {"n_negatives": 6, "shift": 2, "backbone": "slim"}),
    ("slim", {"micro_batch": 20, "backbone": "resnet-18", "batch_size": 18}),
]


@pytest.mark.parametrize(("preset", "given"), PRESETS)
def test_stopped_anywhere_and_resumed_it_ends_the_same(
    make: Callable[..., Trainer], preset: Any, given: dict[str, Any]
) -> None:
    undisturbed = make(preset, **given)
    kept: list[State] = []

    def keep() -> None:
        if undisturbed.step == 2:
            kept.append(undisturbed.state())

    losses = [undisturbed.run_epoch(keep)[0] for _ in range(2)]
    ended = undisturbed.state()
    assert len(kept) == 2
    for epoch, checkpoint in enumerate(kept):
        resumed = make(preset, **given)
        resumed.load(checkpoint)
        assert (resumed.epoch, resumed.step) == (epoch, 2)
        ending = []
        while resumed.epoch < 2:
            ending.append(resumed.run_epoch(nothing)[0])
        assert ending == losses[-len(ending) :]
        assert_same(resumed.state(), ended)
        np.testing.assert_array_equal(resumed.factors()[0], undisturbed.factors()[0])


def test_the_same_seed_gives_the_same_bits(make: Callable[..., Trainer]) -> None:
    runs = []
    for _ in range(2):
        trainer = make()
        trainer.run_epoch(nothing)
        runs.append(trainer.state())
    assert_same(*runs)


def test_the_running_mean_is_the_weights_mean(make: Callable[..., Trainer]) -> None:
    trainer = make(average=0.9, refit_lambda=0.0)
    plan = trainer._epoch_plan()
    mean = {name: p.detach().double() for name, p in trainer.network.named_parameters()}
    rows = trainer.rows.table.double()
    for step in range(4):
        trainer.take_step(plan.batch(step))
        trainer.step += 1
        decay = min(0.9, (step + 1) / (step + 10))
        for name, p in trainer.network.named_parameters():
            mean[name] = decay * mean[name] + (1 - decay) * p.detach().double()
        rows = decay * rows + (1 - decay) * trainer.rows.table.double()
    averaged, _ = trainer.factors()
    np.testing.assert_allclose(averaged, rows.numpy(), rtol=1e-5, atol=1e-7)
    for name, p in trainer.evaluated.named_parameters():
        torch.testing.assert_close(p.double(), mean[name], rtol=1e-5, atol=1e-7)
    plain = make(average=0.0)
    assert plain.evaluated is plain.network


def test_out_of_memory_halves_what_passes_at_once(
    make: Callable[..., Trainer],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    roomy, tight = make(), make()
    within = tight.encoder._pass

    def cramped(batch: torch.Tensor, rows: slice) -> torch.Tensor:
        if len(batch) > 8:
            raise torch.cuda.OutOfMemoryError("no room")
        return within(batch, rows)

    monkeypatch.setattr(tight.encoder, "_pass", cramped)
    with caplog.at_level(logging.WARNING):
        for trainer in (roomy, tight):
            trainer.take_step(trainer._epoch_plan().batch(0))
    assert roomy.encoder.micro_batch == 0
    assert tight.encoder.micro_batch == 6  # of 8 + 16 images; 12 are too many
    assert caplog.text.count("out of memory") == 2
    for p, q in zip(roomy.network.parameters(), tight.network.parameters(), strict=True):
        assert p.grad is not None
        assert q.grad is not None
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-5)
    kept = make()
    kept.load(tight.state())
    assert kept.encoder.micro_batch == 6


def test_a_loss_that_is_no_number_names_step_and_checkpoint(make: Callable[..., Trainer]) -> None:
    trainer = make()

    def spoil() -> None:
        if trainer.step == 1:
            trainer.state()
        if trainer.step == 3:
            with torch.no_grad():
                trainer.network.last.weight[0, 0] = float("nan")

    with pytest.raises(BenchError) as error:
        trainer.run_epoch(spoil)
    assert f"the loss is not a number in step 4 of {trainer.steps} of epoch 1" in str(error.value)
    assert "last good checkpoint is of epoch 1, before its step 2" in str(error.value)
    with pytest.raises(BenchError, match="the loss is not a number"):
        trainer.state()  # no checkpoint of it is ever written


def test_weights_that_are_no_numbers_are_not_stored(make: Callable[..., Trainer]) -> None:
    trainer = make()
    with torch.no_grad():
        trainer.network.last.weight[0, 0] = float("inf")
    with pytest.raises(BenchError, match=r"a weight is not a number .* no checkpoint was written"):
        trainer.state()


def test_a_data_set_without_training_pairs(images: npt.NDArray[np.uint8]) -> None:
    none = np.empty(0, dtype=np.int64)
    train = Interactions.from_pairs(none, none, n_users=2, n_items=N_ITEMS)
    settings = DvbprParams(preset="slim", pixels=PIXELS).settings("cpu")
    trainer = Trainer(
        TrainingSet(name="empty", train=train),
        images,
        start_network(settings, 0),
        settings,
        precision="float32",
        seed=0,
        device="cpu",
    )
    assert trainer.run_epoch(nothing)[0] == 0.0


def test_refitted_rows_belong_to_the_evaluated_network(make: Callable[..., Trainer]) -> None:
    trainer = make(average=0.9, refit_lambda=2.0)
    trainer.run_epoch(nothing)
    rows, items = trainer.factors()
    np.testing.assert_array_equal(items, trainer.encoder.catalogue(trainer.evaluated))
    objective = Objective(convention="release", lambda_theta=2.0, weight_decay=0.0)
    known = KnownPairs(trainer._train, trainer.device)
    expected = refitted_rows(torch.from_numpy(items), trainer._train, known, objective, seed=5)
    active = np.diff(trainer._train.indptr) > 0
    np.testing.assert_array_equal(rows[active], expected.numpy()[active])
    assert not np.array_equal(rows, trainer._average.rows.numpy())


def test_outputs_that_are_no_numbers_are_not_fitted_to(
    make: Callable[..., Trainer],
) -> None:
    trainer = make(average=0.0, refit_lambda=2.0)
    with torch.no_grad():
        next(trainer.network.parameters()).fill_(float("nan"))
    rows, items = trainer.factors()
    assert not np.isfinite(items).any()
    np.testing.assert_array_equal(rows, trainer.rows.table.numpy())


def test_a_user_without_items_keeps_her_row(make: Callable[..., Trainer]) -> None:
    trainer = make(average=0.0, refit_lambda=2.0)
    kept = (trainer.factors()[0] == trainer.rows.table.numpy()).all(axis=1)
    assert np.flatnonzero(kept).tolist() == [3]
