"""Training of the GAN: alternating steps of the least-squares objective (eq. 7), resumable at any.

Each step draws real images with their categories, generates as many with the same categories from
new codes, takes a step of D on both, and then one of G through the new D. The same generated images
serve both: what D learns from is what G is judged by.
"""

import time
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from bench.recommender import State, part_of
from bench.rng import child_generator, child_seed
from dvbpr.device_images import DeviceImages, normalise
from dvbpr.divergence import DivergenceWatch
from dvbpr.gan import ImageGenerator
from dvbpr.gan_presets import GanSettings
from dvbpr.gan_start import start_discriminator, start_generator
from dvbpr.torch_tools import autocast
from dvbpr.weights import (
    NetworkAverage,
    load_network,
    load_optimiser,
    network_state,
    optimiser_state,
)

__all__ = ["GanTrainer", "fake_loss", "real_loss"]

_FINAL_RATE = 0.1
"""What is left of the learning rates at the end of their decay."""


def real_loss(judged: Tensor) -> Tensor:
    """Give L_real of eq. 7, (D(x, c) - 1)², of D's outputs."""
    return (judged - 1.0).square()


def fake_loss(judged: Tensor) -> Tensor:
    """Give L_fake of eq. 7, D(x, c)², of D's outputs."""
    return judged.square()


