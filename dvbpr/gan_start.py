"""The GAN's networks with their random start, and as they were learnt."""

import torch
from torch import nn

from bench.recommender import State, part_of
from dvbpr.backbones import reset
from dvbpr.gan import DeepDiscriminator, DeepGenerator, Discriminator, ImageGenerator
from dvbpr.gan_presets import GanSettings
from dvbpr.gan_slim import (
    CodeMap,
    SlimDiscriminator,
    SlimGenerator,
    SpectralConv2d,
    SpectralLinear,
)
from dvbpr.weights import load_network

__all__ = ["load_networks", "start_discriminator", "start_generator"]

_DEVIATION = 0.02


def start_generator(
    settings: GanSettings, n_categories: int, generator: torch.Generator
) -> ImageGenerator:
    """Make G with its random start, on the CPU.

    Parameters
    ----------
    settings
        Architecture, pixels and dimensions of z.
    n_categories
        Number of categories.
    generator
        CPU generator of the start values; the global one is not touched.
    """
    kind = DeepGenerator if settings.architecture == "deep" else SlimGenerator
    # On the meta device PyTorch's own initialisation computes nothing and draws nothing.
    with torch.device("meta"):
        network = kind(settings.pixels, settings.code_dims, n_categories)
    _start(network, generator)
    return network


def start_discriminator(
    settings: GanSettings, n_categories: int, generator: torch.Generator
) -> Discriminator:
    """Make D with its random start, on the CPU; see `start_generator`."""
    kind = DeepDiscriminator if settings.architecture == "deep" else SlimDiscriminator
    with torch.device("meta"):
        network = kind(settings.pixels, n_categories)
    _start(network, generator)
    return network


def load_networks(
    state: State, settings: GanSettings, n_categories: int, device: torch.device
) -> tuple[ImageGenerator, Discriminator]:
    """Make G and D of their weights, named "generator.*" and "discriminator.*"."""
    starts = torch.Generator()  # what they start from is overwritten
    generator = start_generator(settings, n_categories, starts)
    discriminator = start_discriminator(settings, n_categories, starts)
    load_network(generator, part_of(state, "generator."))
    load_network(discriminator, part_of(state, "discriminator."))
    return generator.to(device), discriminator.to(device)


@torch.no_grad()
def _start(network: nn.Module, generator: torch.Generator) -> None:
    """Set weights to N(0, 0.02²), biases to 0, normalisations to do nothing.

    As the authors' code, which draws the kernels of D's convolutions anew beyond two deviations. A
    `CodeMap` starts its own way.
    """
    network.to_empty(device="cpu")
    reset(network)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            limit = 2.0 * _DEVIATION
            nn.init.trunc_normal_(
                module.weight, 0.0, _DEVIATION, -limit, limit, generator=generator
            )
        elif isinstance(module, nn.ConvTranspose2d | nn.Linear):
            module.weight.normal_(0.0, _DEVIATION, generator=generator)
        if isinstance(module, SpectralConv2d | SpectralLinear):
            module.left.normal_(generator=generator)
            module.left.div_(module.left.norm())
    for module in network.modules():  # after its layers had theirs
        if isinstance(module, CodeMap):
            module.start(generator)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in the stubs
