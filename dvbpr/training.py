"""Training: steps of the objective on batches of triples, resumable at any step.

The network's pass over images is nearly all of the cost. What comes after it, the loss over users
and items in K dimensions, is small: with several processes each encodes its share of a step's
images, all get all outputs, and each computes the whole loss and the same gradient of it. So the
loss, and with it the fit, does not depend on how images are shared out, up to rounding.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.datasets.dataset import TrainingSet
from bench.device import resolve_device
from bench.distributed import rank, sum_over_processes, world_size
from bench.errors import BenchError
from bench.recommender import State, part_of
from bench.rng import child_generator, child_seed
from dvbpr.backbones import Backbone, decayed
from dvbpr.divergence import DivergenceWatch
from dvbpr.encoder import Encoder
from dvbpr.images import DeviceImages
from dvbpr.known_pairs import KnownPairs
from dvbpr.objective import Objective, shared_losses, triple_losses
from dvbpr.presets import Settings
from dvbpr.refit import refitted_rows
from dvbpr.rows import UserRows
from dvbpr.sampling import Batch, Epoch, Sampler
from dvbpr.weights import (
    Average,
    load_network,
    load_optimiser,
    network_state,
    optimiser_state,
)

__all__ = ["Trainer"]


class Trainer:
    """Network, user rows, optimisers and sampler of one fit.

    Parameters
    ----------
    dataset
        Its training interactions are learnt from.
    images
        The catalogue's images, decoded.
    network
        The backbone with its start values; it is moved to the device.
    settings
        Hyper-parameters.
    precision
        "float32" or "bf16".
    seed
        Root seed of the fit.
    device
        As `bench.device.resolve_device` takes it.
    """

    def __init__(
        self,
        dataset: TrainingSet,
        images: npt.NDArray[np.uint8],
        network: Backbone,
        settings: Settings,
        *,
        precision: Literal["float32", "bf16"],
        seed: int,
        device: str,
    ) -> None:
        self._settings, self._seed = settings, seed
        self.device = resolve_device(device)
        self.network = network.to(self.device)
        self.encoder = Encoder(
            self.network,
            DeviceImages(images, self.device),
            self.device,
            precision=precision,
            mirror=settings.mirror,
            shift=settings.shift,
            micro_batch=settings.micro_batch,
            compiled=settings.compile,
        )
        self._sampler = Sampler(
            dataset.train,
            sampling=settings.sampling,
            negatives=settings.negatives,
            n_negatives=settings.n_negatives,
            batch_size=settings.batch_size,
            seed=seed,
        )
        self._objective = Objective(
            convention=settings.convention,
            lambda_theta=settings.lambda_theta,
            weight_decay=settings.weight_decay,
        )
        self._train = dataset.train
        self._known = KnownPairs(dataset.train, self.device)
        self.rows = UserRows(
            self._start_rows(dataset.n_users), learning_rate=settings.user_learning_rate
        )
        self._optimiser = self._make_optimiser()
        self._average = Average(self.network, self.rows.table, settings.average)
        self.epoch = self.step = 0
        self.version = 0
        self._total = torch.zeros((), dtype=torch.float64, device=self.device)
        self._finite = DivergenceWatch(
            "dvbpr",
            "the loss",
            "a smaller learning_rate or precision=float32 often helps",
            steps=self.steps,
            device=self.device,
        )
        self._plan: tuple[int, Epoch] | None = None

    @property
    def steps(self) -> int:
        """Steps per epoch."""
        return self._sampler.steps

    def run_epoch(self, pause: Callable[[], None]) -> tuple[float, float]:
        """Go on to the end of the epoch.

        Parameters
        ----------
        pause
            Called after every step but the last.

        Returns
        -------
        The epoch's mean of -ln sigma(x_uij) over triples, and images per second in this process's
        part of the epoch, over all processes.

        Raises
        ------
        BenchError
            The loss is no longer a number.
        """
        plan = self._epoch_plan()
        n_images, paused, started = 0, 0.0, time.perf_counter()
        while self.step < self.steps:
            batch = plan.batch(self.step)
            if self.step + 1 < self.steps:
                self._prefetch(plan.batch(self.step + 1))
            self.take_step(batch)
            n_images += len(batch.items)
            self.step += 1
            self._finite.look(self.step)
            if self.step < self.steps:
                stopped = time.perf_counter()
                pause()
                paused += time.perf_counter() - stopped
        loss = float(self._total) / max(len(plan.users), 1)
        seconds = time.perf_counter() - started - paused
        self.epoch, self.step = self.epoch + 1, 0
        self._total.zero_()
        return loss, n_images / max(seconds, 1e-9)

    def take_step(self, batch: Batch) -> None:
        """Take one optimiser step; out of memory, take it again in smaller parts."""
        items = batch.items
        part = _share(len(items))
        generator = torch.Generator(self.device)
        generator.manual_seed(child_seed(self._seed, "dvbpr", "step", self.epoch, self.step))
        self.encoder.draw(len(items), generator)
        users = torch.from_numpy(batch.users).to(self.device)
        while True:
            self._optimiser.zero_grad(set_to_none=True)
            head = _Head(batch, users, part, self.rows, self._known, self._objective)
            try:
                self.encoder.gradients(items[part], part, head)
                break
            except torch.cuda.OutOfMemoryError as error:
                if world_size() > 1:
                    raise BenchError(
                        f"out of memory on {self.device} in one of {world_size()} processes: start "
                        f"again with --set dvbpr.micro_batch={-(-(part.stop - part.start) // 2)}"
                    ) from error
            self.encoder.halve(len(items))
        _add_up(p.grad for p in self.network.parameters())
        self._optimiser.step()
        self.rows.step(users, head.user_gradient)
        self._average.update()
        self._total += head.losses.sum()
        self._finite.note(head.objective, self.epoch, self.step)
        self.version += 1

    def state(self) -> State:
        """Copy everything the fit needs to go on from here.

        Raises
        ------
        BenchError
            The weights are no longer numbers: what is stored stays the last good state.
        """
        self._finite.need_finite()
        network = network_state(self.network)
        self._finite.need_finite_weights(network, "a weight", self.epoch, self.step)
        arrays = {f"network.{name}": value for name, value in network.items()}
        arrays |= {f"rows.{name}": value for name, value in self.rows.state().items()}
        arrays |= {f"optimiser.{n}": value for n, value in optimiser_state(self._optimiser).items()}
        arrays |= {f"average.{name}": value for name, value in self._average.state().items()}
        place = (self.epoch, self.step, self.encoder.micro_batch)
        arrays["place"] = np.array(place, dtype=np.int64)
        arrays["total"] = self._total.cpu().numpy().copy()
        self._finite.checkpointed(self.epoch, self.step)
        return arrays

    def load(self, state: State) -> None:
        """Go on from what `state` gave."""
        load_network(self.network, part_of(state, "network."))
        self.rows.load(part_of(state, "rows."))
        load_optimiser(self._optimiser, part_of(state, "optimiser."))
        self._average.load(part_of(state, "average."))
        self.epoch, self.step, self.encoder.micro_batch = (int(n) for n in state["place"])
        self._total.copy_(torch.from_numpy(np.asarray(state["total"])))
        self._finite.checkpointed(self.epoch, self.step)
        self.version += 1

    @property
    def evaluated(self) -> Backbone:
        """The network that is evaluated: the running mean, if there is one."""
        return self._average.network

    def factors(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Give theta and Phi as they are evaluated, (n_users, K) and (n_items, K).

        Phi is the evaluated network's; theta are the running means of the rows, or the rows fitted
        to this Phi where the settings ask for it and there is something to fit to.
        """
        items = self.encoder.catalogue(self.evaluated)
        rows = self._average.rows.cpu().numpy().copy()
        # What is no number is told by whoever evaluates it.
        if self._settings.refit_lambda > 0.0 and np.isfinite(items).all():
            refitted = refitted_rows(
                torch.from_numpy(items).to(self.device),
                self._train,
                self._known,
                replace(self._objective, lambda_theta=self._settings.refit_lambda),
                seed=self._seed,
            )
            active = np.diff(self._train.indptr) > 0
            rows[active] = refitted.cpu().numpy()[active]
        return rows, items

    def close(self) -> None:
        """End what prepares images."""
        self.encoder.close()

    def _epoch_plan(self) -> Epoch:
        if self._plan is None or self._plan[0] != self.epoch:
            self._plan = self.epoch, self._sampler.epoch(self.epoch)
        return self._plan[1]

    def _prefetch(self, batch: Batch) -> None:
        items = batch.items
        self.encoder.prefetch(items[_share(len(items))])

    def _start_rows(self, n_users: int) -> Tensor:
        generator = child_generator(self._seed, "dvbpr", "users")
        shape = (n_users, self._settings.factors)
        if self._settings.user_start == "uniform":
            values = generator.random(shape, dtype=np.float32)
        else:
            values = generator.standard_normal(shape, dtype=np.float32)
        return torch.from_numpy(values * np.float32(self._settings.user_scale)).to(self.device)

    def _make_optimiser(self) -> torch.optim.Optimizer:
        weights, others = decayed(self.network)
        groups = [
            {"params": weights, "weight_decay": self._settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        kind = torch.optim.Adam if self._settings.optimiser == "adam" else torch.optim.AdamW
        return kind(groups, lr=self._settings.learning_rate, fused=True)


class _Head:
    """The loss of one step as a function of Φ; what else it gives is kept beside it."""

    user_gradient: Tensor
    losses: Tensor
    objective: Tensor

    def __init__(
        self,
        batch: Batch,
        users: Tensor,
        part: slice,
        rows: UserRows,
        known: KnownPairs,
        objective: Objective,
    ) -> None:
        self._batch, self._users, self._part = batch, users, part
        self._rows, self._known, self._objective = rows, known, objective

    def __call__(self, outputs: Tensor) -> Tensor:
        """Give the gradient of the step's loss with respect to this process's part of Φ."""
        batch, n = self._batch, len(self._users)
        encoded = outputs
        if world_size() > 1:
            encoded = outputs.new_zeros((len(batch.items), outputs.shape[1]))
            encoded[self._part] = outputs
            sum_over_processes(encoded)
        encoded = encoded.detach().requires_grad_()
        theta = self._rows.gather(self._users)
        if batch.negatives.ndim == 1:
            items = torch.from_numpy(batch.negatives).to(self._users.device)
            known, share = self._known.of(self._users, items)
            losses = shared_losses(theta, encoded[:n], encoded[n:], known, share)
        else:
            negatives = encoded[n:].view(n, -1, encoded.shape[1])
            losses = triple_losses(theta, encoded[:n], negatives)
        objective = self._objective.batch(losses, theta)
        gradient, self.user_gradient = torch.autograd.grad(objective, (encoded, theta))
        self.losses, self.objective = losses.detach(), objective.detach()
        return gradient[self._part]


def _share(n: int) -> slice:
    """Give this process's part of `n` images: a contiguous one, sizes differing by one at most."""
    parts = world_size()
    return slice(rank() * n // parts, (rank() + 1) * n // parts)


def _add_up(gradients: Iterable[Tensor | None]) -> None:
    """Add the weights' gradients up over all processes, in one exchange."""
    if world_size() == 1:
        return
    present = [gradient for gradient in gradients if gradient is not None]
    flat = sum_over_processes(torch.cat([gradient.reshape(-1) for gradient in present]))
    sizes = [gradient.numel() for gradient in present]
    for gradient, summed in zip(present, torch.split(flat, sizes), strict=True):
        gradient.copy_(summed.view(gradient.shape))
