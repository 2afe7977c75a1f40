"""The conditional least-squares GAN as a generator of the suite (sections III-C and III-D)."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import TrainingSet
from bench.device import resolve_device, torch_threads
from bench.generator import DesignOptions, Designs, Generator, Tailored, TailorOptions
from bench.recommender import Recommender, Runtime, State, Watch
from dvbpr.gan_presets import GanParams, GanSettings

if TYPE_CHECKING:
    import torch

    from dvbpr.design import Networks
    from dvbpr.gan import Discriminator, ImageGenerator
    from dvbpr.gan_training import GanTrainer

__all__ = ["Lsgan"]

_ROWS = 256
"""Images that are made or judged at once."""


class Lsgan(Generator):
    """LSGAN conditioned on the category (paper, eq. 7 and Fig. 2)."""

    name: ClassVar[str] = "lsgan"
    label: ClassVar[str] = "LSGAN"
    source: ClassVar[str] = "Mao et al. 2017, as Kang et al. 2017 use it; this suite, in PyTorch"
    Params: ClassVar[type[Any]] = GanParams

    def __init__(self, params: Any = None, *, runtime: Runtime | None = None) -> None:
        super().__init__(params, runtime=runtime)
        self._trainer: GanTrainer | None = None
        self._learnt: State = {}
        self._loaded: tuple[ImageGenerator, Discriminator] | None = None
        self._figures: dict[str, float] = {}

    @classmethod
    def settled(cls, params: GanParams, runtime: Runtime) -> GanParams:
        """Write out the preset, and the precision where it is left to the machine."""
        from dvbpr.torch_tools import has_fast_bf16

        device = resolve_device(runtime.device)
        if params.settings(device.type).precision == "auto":
            from dataclasses import replace

            params = replace(params, precision="bf16" if has_fast_bf16(device) else "float32")
        return params.resolved(device.type)

    @property
    def settings(self) -> GanSettings:
        """Every hyper-parameter of this fit."""
        settled = self.settled(self.params, self.runtime)
        return settled.settings(self.device.type)

    @property
    def device(self) -> "torch.device":
        """Where the networks compute."""
        return resolve_device(self.runtime.device)

    @property
    def device_used(self) -> str:
        """Say what trains the model, "cpu" or "cuda"."""
        return self.device.type

    @property
    def max_epochs(self) -> int:
        """How many epochs a fit has."""
        return self.settings.epochs

    @property
    def pixels(self) -> int:
        """Side of the square images it makes."""
        return self.settings.pixels

    @property
    def code_dims(self) -> int:
        """Dimensions d of the latent code z."""
        return self.settings.code_dims

    @property
    def figures(self) -> dict[str, float]:
        """The last epoch's means of D's and G's objective, eq. 7."""
        return dict(self._figures)

    def networks(self) -> "tuple[ImageGenerator, Discriminator]":
        """Give G and D for evaluation, on the runtime's device.

        G is the running mean of its weights where the fit keeps one. Both are in evaluation mode:
        normalisations use their running statistics, so that an image does not depend on those it is
        computed with; no parameter collects gradients.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        import copy

        from dvbpr.gan_start import load_networks

        self._check_fitted()
        if self._trainer is not None:  # they go on learning: copies, which evaluation leaves alone
            trained = (self._trainer.evaluated, self._trainer.discriminator)
            generator, discriminator = copy.deepcopy(trained)
        elif self._loaded is not None:
            return self._loaded
        else:
            generator, discriminator = load_networks(
                self._learnt, self.settings, len(self._category_names), self.device
            )
            self._loaded = (generator, discriminator)
        for network in (generator, discriminator):
            network.eval().requires_grad_(False)
        return generator, discriminator

    def codes(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """Draw z uniformly from [-1, 1]^d; float32 (n, d)."""
        return rng.uniform(-1.0, 1.0, size=(n, self.code_dims)).astype(np.float32)

    def state(self) -> State:
        """Copy G, as it makes images, and D."""
        if self._trainer is None:
            return {name: value.copy() for name, value in self._learnt.items()}
        from dvbpr.weights import network_state

        parts = {"generator": self._trainer.evaluated, "discriminator": self._trainer.discriminator}
        return {
            f"{part}.{name}": value
            for part, network in parts.items()
            for name, value in network_state(network).items()
        }

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        """Take over what was learnt."""
        self._trainer = self._loaded = None
        self._learnt = state

    def training_state(self) -> State | None:
        """Copy weights, optimisers, the place in the epoch; draws are derived from the place."""
        return None if self._trainer is None else self._trainer.state()

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        from dvbpr.gan_training import GanTrainer
        from dvbpr.images import open_images

        settings, runtime = self.settings, self.runtime
        assert dataset.categories is not None
        with torch_threads(runtime.threads):
            images = open_images(dataset, settings.pixels, threads=runtime.threads)
            self._loaded = None
            self._trainer = GanTrainer(
                images,
                dataset.categories.astype(np.int64),
                len(dataset.category_names),
                settings,
                precision=self._precision,
                seed=runtime.seed,
                device=self.device,
            )
            try:
                if stored := watch.resume():
                    self._trainer.load(stored)
                self._run(self._trainer, settings.epochs, watch)
                self._learnt = self.state()
            finally:
                self._trainer.close()
                self._trainer = None  # frees images, networks and moments on the device

    def _run(self, trainer: "GanTrainer", epochs: int, watch: Watch) -> None:
        keep_going = trainer.epoch < epochs
        while keep_going:
            of_d, of_g, rate = trainer.run_epoch(watch.pause)
            self._figures = {"discriminator_loss": of_d, "generator_loss": of_g}
            going_on = watch(trainer.epoch, loss=of_d + of_g, rate=rate)
            keep_going = going_on and trainer.epoch < epochs

    def _generate(
        self, codes: npt.NDArray[np.float32], categories: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.uint8]:
        import torch

        from dvbpr.device_images import to_bytes

        generator, _ = self.networks()
        made = np.empty((len(codes), self.pixels, self.pixels, 3), dtype=np.uint8)
        with torch_threads(self.runtime.threads), torch.inference_mode():
            for start in range(0, len(codes), _ROWS):
                rows = slice(start, start + _ROWS)
                z = torch.from_numpy(codes[rows]).to(self.device)
                images = generator(z, torch.from_numpy(categories[rows]).to(self.device))
                made[rows] = to_bytes(images).permute(0, 2, 3, 1).cpu().numpy()
        return made

    def _real_loss(
        self, images: npt.NDArray[np.uint8], categories: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        import torch

        from dvbpr.device_images import normalise
        from dvbpr.gan_training import real_loss
        from dvbpr.images import resized

        _, discriminator = self.networks()
        losses = np.empty(len(images), dtype=np.float32)
        with torch_threads(self.runtime.threads), torch.inference_mode():
            for start in range(0, len(images), _ROWS):
                rows = slice(start, start + _ROWS)
                batch = torch.from_numpy(resized(images[rows], self.pixels)).to(self.device)
                batch = normalise(batch.permute(0, 3, 1, 2))
                of = torch.from_numpy(categories[rows]).to(self.device)
                losses[rows] = real_loss(discriminator(batch, of)).cpu().numpy()
        return losses

    def _design(
        self,
        recommender: Recommender,
        users: npt.NDArray[np.int64],
        categories: npt.NDArray[np.int64],
        options: DesignOptions,
        seed: int,
    ) -> Designs:
        from dvbpr.design import design

        with torch_threads(self.runtime.threads):
            networks = self._assembled(recommender)
            return design(networks, users, categories, options, seed=seed)

    def _tailor(
        self,
        recommender: Recommender,
        users: npt.NDArray[np.int64],
        categories: npt.NDArray[np.int64],
        images: npt.NDArray[np.uint8],
        options: TailorOptions,
        seed: int,
    ) -> Tailored:
        from dvbpr.tailoring import tailor

        with torch_threads(self.runtime.threads):
            networks = self._assembled(recommender)
            return tailor(
                networks,
                users,
                categories,
                images,
                recommender.score_images(users, images),
                options,
                seed=seed,
            )

    def _assembled(self, recommender: Recommender) -> "Networks":
        """Put the functions of eq. 9 together.

        Raises
        ------
        BenchError
            The recommender's preference has no gradient in the image.
        """
        from dvbpr.design import assemble
        from dvbpr.preference import preference_of

        preference = preference_of(recommender, self.runtime.device)
        generator, discriminator = self.networks()
        return assemble(generator, discriminator, preference, precision=self._precision)

    @property
    def _precision(self) -> Literal["float32", "bf16"]:
        return "bf16" if self.settings.precision == "bf16" else "float32"
