"""A network's weights: their start, as named arrays and back, and their running means."""

import copy
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from bench.errors import BenchError
from bench.recommender import State, part_of
from bench.rng import child_seed
from dvbpr.backbones import Backbone, build_backbone
from dvbpr.presets import Settings

__all__ = [
    "Average",
    "NetworkAverage",
    "load_network",
    "load_optimiser",
    "network_state",
    "optimiser_state",
    "start_network",
]

NetworkT = TypeVar("NetworkT", bound=nn.Module)


def start_network(settings: Settings, seed: int) -> Backbone:
    """Make the network with its random start, on the CPU, alike on every machine."""
    generator = torch.Generator().manual_seed(child_seed(seed, "dvbpr", "network"))
    return build_backbone(
        settings.backbone,
        settings.factors,
        dropout=settings.dropout,
        pixels=settings.pixels,
        generator=generator,
    )


def network_state(network: nn.Module) -> State:
    """Copy parameters and running statistics to NumPy."""
    return {
        name: value.detach().cpu().numpy().copy(order="C")
        for name, value in network.state_dict().items()
    }


@torch.no_grad()
def load_network(network: nn.Module, state: State) -> None:
    """Copy what `network_state` gave into the network, whose memory layout is kept.

    Raises
    ------
    BenchError
        The arrays are those of another network, as code of another version has it.
    """
    own = network.state_dict()
    for name, value in own.items():
        stored = state.get(name)
        if stored is None or np.shape(stored) != tuple(value.shape):
            found = "is missing" if stored is None else f"has shape {np.shape(stored)}"
            raise BenchError(
                f"the stored weights are not this network's: {name} {found}, expected "
                f"{tuple(value.shape)}; train it anew"
            )
    for name, value in own.items():
        value.copy_(torch.from_numpy(np.asarray(state[name])))


class NetworkAverage(Generic[NetworkT]):
    """Running means of a network's weights; without a decay, the weights themselves."""

    def __init__(self, network: NetworkT, decay: float) -> None:
        self._live, self._decay = network, decay
        self.network = copy.deepcopy(network).requires_grad_(False) if decay else network
        self._steps = 0

    @torch.no_grad()
    def update(self) -> float:
        """Take in the weights after a step; give their share in the new means."""
        if not self._decay:
            return 1.0
        self._steps += 1
        # The start is random: early means forget it soon.
        share = 1.0 - min(self._decay, self._steps / (self._steps + 9.0))
        means: list[Tensor] = list(self.network.parameters())
        values: list[Tensor] = list(self._live.parameters())
        torch._foreach_lerp_(means, values, share)
        # Statistics of normalisations are running means already.
        for mean, value in zip(self.network.buffers(), self._live.buffers(), strict=True):
            mean.copy_(value)
        return share

    def state(self) -> State:
        """Copy the means, if there are any."""
        if not self._decay:
            return {}
        arrays = {f"network.{name}": value for name, value in network_state(self.network).items()}
        return arrays | {"steps": np.array(self._steps)}

    def load(self, state: State) -> None:
        """Go on from what `state` gave."""
        if self._decay:
            load_network(self.network, part_of(state, "network."))
            self._steps = int(state["steps"])


class Average(NetworkAverage[Backbone]):
    """Running means of weights and user rows; without a decay, the weights themselves."""

    def __init__(self, network: Backbone, rows: Tensor, decay: float) -> None:
        super().__init__(network, decay)
        self._live_rows = rows
        self.rows = rows.clone() if decay else rows

    @torch.no_grad()
    def update(self) -> float:
        """Take in the weights and rows after a step; give their share in the new means."""
        share = super().update()
        if self._decay:
            self.rows.lerp_(self._live_rows, share)
        return share

    def state(self) -> State:
        """Copy the means, if there are any."""
        arrays = super().state()
        return arrays | {"rows": self.rows.cpu().numpy().copy()} if self._decay else arrays

    def load(self, state: State) -> None:
        """Go on from what `state` gave."""
        super().load(state)
        if self._decay:
            self.rows.copy_(torch.from_numpy(state["rows"]))


def optimiser_state(optimiser: torch.optim.Optimizer) -> State:
    """Copy what an optimiser remembers of each parameter, by the parameter's number."""
    return {
        f"{number}.{name}": value.cpu().numpy().copy()
        for number, parameter in enumerate(_parameters(optimiser))
        for name, value in optimiser.state[parameter].items()
    }


def load_optimiser(optimiser: torch.optim.Optimizer, state: State) -> None:
    """Go on from what `optimiser_state` gave."""
    for number, parameter in enumerate(_parameters(optimiser)):
        # Laid out like the parameter: the fused step goes over both in memory order.
        optimiser.state[parameter] = {
            name: torch.empty_like(parameter).copy_(torch.from_numpy(value))
            if value.ndim
            else torch.tensor(value, device=parameter.device)
            for name, value in part_of(state, f"{number}.").items()
        }


def _parameters(optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimiser.param_groups for p in group["params"]]
