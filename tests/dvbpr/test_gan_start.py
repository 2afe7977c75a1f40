"""Starts of the GAN's networks: the authors' numbers, from the given generator; loading again."""

import numpy as np
import pytest
import torch
from torch import nn

from bench.errors import BenchError
from bench.recommender import State
from dvbpr.gan import DeepDiscriminator, DeepGenerator
from dvbpr.gan_presets import PRESETS, GanParams, GanSettings
from dvbpr.gan_slim import SlimDiscriminator, SlimGenerator
from dvbpr.gan_start import load_networks, start_discriminator, start_generator
from dvbpr.weights import network_state

N_CATEGORIES = 6


def small(architecture: str) -> GanSettings:
    preset = "release" if architecture == "deep" else "slim"
    return GanParams(preset=preset, pixels=16, code_dims=5).settings("cpu")


def networks(settings: GanSettings, seed: int = 0) -> tuple[nn.Module, nn.Module]:
    g = start_generator(settings, N_CATEGORIES, torch.Generator().manual_seed(seed))
    d = start_discriminator(settings, N_CATEGORIES, torch.Generator().manual_seed(seed + 1))
    return g, d


@pytest.mark.parametrize("architecture", ["deep", "slim"])
def test_starts_come_from_the_given_generator_alone(architecture: str) -> None:
    settings = small(architecture)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = [network_state(network) for network in networks(settings)]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    again = [network_state(network) for network in networks(settings)]
    other = [network_state(network) for network in networks(settings, seed=7)]
    for one, two, three in zip(first, again, other, strict=True):
        assert all(np.array_equal(one[name], two[name]) for name in one)
        assert not all(np.array_equal(one[name], three[name]) for name in one)
        assert all(np.isfinite(value).all() for value in one.values())


def test_starts_are_the_authors() -> None:
    """N(0, 0.02²), D's kernels cut off at two deviations; biases 0; norms do nothing."""
    g, d = (network_state(network) for network in networks(PRESETS["release"]))
    for name, value in (g | {f"d.{k}": v for k, v in d.items()}).items():
        if value.size < 1000 and "weight" not in name and "running" not in name:
            assert not value.any(), name
        elif "convolutions" in name and name.endswith("weight") and name.startswith("d."):
            assert 0.03 < np.abs(value).max() <= 0.04
            # Of a normal cut off at two deviations 0.7737 of the variance is left.
            assert np.var(value) == pytest.approx(0.7737 * 0.02**2, rel=0.05), name
        elif value.ndim > 1 and value.size > 1000:
            assert np.std(value) == pytest.approx(0.02, rel=0.05), name
            assert np.abs(value).max() > 0.04
        elif "norms" in name and name.endswith(("weight", "running_var")):
            assert (value == 1).all()


def test_the_classes_are_what_the_settings_name() -> None:
    assert isinstance(networks(small("deep"))[0], DeepGenerator)
    assert isinstance(networks(small("deep"))[1], DeepDiscriminator)
    assert isinstance(networks(small("slim"))[0], SlimGenerator)
    assert isinstance(networks(small("slim"))[1], SlimDiscriminator)


def test_slim_starts_are_alike() -> None:
    """Small weights, but for the map of the code; singular vectors have length 1."""
    g, d = networks(PRESETS["slim"])
    for network, n_weights in ((g, 19), (d, 6)):
        state = network_state(network)
        weights = {k: v for k, v in state.items() if k.endswith("weight")}
        assert len(weights) == n_weights
        for name, value in weights.items():
            # A convolution's are cut off at two deviations: see above.
            cut_off = isinstance(network.get_submodule(name.removesuffix(".weight")), nn.Conv2d)
            deviation = 0.02 * 0.7737**0.5 if cut_off else 0.02
            if name.startswith("map."):  # keeps the variance, a third for uniform codes
                deviation = (6 / 54) ** 0.5 if name == "map.first.weight" else (2 / 128) ** 0.5
            assert np.std(value) == pytest.approx(deviation, rel=0.12), name
            assert (np.abs(value).max() <= 0.04) == cut_off, name
        assert not any(v.any() for k, v in state.items() if k.endswith(("bias", "running_mean")))
        assert all((v == 1).all() for k, v in state.items() if k.endswith("running_var"))
    vectors = [v for k, v in network_state(d).items() if k.endswith("left")]
    assert [float(np.linalg.norm(v)) for v in vectors] == pytest.approx([1.0] * 4)


@pytest.mark.parametrize("architecture", ["deep", "slim"])
def test_loaded_networks_are_those_that_were_stored(architecture: str) -> None:
    settings = small(architecture)
    g, d = networks(settings, seed=3)
    for value in [*g.state_dict().values(), *d.state_dict().values()]:
        value.add_(1)  # biases and statistics are not those of the start either
    state: State = {f"generator.{k}": v for k, v in network_state(g).items()}
    state |= {f"discriminator.{k}": v for k, v in network_state(d).items()}
    loaded = load_networks(state, settings, N_CATEGORIES, torch.device("cpu"))
    for one, other in zip(loaded, (g, d), strict=True):
        again, stored = network_state(one), network_state(other)
        assert again.keys() == stored.keys()
        assert all(np.array_equal(again[name], stored[name]) for name in stored)
    with pytest.raises(BenchError, match="the stored weights are not this network's"):
        load_networks(state, settings, N_CATEGORIES + 1, torch.device("cpu"))
