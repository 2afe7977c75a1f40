"""A network's weights: their start, as named arrays and back, and their running means."""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from bench.recommender import State
from bench.rng import child_seed
from dvbpr.backbones import Backbone, build_backbone
from dvbpr.presets import Settings

__all__ = ["Average", "load_network", "network_state", "part_of", "start_network"]


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
    """Copy what `network_state` gave into the network, whose memory layout is kept."""
    for name, value in network.state_dict().items():
        value.copy_(torch.from_numpy(np.asarray(state[name])))


class Average:
    """Running means of weights and user rows; without a decay, the weights themselves."""

    def __init__(self, network: Backbone, rows: Tensor, decay: float) -> None:
        self._live, self._live_rows, self._decay = network, rows, decay
        self.network = copy.deepcopy(network).requires_grad_(False) if decay else network
        self.rows = rows.clone() if decay else rows
        self._steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        if not self._decay:
            return
        self._steps += 1
        # The start is random: early means forget it soon.
        share = 1.0 - min(self._decay, self._steps / (self._steps + 9.0))
        means: list[Tensor] = list(self.network.parameters())
        values: list[Tensor] = list(self._live.parameters())
        torch._foreach_lerp_(means, values, share)
        self.rows.lerp_(self._live_rows, share)
        # Statistics of normalisations are running means already.
        for mean, value in zip(self.network.buffers(), self._live.buffers(), strict=True):
            mean.copy_(value)

    def state(self) -> State:
        """Copy the means, if there are any."""
        if not self._decay:
            return {}
        arrays = {f"network.{name}": value for name, value in network_state(self.network).items()}
        return arrays | {"rows": self.rows.cpu().numpy().copy(), "steps": np.array(self._steps)}

    def load(self, state: State) -> None:
        """Go on from what `state` gave."""
        if self._decay:
            load_network(self.network, part_of(state, "network."))
            self.rows.copy_(torch.from_numpy(state["rows"]))
            self._steps = int(state["steps"])


def part_of(arrays: State, prefix: str) -> State:
    """Give the arrays whose names begin with `prefix`, which is left out of them."""
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
