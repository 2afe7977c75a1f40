"""The GAN's networks: layers and parameters by hand, labels, evaluation mode."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.recommender import State
from dvbpr.gan_presets import PRESETS, GanParams, GanSettings
from dvbpr.gan_start import start_discriminator, start_generator
from dvbpr.weights import network_state

N_CATEGORIES = 6


def small(architecture: str) -> GanSettings:
    preset = "release" if architecture == "deep" else "slim"
    return GanParams(preset=preset, pixels=16, code_dims=5).settings("cpu")


def networks(settings: GanSettings, seed: int = 0) -> tuple[nn.Module, nn.Module]:
    g = start_generator(settings, N_CATEGORIES, torch.Generator().manual_seed(seed))
    d = start_discriminator(settings, N_CATEGORIES, torch.Generator().manual_seed(seed + 1))
    return g, d


def inputs(settings: GanSettings, n: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(8)
    codes = torch.rand((n, settings.code_dims), generator=draw) * 2 - 1
    images = torch.rand((n, 3, settings.pixels, settings.pixels), generator=draw) * 2 - 1
    return codes, images, torch.arange(n) % N_CATEGORIES


def shapes(network: nn.Module, *arguments: Tensor) -> list[tuple[int, ...]]:
    """List what the (transposed) convolutions and linear layers give, in their order."""
    seen: list[tuple[int, ...]] = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape[1:])))
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    ]
    with torch.no_grad():
        network(*arguments)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize(("preset", "pixels", "dims"), [("paper", 128, 100), ("release", 64, 256)])
def test_layers_of_the_authors_networks(preset: str, pixels: int, dims: int) -> None:
    settings = PRESETS[preset]
    assert (settings.pixels, settings.code_dims) == (pixels, dims)
    g, d = networks(settings)
    codes, images, categories = inputs(settings, n=2)
    base = pixels // 16
    assert shapes(g, codes, categories) == [
        (256 * base * base,),
        (256, 2 * base, 2 * base),
        (256, 2 * base, 2 * base),
        (256, 4 * base, 4 * base),
        (256, 4 * base, 4 * base),
        (128, 8 * base, 8 * base),
        (64, pixels, pixels),
        (3, pixels, pixels),
    ]
    assert shapes(d, images, categories) == [
        (64, pixels // 2, pixels // 2),
        (128, pixels // 4, pixels // 4),
        (256, pixels // 8, pixels // 8),
        (512, base, base),
        (1,),
    ]


PARAMETERS = {
    # G: linear; 4 x (256 -> 256), 256 -> 128, 128 -> 64, 64 -> 3; scales and shifts of 6 norms.
    # D: 9 -> 64, 70 -> 128, 134 -> 256, 262 -> 512 of 5 x 5; 3 norms; linear.
    "paper": (
        (106 * 16384 + 16384)
        + 4 * (9 * 256 * 256 + 256)
        + (9 * 256 * 128 + 128)
        + (9 * 128 * 64 + 64)
        + (9 * 64 * 3 + 3)
        + 2 * (5 * 256 + 128 + 64),
        (25 * 9 * 64 + 64)
        + (25 * 70 * 128 + 128)
        + (25 * 134 * 256 + 256)
        + (25 * 262 * 512 + 512)
        + 2 * (128 + 256 + 512)
        + (8 * 8 * 512 + 1),
    ),
    "release": (3_811_075, 4_460_545),
}


@pytest.mark.parametrize("preset", PARAMETERS)
def test_parameter_counts(preset: str) -> None:
    counts = [sum(p.numel() for p in network.parameters()) for network in networks(PRESETS[preset])]
    assert tuple(counts) == PARAMETERS[preset]
    assert PARAMETERS["paper"] == (4_486_915, 4_485_121)


@pytest.mark.parametrize("network", ["deep generator", "deep discriminator", "slim generator"])
def test_norms_have_the_papers_decay(network: str) -> None:
    """A running mean keeps 0.9 of itself per pass; what divides has 1e-5 added."""
    architecture, _, which = network.partition(" ")
    pair = networks(small(architecture))
    found = [m for m in pair[which == "discriminator"].modules() if isinstance(m, nn.BatchNorm2d)]
    assert (
        len(found) == {"deep generator": 7, "deep discriminator": 3, "slim generator": 4}[network]
    )
    for norm in found:
        assert norm.momentum == pytest.approx(0.1)
        assert norm.eps == 1e-5


@pytest.mark.parametrize("architecture", ["deep", "slim"])
def test_images_and_judgements_depend_on_the_category(architecture: str) -> None:
    settings = small(architecture)
    g, d = networks(settings)
    codes, images, categories = inputs(settings)
    for network, x in ((g.eval(), codes), (d.eval(), images)):
        one, other = network(x, categories), network(x, (categories + 1) % N_CATEGORIES)
        differences = (one - other).abs().reshape(len(x), -1).amax(dim=1)
        assert differences.min() > 1e-3 * one.abs().max()


@pytest.mark.parametrize("architecture", ["deep", "slim"])
def test_evaluation_knows_no_neighbours(architecture: str) -> None:
    settings = small(architecture)
    codes, images, categories = inputs(settings)
    for network, x in zip(networks(settings), (codes, images), strict=True):
        network(x * 0.7, categories)  # so that running statistics are not those of the start
        before: State = network_state(network.eval())
        together = network(x, categories)
        alone = torch.cat([network(x[[k]], categories[[k]]) for k in range(len(x))])
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)
        after = network_state(network)
        assert all(np.array_equal(before[name], after[name]) for name in before)
    g, _ = networks(settings)
    assert float(g(codes * 50, categories).detach().abs().max()) <= 1.0
