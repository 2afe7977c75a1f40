"""Weights as named arrays and back."""

import numpy as np
import pytest
import torch
from torch import nn

from bench.errors import BenchError
from dvbpr.weights import load_network, network_state


def small(width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def test_there_and_back() -> None:
    network, other = small(), small()
    load_network(other, network_state(network))
    for name, value in network.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def test_weights_of_another_network_change_nothing() -> None:
    network = small()
    before = network_state(network)
    with pytest.raises(BenchError, match=r"0\.weight has shape \(4, 2\), expected \(3, 2\)"):
        load_network(network, network_state(small(4)))
    partial = {name: value for name, value in before.items() if name != "1.running_mean"}
    with pytest.raises(BenchError, match=r"1\.running_mean is missing"):
        load_network(network, partial | {"0.weight": before["0.weight"] + 1})
    for name, value in network_state(network).items():
        np.testing.assert_array_equal(value, before[name])