class GanTrainer:
    """Both networks of one fit, their optimisers, and the place in the training.

    Parameters
    ----------
    images
        uint8 (n, P, P, 3): all real images, decoded.
    categories
        int64 (n,): their categories.
    n_categories
        Number of categories.
    settings
        Hyper-parameters.
    precision
        "float32" or "bf16".
    seed
        Root seed of the fit.
    device
        Where it is computed.
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8],
        categories: npt.NDArray[np.int64],
        n_categories: int,
        settings: GanSettings,
        *,
        precision: Literal["float32", "bf16"],
        seed: int,
        device: torch.device,
    ) -> None:
        self._settings, self._seed, self._precision = settings, seed, precision
        self.device = device
        self._images = DeviceImages(images, device)
        self._categories = torch.from_numpy(categories)
        starts = [
            torch.Generator().manual_seed(child_seed(seed, "lsgan", network))
            for network in ("generator", "discriminator")
        ]
        self.generator = start_generator(settings, n_categories, starts[0]).to(device)
        self.discriminator = start_discriminator(settings, n_categories, starts[1]).to(device)
        self._optimisers = {
            "generator": self._optimiser(self.generator, settings.generator_rate),
            "discriminator": self._optimiser(self.discriminator, settings.discriminator_rate),
        }
        self._average = NetworkAverage(self.generator, settings.average)
        self.epoch = self.step = 0
        self._losses = torch.zeros(2, dtype=torch.float64, device=device)
        self._finite = DivergenceWatch(
            "lsgan",
            "a loss",
            "a smaller generator_rate and discriminator_rate or precision=float32 often help",
            steps=self.steps,
            device=device,
        )
        self._plan: tuple[int, Tensor, npt.NDArray[np.int64]] | None = None

    @property
    def steps(self) -> int:
        """Steps per epoch."""
        return max(1, len(self._images) // self._settings.batch_size)

    @property
    def evaluated(self) -> ImageGenerator:
        """The generator that makes images: the running mean, if there is one."""
        return self._average.network

    def run_epoch(self, pause: Callable[[], None]) -> tuple[float, float, float]:
        """Go on to the end of the epoch.

        Parameters
        ----------
        pause
            Called after every step but the last.

        Returns
        -------
        The epoch's means of D's objective and of G's (eq. 7), and real images per second in this
        process's part of the epoch.

        Raises
        ------
        BenchError
            A loss is no longer a number.
        """
        n_images, paused, started = 0, 0.0, time.perf_counter()
        while self.step < self.steps:
            items, moves = self._planned(self.step)
            self.take_step(items, moves)
            n_images += len(items)
            self.step += 1
            self._finite.look(self.step)
            if self.step < self.steps:
                stopped = time.perf_counter()
                pause()
                paused += time.perf_counter() - stopped
        of_d, of_g = (self._losses / self.steps).tolist()
        seconds = time.perf_counter() - started - paused
        self.epoch, self.step = self.epoch + 1, 0
        self._losses.zero_()
        return of_d, of_g, n_images / max(seconds, 1e-9)

    def take_step(self, items: Tensor, moves: npt.NDArray[np.int64]) -> None:
        """Take one step of D and one of G.

        Parameters
        ----------
        items
            int64 (B,): the real images; as many are generated, with their categories.
        moves
            int64 (2, 2): by how many pixels down and to the right D's images are moved, in its own
            step and in the generator's.
        """
        real = normalise(self._images.batch(items)).contiguous(memory_format=torch.channels_last)
        if self.step + 1 < self.steps:
            self._images.prefetch(self._planned(self.step + 1)[0])
        categories = self._categories[items].to(self.device)
        self._set_rates()
        for network in (self.generator, self.discriminator):
            network.train()
        with autocast(self.device, self._precision):
            fake = self.generator(self.codes(len(items)), categories)
        of_d = self._discriminator_step(real, fake.detach(), categories, moves[0])
        of_g = self._generator_step(fake, categories, moves[1])
        self._average.update()
        losses = torch.stack([of_d, of_g])
        self._losses += losses
        self._finite.note(losses, self.epoch, self.step)

    def codes(self, n: int) -> Tensor:
        """Draw the codes of the current step from the prior of training: float32 (n, d)."""
        generator = torch.Generator(self.device)
        generator.manual_seed(child_seed(self._seed, "lsgan", "codes", self.epoch, self.step))
        codes = torch.empty((n, self._settings.code_dims), device=self.device)
        if self._settings.training_prior == "normal":
            return codes.normal_(generator=generator)
        return codes.uniform_(-1.0, 1.0, generator=generator)

    def state(self) -> State:
        """Copy everything the fit needs to go on from here.

        Raises
        ------
        BenchError
            The weights are no longer numbers: what is stored stays the last good state.
        """
        self._finite.need_finite()
        arrays: State = {}
        for name, network in self._networks().items():
            values = network_state(network)
            self._finite.need_finite_weights(
                values, f"a weight of the {name}", self.epoch, self.step
            )
            moments = optimiser_state(self._optimisers[name])
            arrays |= {f"{name}.{key}": value for key, value in values.items()}
            arrays |= {f"optimiser.{name}.{key}": value for key, value in moments.items()}
        arrays |= {f"average.{key}": value for key, value in self._average.state().items()}
        arrays["place"] = np.array((self.epoch, self.step), dtype=np.int64)
        arrays["losses"] = self._losses.cpu().numpy().copy()
        self._finite.checkpointed(self.epoch, self.step)
        return arrays

    def load(self, state: State) -> None:
        """Go on from what `state` gave."""
        for name, network in self._networks().items():
            load_network(network, part_of(state, f"{name}."))
            load_optimiser(self._optimisers[name], part_of(state, f"optimiser.{name}."))
        self._average.load(part_of(state, "average."))
        self.epoch, self.step = (int(n) for n in state["place"])
        self._losses.copy_(torch.from_numpy(np.asarray(state["losses"])))
        self._finite.checkpointed(self.epoch, self.step)

    def close(self) -> None:
        """End what prepares images."""
        self._images.close()

    def _networks(self) -> dict[str, torch.nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def _optimiser(self, network: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
        betas = (self._settings.beta1, self._settings.beta2)
        return torch.optim.Adam(network.parameters(), rate, betas=betas, fused=True)

    def _discriminator_step(
        self, real: Tensor, fake: Tensor, categories: Tensor, move: npt.NDArray[np.int64]
    ) -> Tensor:
        """Take a step of D on its objective; give that, without its factor."""
        batches = [_moved(batch, move) for batch in (real, fake)]
        with autocast(self.device, self._precision):
            if self.discriminator.mixes_batch:
                on_real, on_fake = (self.discriminator(batch, categories) for batch in batches)
            else:  # one pass of twice the size is faster
                judged = self.discriminator(torch.cat(batches), categories.repeat(2))
                on_real, on_fake = judged.chunk(2)
        objective = real_loss(on_real).mean() + fake_loss(on_fake).mean()
        optimiser = self._optimisers["discriminator"]
        optimiser.zero_grad(set_to_none=True)
        (self._settings.discriminator_weight * objective).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return objective.detach()

    def _generator_step(
        self, fake: Tensor, categories: Tensor, move: npt.NDArray[np.int64]
    ) -> Tensor:
        """Take a step of G on its objective, through D; give that."""
        self.discriminator.requires_grad_(False)  # its gradients are not wanted here
        with autocast(self.device, self._precision):
            judged = self.discriminator(_moved(fake, move), categories)
        objective = real_loss(judged).mean()
        optimiser = self._optimisers["generator"]
        optimiser.zero_grad(set_to_none=True)
        objective.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
        self.discriminator.requires_grad_(True)
        return objective.detach()

    def _planned(self, step: int) -> tuple[Tensor, npt.NDArray[np.int64]]:
        """Give a step's real images and moves; those of an epoch are drawn together."""
        if self._plan is None or self._plan[0] != self.epoch:
            settings, n = self._settings, len(self._images)
            rng = child_generator(self._seed, "lsgan", "epoch", self.epoch)
            if settings.draw == "replacement":
                items = rng.integers(n, size=(self.steps, settings.batch_size))
            else:
                size = min(n, settings.batch_size)
                items = rng.permutation(n)[: self.steps * size].reshape(self.steps, size)
            reach = settings.shift
            moves = rng.integers(-reach, reach + 1, size=(self.steps, 2, 2))
            self._plan = self.epoch, torch.from_numpy(items), moves
        return self._plan[1][step], self._plan[2][step]

    def _set_rates(self) -> None:
        settings = self._settings
        left = 1.0 - (self.epoch * self.steps + self.step) / (settings.epochs * self.steps)
        share = 1.0 if settings.decay == 0.0 else min(1.0, left / settings.decay)
        factor = _FINAL_RATE + (1.0 - _FINAL_RATE) * share
        rates = {
            "generator": settings.generator_rate,
            "discriminator": settings.discriminator_rate,
        }
        for name, optimiser in self._optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = factor * rates[name]


def _moved(images: Tensor, move: npt.NDArray[np.int64]) -> Tensor:
    """Move images by pixels down and to the right; the edge that is left is repeated."""
    down, right = (int(n) for n in move)
    if down == right == 0:
        return images
    reach = (max(right, 0), max(-right, 0), max(down, 0), max(-down, 0))
    padded = functional.pad(images, reach, mode="replicate")
    height, width = images.shape[2:]
    top, left = max(-down, 0), max(-right, 0)
    return padded[:, :, top : top + height, left : left + width]
