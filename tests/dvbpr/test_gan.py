"""The GAN's networks: layers and parameters by hand, labels, spectral norms, evaluation mode."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.recommender import State
from dvbpr.gan import DeepDiscriminator, DeepGenerator
from dvbpr.gan_presets import PRESETS, GanParams, GanSettings
from dvbpr.gan_slim import SlimDiscriminator, SlimGenerator
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


def test_layers_of_the_slim_networks() -> None:
    settings = PRESETS["slim"]
    g, d = networks(settings)
    codes, images, categories = inputs(settings, n=2)
    a, b, c, e = SlimGenerator.channels
    colours = [(3, 4, 4), (b, 8, 8), (3, 8, 8), (c, 16, 16), (3, 16, 16), (e, 32, 32), (3, 32, 32)]
    assert shapes(g, codes, categories)[0] == (a * 16,)
    found = [shape for shape in shapes(g, codes, categories) if len(shape) == 3]
    assert found == [*colours, (12, 32, 32)]
    assert g(codes, categories).shape == (2, 3, 64, 64)
    k, m, n, o = SlimDiscriminator.channels
    convolutions = [(k, 32, 32), (m, 16, 16), (n, 8, 8), (o, 4, 4)]
    assert shapes(d, images, categories) == [*convolutions, (N_CATEGORIES,), (1,)]


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


def test_slim_parameter_counts() -> None:
    g, d = networks(PRESETS["slim"])
    a, b, c, e = SlimGenerator.channels
    of_g = (64 + 6 + 1) * a * 16 + 16 * (a * b + b * c + c * e) + (9 * e * 12 + 12)
    of_g += 2 * (64 + 6 + 1) * (a + b + c + e) + 3 * (a + b + c + e) + 4 * 3
    assert sum(p.numel() for p in g.parameters()) == of_g
    k, m, n, o = SlimDiscriminator.channels
    of_d = 16 * (3 * k + k * m + m * n + n * o) + (k + m + n + o) + (1 + 6) * o * 16 + 1
    assert sum(p.numel() for p in d.parameters()) == of_d


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


def test_the_slim_discriminator_is_spectrally_normalised() -> None:
    """After some passes in training the weights it uses have 1 as largest singular value."""
    settings = small("slim")
    d = networks(settings)[1]
    _, images, categories = inputs(settings)
    with torch.no_grad():
        for p in d.parameters():
            if p.ndim > 1:
                p.mul_(7.0)
        for _ in range(200):
            d(images, categories)
        first = d.convolutions[0]
        singular = np.linalg.svd(first.weight.flatten(1).numpy(), compute_uv=False)
        expected = torch.nn.functional.conv2d(
            images, first.weight / float(singular[0]), first.bias, stride=2, padding=1
        )
        got = d.eval().convolutions[0](images)
    assert singular[0] != pytest.approx(1.0, abs=0.1)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_the_slim_discriminators_gradient_is_its_functions() -> None:
    """The norm a weight is divided by is part of the function: differences agree."""
    settings = small("slim")
    d = networks(settings)[1].double()
    _, images, categories = inputs(settings)
    d.eval()  # the singular vectors stay where they are
    weight = d.convolutions[1].weight

    def value() -> Tensor:
        total: Tensor = d(images.double(), categories).square().sum()
        return total

    (gradient,) = torch.autograd.grad(value(), weight)
    step = 1e-6
    for place in ((0, 0, 0, 0), (3, 2, 1, 2), (5, 7, 3, 1)):
        with torch.no_grad():
            before = float(weight[place])
            weight[place] = before + step
            above = float(value())
            weight[place] = before - step
            below = float(value())
            weight[place] = before
        assert float(gradient[place]) == pytest.approx((above - below) / (2 * step), rel=1e-3)


def test_the_classes_are_what_the_settings_name() -> None:
    assert isinstance(networks(small("deep"))[0], DeepGenerator)
    assert isinstance(networks(small("deep"))[1], DeepDiscriminator)
    assert isinstance(networks(small("slim"))[0], SlimGenerator)
    assert isinstance(networks(small("slim"))[1], SlimDiscriminator)
