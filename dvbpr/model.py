"""DVBPR as a recommender: x_ui = theta_u . Phi(X_i), Phi a CNN trained end to end (III-A, III-B).

No item bias and no latent item factors: "excluding them improved performance" in the paper. So an
item's factors come from its image alone, and an item that nobody bought has them like any other.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import TrainingSet
from bench.device import resolve_device, torch_threads
from bench.distributed import from_leader, is_leader
from bench.recommender import FactorRecommender, Factors, Runtime, State, Watch, part_of
from dvbpr.presets import DvbprParams, Settings

if TYPE_CHECKING:
    from dvbpr.backbones import Backbone
    from dvbpr.preference import Preference
    from dvbpr.training import Trainer

__all__ = ["Dvbpr"]


class Dvbpr(FactorRecommender):
    """Deep visually-aware BPR (paper, section III; column (h) of Table III)."""

    name: ClassVar[str] = "dvbpr"
    label: ClassVar[str] = "DVBPR"
    source: ClassVar[str] = "Kang et al. 2017; this suite, in PyTorch"
    Params: ClassVar[type[Any]] = DvbprParams
    grid: ClassVar[dict[str, tuple[object, ...]]] = {
        # Ours, around the CPU's preset: a decade and half a decade to each side.
        "lambda_theta": (0.1, 1.0, 10.0),
        "weight_decay": (3.0, 10.0, 30.0),
    }
    needs: ClassVar[frozenset[str]] = frozenset({"images"})
    parallel: ClassVar[bool] = True
    scores_images: ClassVar[bool] = True

    def __init__(self, params: Any = None, *, runtime: Runtime | None = None) -> None:
        super().__init__(params, runtime=runtime)
        self._trainer: Trainer | None = None
        self._learnt: State = {}
        self._encoded: tuple[int, Factors] | None = None
        self._preference: tuple[str, Preference] | None = None

    @classmethod
    def settled(cls, params: DvbprParams, runtime: Runtime) -> DvbprParams:
        """Write out the preset, and the precision where it is left to the machine."""
        from dvbpr.torch_tools import has_fast_bf16

        device = resolve_device(runtime.device)
        if params.settings(device.type).precision == "auto":
            from dataclasses import replace

            params = replace(params, precision="bf16" if has_fast_bf16(device) else "float32")
        return params.resolved(device.type)

    @property
    def settings(self) -> Settings:
        """Every hyper-parameter of this fit."""
        settled = self.settled(self.params, self.runtime)
        return settled.settings(resolve_device(self.runtime.device).type)

    @property
    def max_epochs(self) -> int:
        """How many epochs a fit has at most."""
        return self.settings.epochs

    def factors(self) -> Factors:
        """Give theta and Phi of the whole catalogue; encoded once per version of the weights."""
        if self._trainer is None:
            users, items = self._learnt["users"], self._learnt["items"]
            return Factors(users, items, np.zeros(len(items), dtype=np.float32))
        version = self._trainer.version
        if self._encoded is None or self._encoded[0] != version:
            users, items = self._trainer.factors()
            bias = np.zeros(len(items), dtype=np.float32)
            self._encoded = version, Factors(users, items, bias)
        return self._encoded[1]

    def state(self) -> State:
        """Copy user rows, the network, and the item factors, which spare a load all encoding."""
        if self._trainer is None:
            return {name: value.copy() for name, value in self._learnt.items()}
        from dvbpr.weights import network_state

        factors = self.factors()
        arrays = {"users": factors.user_factors.copy(), "items": factors.item_factors.copy()}
        network = network_state(self._trainer.evaluated)
        return arrays | {f"network.{name}": value for name, value in network.items()}

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        """Take over what was learnt."""
        self._trainer = None
        self._encoded = self._preference = None
        self._learnt = state

    def item_features(self, dataset: TrainingSet) -> npt.NDArray[np.floating[Any]]:
        """Give the activations before the network's last layer: float16 (n_items, d)."""
        from dvbpr.features import features_of
        from dvbpr.images import open_images

        self._check_fitted()
        device = resolve_device(self.runtime.device)
        network = self._network()
        with torch_threads(self.runtime.threads):
            images = open_images(dataset, network.pixels, threads=self.runtime.threads)
            return features_of(network.to(device), images, device)

    def preference(self, device: str) -> "Preference":
        """Give theta_u . Phi(Delta X) as a function of tensors, differentiable in the image.

        Parameters
        ----------
        device
            As `bench.device.resolve_device` takes it.

        Raises
        ------
        NotFittedError
            `fit` has not been called.
        """
        import torch

        from dvbpr.preference import Preference

        self._check_fitted()
        place = resolve_device(device)
        if self._trainer is None and self._preference and self._preference[0] == str(place):
            return self._preference[1]
        users = torch.from_numpy(self.factors().user_factors).to(place)
        made = Preference(self._network().to(place), users, precision=self._precision)
        if self._trainer is None:  # weights in training are other ones after the next step
            self._preference = str(place), made
        return made

    def training_state(self) -> State | None:
        """Copy weights, optimisers, the place in the epoch; samples are derived from the place."""
        return None if self._trainer is None else self._trainer.state()

    def _score_images(
        self, users: npt.NDArray[np.int64], images: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        with torch_threads(self.runtime.threads):
            return self.preference(self.runtime.device).of_bytes(users, images)

    @property
    def _precision(self) -> Literal["float32", "bf16"]:
        return "bf16" if self.settings.precision == "bf16" else "float32"

    def _network(self) -> "Backbone":
        """Make a copy of the network that is evaluated, on the CPU."""
        from dvbpr.weights import load_network, network_state, start_network

        if self._trainer is None:
            state = part_of(self._learnt, "network.")
        else:
            state = network_state(self._trainer.evaluated)
        network = start_network(self.settings, self.runtime.seed)
        load_network(network, state)
        return network

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        from dvbpr.images import open_images
        from dvbpr.start import starting_network
        from dvbpr.training import Trainer

        settings, runtime = self.settings, self.runtime
        with torch_threads(runtime.threads):
            images = open_images(dataset, settings.pixels, threads=runtime.threads)
            stored = from_leader(watch.resume() if is_leader() else None)
            network = starting_network(dataset, settings, runtime, resumed=stored is not None)
            self._encoded = self._preference = None
            self._trainer = Trainer(
                dataset,
                images,
                network,
                settings,
                precision=self._precision,
                seed=runtime.seed,
                device=runtime.device,
            )
            try:
                if stored:
                    self._trainer.load(stored)
                self._run(self._trainer, settings.epochs, watch)
                self._learnt = self.state() if is_leader() else {}
            finally:
                self._trainer.close()
                self._trainer = None  # frees images, network and moments on the device

    @staticmethod
    def _run(trainer: "Trainer", epochs: int, watch: Watch) -> None:
        """Run the epochs; the leader's watch decides for all processes."""
        pause = watch.pause if is_leader() else lambda: None
        keep_going = trainer.epoch < epochs
        while keep_going:
            loss, rate = trainer.run_epoch(pause)
            going_on = is_leader() and watch(trainer.epoch, loss=loss, rate=rate)
            keep_going = from_leader(going_on) and trainer.epoch < epochs
