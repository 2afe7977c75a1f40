"""Steps of eq. 7 against an independent computation; interruptions; losses that are no numbers."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage

from bench.device import torch_threads
from bench.errors import BenchError
from bench.recommender import State
from dvbpr.gan_presets import GanParams
from dvbpr.gan_training import GanTrainer, fake_loss, real_loss
from dvbpr.weights import network_state

N_ITEMS, N_CATEGORIES, PIXELS, BATCH = 30, 3, 16, 8


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Steps this small gain nothing from a second one."""
    with torch_threads(1):
        yield


@pytest.fixture
def images(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    return rng.integers(256, size=(N_ITEMS, PIXELS, PIXELS, 3), dtype=np.uint8)


@pytest.fixture
def make(images: npt.NDArray[np.uint8]) -> Callable[..., GanTrainer]:
    def make(preset: str = "slim", seed: int = 5, **given: Any) -> GanTrainer:
        values = {"pixels": PIXELS, "code_dims": 4, "batch_size": BATCH, "epochs": 3} | given
        return GanTrainer(
            images,
            np.arange(N_ITEMS, dtype=np.int64) % N_CATEGORIES,
            N_CATEGORIES,
            GanParams(preset=preset, **values).settings("cpu"),  # type: ignore[arg-type]
            precision="float32",
            seed=seed,
            device=torch.device("cpu"),
        )

    return make


def nothing() -> None:
    pass


def arrays(trainer: GanTrainer) -> State:
    """Give all weights, those that make images among them."""
    return {
        f"{part}.{name}": value
        for part, network in (
            ("g", trainer.generator),
            ("d", trainer.discriminator),
            ("mean", trainer.evaluated),
        )
        for name, value in network_state(network).items()
    }


def assert_same(one: State, other: State) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_the_losses_of_equation_7() -> None:
    judged = torch.tensor([1.0, 0.0, -0.5, 3.0])
    np.testing.assert_allclose(real_loss(judged), [0.0, 1.0, 2.25, 4.0])
    np.testing.assert_allclose(fake_loss(judged), [1.0, 0.0, 0.25, 9.0])


@pytest.mark.parametrize("preset", ["release", "slim"])
def test_a_step_is_that_of_equation_7(
    make: Callable[..., GanTrainer], images: npt.NDArray[np.uint8], preset: str
) -> None:
    """One step of D on real and generated images, then one of G through the new D; by hand."""
    trainer = make(preset, generator_rate=3e-4, discriminator_rate=2e-4)
    g, d = copy.deepcopy(trainer.generator), copy.deepcopy(trainer.discriminator)
    weight = 0.5 if preset == "release" else 1.0
    beta1 = 0.5 if preset == "release" else 0.0
    items = torch.tensor([3, 4, 5, 3, 29, 0, 1, 10])
    trainer.take_step(items, np.zeros((2, 2), dtype=np.int64))

    codes, categories = trainer.codes(BATCH), items % N_CATEGORIES
    real = torch.from_numpy(images[items.numpy()].astype(np.float32) / 127.5 - 1.0)
    real = real.permute(0, 3, 1, 2)
    fake = g(codes, categories)
    if preset == "release":  # batch statistics of real and generated images apart
        on_real, on_fake = d(real, categories), d(fake.detach(), categories)
    else:
        both = d(torch.cat([real, fake.detach()]), torch.cat([categories, categories]))
        on_real, on_fake = both[:BATCH], both[BATCH:]
    loss = torch.mean((on_real - 1) ** 2) + torch.mean(on_fake**2)
    of_d = torch.autograd.grad(weight * loss, list(d.parameters()))
    adam_step(d, of_d, lr=2e-4)
    objective = torch.mean((d(fake, categories) - 1) ** 2)
    of_g = torch.autograd.grad(objective, list(g.parameters()))
    adam_step(g, of_g, lr=3e-4)

    state = trainer.state()
    for part, mine, gradients in (("generator", g, of_g), ("discriminator", d, of_d)):
        largest = max(float(gradient.abs().max()) for gradient in gradients)
        for number, (name, value) in enumerate(mine.named_parameters()):
            gradient = gradients[number].numpy()
            moment = state[f"optimiser.{part}.{number}.exp_avg"] / (1 - beta1)
            np.testing.assert_allclose(moment, gradient, rtol=1e-3, atol=1e-5 * largest)
            # Adam's first step is the rate times the sign, of a gradient that is nothing (a bias
            # before a normalisation) the sign of its rounding.
            sure = np.abs(gradient) > 1e-3 * largest
            got = state[f"{part}.{name}"][sure]
            np.testing.assert_allclose(got, value.detach().numpy()[sure], rtol=1e-4, atol=1e-7)
            assert sure.any() or "bias" in name, name
    told = trainer.state()["losses"]
    np.testing.assert_allclose(told, [loss.item(), objective.item()], rtol=1e-5)


def adam_step(network: torch.nn.Module, gradients: tuple[torch.Tensor, ...], *, lr: float) -> None:
    """Take Adam's first step, in which its means, with their bias corrected, are the gradient."""
    with torch.no_grad():
        for value, gradient in zip(network.parameters(), gradients, strict=True):
            value -= lr * gradient / (gradient.abs() + 1e-8)


def test_generated_images_carry_the_real_ones_categories(make: Callable[..., GanTrainer]) -> None:
    trainer = make()
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    trainer.generator.register_forward_pre_hook(lambda _m, args: seen.append(args))
    items = torch.tensor([0, 1, 2, 5, 7, 9, 11, 13])
    trainer.take_step(items, np.zeros((2, 2), dtype=np.int64))
    ((codes, categories),) = seen
    assert categories.tolist() == (items % N_CATEGORIES).tolist()
    assert codes.shape == (BATCH, 4)
    assert codes.abs().max() <= 1.0


@pytest.mark.parametrize("draw", ["replacement", "epoch"])
def test_what_an_epoch_draws(make: Callable[..., GanTrainer], draw: str) -> None:
    trainer = make(draw=draw)
    taken: list[int] = []
    take_step = trainer.take_step

    def note(items: torch.Tensor, moves: npt.NDArray[np.int64]) -> None:
        taken.extend(items.tolist())
        assert not moves.any()
        take_step(items, moves)

    trainer.take_step = note  # type: ignore[method-assign]
    trainer.run_epoch(nothing)
    first = list(taken)
    trainer.run_epoch(nothing)
    assert trainer.steps == N_ITEMS // BATCH == 3
    assert len(first) == 3 * BATCH
    assert (len(set(first)) == len(first)) == (draw == "epoch")
    assert taken[len(first) :] != first
    assert set(taken) <= set(range(N_ITEMS))


def test_codes_come_from_the_stated_prior(make: Callable[..., GanTrainer]) -> None:
    uniform = make(code_dims=4000).codes(8).numpy()
    assert uniform.min() >= -1
    assert uniform.max() <= 1
    assert uniform.std() == pytest.approx(3**-0.5, abs=0.01)
    normal = make("release", code_dims=4000).codes(8).numpy()
    assert normal.std() == pytest.approx(1.0, abs=0.02)
    assert np.abs(normal).max() > 3


@pytest.mark.parametrize(
    ("preset", "given"),
    [
        ("release", {}),
        ("slim", {"shift": 2, "decay": 0.5}),
        ("slim", {"average": 0.0, "draw": "replacement"}),
    ],
)
def test_interrupted_anywhere_equals_undisturbed(
    make: Callable[..., GanTrainer], preset: str, given: dict[str, Any]
) -> None:
    undisturbed = make(preset, **given)
    states: list[State] = []
    losses = []
    for _ in range(2):
        losses.append(undisturbed.run_epoch(lambda: states.append(undisturbed.state()))[:2])
        states.append(undisturbed.state())
    assert len(states) == 6
    for number, state in enumerate(states[:-1]):
        resumed = make(preset, **given)
        resumed.load(copy.deepcopy(state))
        again = [resumed.run_epoch(nothing)[:2] for _ in range(2 - resumed.epoch)]
        assert_same(arrays(resumed), arrays(undisturbed))
        assert again == losses[-len(again) :], f"after {number + 1} steps"


def test_the_seed_decides(make: Callable[..., GanTrainer]) -> None:
    runs = [make(seed=seed) for seed in (1, 1, 2)]
    torch.manual_seed(3)  # the global generator has no say
    for run in runs:
        run.run_epoch(nothing)
    one, same, other = (arrays(run) for run in runs)
    assert_same(one, same)
    assert not np.array_equal(one["g.full.weight"], other["g.full.weight"])


def test_the_running_mean_makes_the_images(make: Callable[..., GanTrainer]) -> None:
    """Early steps count with 1 - t / (t + 9), later ones with 1 - average."""
    trainer = make(average=0.2)
    expected = trainer.evaluated.full.weight.detach().clone()
    assert trainer.evaluated is not trainer.generator
    for step in range(3):
        trainer.take_step(torch.arange(BATCH), np.zeros((2, 2), dtype=np.int64))
        trainer.step += 1
        decay = min(0.2, (step + 1) / (step + 10))
        expected = decay * expected + (1 - decay) * trainer.generator.full.weight.detach()
    torch.testing.assert_close(trainer.evaluated.full.weight, expected)
    statistics = [n.running_mean for n in (trainer.evaluated.norms[0], trainer.generator.norms[0])]
    torch.testing.assert_close(statistics[0], statistics[1])
    without = make(average=0.0)
    assert without.evaluated is without.generator


def test_learning_rates_fall_to_a_tenth(make: Callable[..., GanTrainer]) -> None:
    """Three epochs of three steps; the decay takes the last two thirds."""
    trainer = make(decay=2 / 3, generator_rate=1e-3, discriminator_rate=2e-3)
    rates = []

    def note() -> None:
        state = [optimiser.param_groups[0]["lr"] for optimiser in trainer._optimisers.values()]
        rates.append(state)

    for _ in range(3):
        trainer.run_epoch(note)
        note()
    share = np.minimum(1.0, (9 - np.arange(9)) / 6)
    factors = 0.1 + 0.9 * share
    np.testing.assert_allclose(rates, factors[:, None] * [1e-3, 2e-3])


def test_moves_repeat_the_edge(make: Callable[..., GanTrainer]) -> None:
    """Each pass of D sees its images moved alike, as SciPy moves them; G's own are not."""
    trainer = make(shift=3)
    seen: list[npt.NDArray[np.float32]] = []
    trainer.discriminator.register_forward_pre_hook(
        lambda _m, args: seen.append(args[0].detach().numpy().copy())
    )
    items = torch.arange(BATCH)
    plain = trainer._images.batch(items).numpy().astype(np.float32) / 127.5 - 1.0
    trainer.take_step(items, np.array([[2, -3], [0, 0]]))
    of_d, of_g = seen
    expected = [ndimage.shift(image, (0, 2, -3), order=0, mode="nearest") for image in plain]
    np.testing.assert_allclose(of_d[:BATCH], expected, atol=1e-6)
    moved = [ndimage.shift(image, (0, 2, -3), order=0, mode="nearest") for image in of_g]
    np.testing.assert_array_equal(of_d[BATCH:], moved)


def test_a_loss_that_is_no_number_is_told_with_its_step(
    make: Callable[..., GanTrainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make()
    trainer.run_epoch(nothing)
    codes = trainer.codes

    def broken(n: int) -> torch.Tensor:
        drawn = codes(n)
        return drawn * torch.nan if trainer.step == 1 else drawn

    monkeypatch.setattr(trainer, "codes", broken)
    trainer.state()
    with pytest.raises(BenchError, match="not a number in step 2 of 3 of epoch 2") as caught:
        trainer.run_epoch(nothing)
    assert "last good checkpoint is of epoch 2, before its step 1" in str(caught.value)
    with pytest.raises(BenchError, match="not a number"):
        trainer.state()  # no checkpoint of it is written


def test_more_images_per_step_than_there_are(make: Callable[..., GanTrainer]) -> None:
    for draw in ("epoch", "replacement"):
        trainer = make(batch_size=64, draw=draw)
        assert trainer.steps == 1
        of_d, of_g, rate = trainer.run_epoch(nothing)
        assert np.isfinite([of_d, of_g]).all()
        assert rate > 0
