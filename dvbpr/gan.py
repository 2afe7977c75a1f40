"""The GAN's networks (Fig. 2; eq. 7): generator G(z, c) and discriminator D(x, c).

These are the authors' networks, "deep". Figure 2 exists as a picture only; the layers are the
released code's, whose base is a sixteenth of the image: 4 x 4 for its 64 pixels, so 8 x 8 for the
paper's 128, which is our reading. `dvbpr.gan_slim` has smaller ones.

TensorFlow pads a convolution of stride 2 by one pixel less before the image than after it, PyTorch
the other way round; the networks are each other's mirror images.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["NORM", "SLOPE", "DeepDiscriminator", "DeepGenerator", "Discriminator", "ImageGenerator"]

SLOPE = 0.2
NORM = {"eps": 1e-5, "momentum": 0.1}
"""Batch normalisation: a running mean keeps 0.9 of itself per step, the authors' decay."""


class ImageGenerator(nn.Module):
    """A network from codes and categories to images.

    Attributes
    ----------
    pixels
        Side of the images.
    code_dims
        Dimensions of z.
    n_categories
        Number of categories.
    """

    def __init__(self, pixels: int, code_dims: int, n_categories: int) -> None:
        super().__init__()
        self.pixels, self.code_dims, self.n_categories = pixels, code_dims, n_categories

    def forward(self, codes: Tensor, categories: Tensor) -> Tensor:
        """Give G(z, c).

        Parameters
        ----------
        codes
            float32 (B, code_dims).
        categories
            int64 (B,).

        Returns
        -------
        float32 (B, 3, pixels, pixels), values in [-1, 1].
        """
        raise NotImplementedError

    def _labelled(self, codes: Tensor, categories: Tensor) -> Tensor:
        """Give z with the category as one more 1 and zeros."""
        return torch.cat([codes, _one_hot(categories, self.n_categories, codes.dtype)], dim=1)


class Discriminator(nn.Module):
    """A network from images and categories to how real the image is.

    Attributes
    ----------
    pixels, n_categories
        As the generator's.
    mixes_batch
        Whether the outputs of images that pass together depend on each other in training, so that
        real and generated ones must pass apart.
    """

    mixes_batch: bool

    def __init__(self, pixels: int, n_categories: int) -> None:
        super().__init__()
        self.pixels, self.n_categories = pixels, n_categories

    def forward(self, images: Tensor, categories: Tensor) -> Tensor:
        """Give D(x, c): float32 (B,), 1 for real and 0 for generated, without bounds.

        Parameters
        ----------
        images
            float (B, 3, pixels, pixels), values in [-1, 1].
        categories
            int64 (B,).
        """
        raise NotImplementedError


class DeepGenerator(ImageGenerator):
    """Seven transposed convolutions of 3 x 3 above a linear layer, normalised but for the last.

    The label enters with z alone. Sides in units of a sixteenth of the image: 2, 2, 4, 4, 8, 16, 16
    with 256, 256, 256, 256, 128, 64, 3 channels.
    """

    base_channels = 256
    layers = ((256, 2), (256, 1), (256, 2), (256, 1), (128, 2), (64, 2), (3, 1))
    """Channels and stride of each transposed convolution."""

    def __init__(self, pixels: int, code_dims: int, n_categories: int) -> None:
        super().__init__(pixels, code_dims, n_categories)
        self.side = pixels // 16
        self.full = nn.Linear(code_dims + n_categories, self.side**2 * self.base_channels)
        channels = [self.base_channels, *(n for n, _ in self.layers)]
        self.convolutions = nn.ModuleList(
            nn.ConvTranspose2d(n_in, n_out, 3, stride, padding=1, output_padding=stride - 1)
            for n_in, (n_out, stride) in zip(channels, self.layers, strict=False)
        )
        self.norms = nn.ModuleList(_norm(n) for n in channels[:-1])

    def forward(self, codes: Tensor, categories: Tensor) -> Tensor:
        """Give G(z, c); see `ImageGenerator.forward`."""
        x = self.full(self._labelled(codes, categories))
        x = x.view(len(codes), self.base_channels, self.side, self.side)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = convolution(functional.leaky_relu(norm(x), SLOPE))
        return torch.tanh(x.float())


class DeepDiscriminator(Discriminator):
    """Four convolutions of 5 x 5 and stride 2, then one output; D of the released code.

    The label is tiled over the image and over what comes out of the first three convolutions. The
    second to fourth are normalised, by the statistics of what passes together.
    """

    mixes_batch = True
    channels = (64, 128, 256, 512)

    def __init__(self, pixels: int, n_categories: int) -> None:
        super().__init__(pixels, n_categories)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(n_in + n_categories, n_out, 5, stride=2, padding=2)
            for n_in, n_out in itertools.pairwise((3, *self.channels))
        )
        self.norms = nn.ModuleList(
            [nn.Identity(), *(_norm(n_channels) for n_channels in self.channels[1:])]
        )
        self.last = nn.Linear((pixels // 16) ** 2 * self.channels[-1], 1)

    def forward(self, images: Tensor, categories: Tensor) -> Tensor:
        """Give D(x, c); see `Discriminator.forward`."""
        x = images
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = functional.leaky_relu(norm(convolution(self._tiled(x, categories))), SLOPE)
        with torch.autocast(images.device.type, enabled=False):
            outputs: Tensor = self.last(x.flatten(1).to(self.last.weight.dtype))
        return outputs.squeeze(1)

    def _tiled(self, x: Tensor, categories: Tensor) -> Tensor:
        label = _one_hot(categories, self.n_categories, x.dtype)
        return torch.cat([x, label[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)


def _norm(n_channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(n_channels, eps=NORM["eps"], momentum=NORM["momentum"])


def _one_hot(categories: Tensor, n_categories: int, dtype: torch.dtype) -> Tensor:
    return functional.one_hot(categories, n_categories).to(dtype)
