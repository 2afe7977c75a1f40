"""The network that reads style off pixels, and its training on drawn garments."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from bench.datasets.synthetic.classifier import map_means
from bench.datasets.synthetic.style import CATEGORIES, KINDS, KINDS_BY_CATEGORY, PATTERNS, Styles
from bench.datasets.synthetic.taste import STYLE_BLOCKS, embed_styles
from bench.progress import Progress
from bench.rng import child_generator, child_seed

__all__ = ["READER_PIXELS", "ReaderNet", "read_styles", "restore_reader", "train_reader"]

READER_PIXELS = 64

_BATCH = 48
_PEAK_RATE = 4e-3
_SOFT_SHARE = 0.3
_SHAPE_WEIGHT = 10.0  # so that errors of a tenth count beside the cross entropies
_N_COLORS = STYLE_BLOCKS["colours"].stop
_KINDS_USE = np.array([(kind.formal, kind.sporty, kind.cosy) for kind in KINDS], np.float32)


@dataclass(frozen=True)
class _Reading:
    """What the network says of garments: log probabilities, and length and cut, centred."""

    colors: torch.Tensor  # (B, 10)
    patterns: torch.Tensor  # (B, 8)
    shape: torch.Tensor  # (B, 2)
    kinds: torch.Tensor  # (B, n_kinds)


class ReaderNet(nn.Module):
    """Four convolutions; what they see, and the category, decide about four sides of the style."""

    _possible: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, 64)
        self.blocks = nn.ModuleList()
        for n_in, n_out in pairwise(widths):
            side = 5 if n_in == 3 else 3
            convolution = nn.Conv2d(n_in, n_out, side, stride=2, padding=side // 2, bias=False)
            self.blocks.append(nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU()))
        # The last map tells where things are; the means tell what cloth it is wherever it lies.
        n_seen = widths[-1] * 16 + sum(widths[:4]) + len(CATEGORIES)
        self.full = nn.Linear(n_seen, 256, bias=False)
        self.norm = nn.BatchNorm1d(256)
        self.out = nn.Linear(256, _N_COLORS + len(PATTERNS) + 2 + len(KINDS))
        possible = torch.zeros((len(CATEGORIES), len(KINDS)), dtype=torch.bool)
        for category, kinds in enumerate(KINDS_BY_CATEGORY):
            possible[category, list(kinds)] = True
        self.register_buffer("_possible", possible, persistent=False)

    def forward(self, images: torch.Tensor, categories: torch.Tensor) -> _Reading:
        """Read images, float (B, 3, 64, 64) in -1..1, of known categories, int64 (B,)."""
        maps, means = images, [4 * images.mean(dim=(2, 3))]
        for number, block in enumerate(self.blocks):
            maps = block(maps)  # (B, 16, 32, 32) ... (B, 64, 4, 4)
            if number < 3:
                # Four times, so that few means weigh about as much as many places.
                means.append(4 * map_means(maps))
        category = functional.one_hot(categories, len(CATEGORIES)).to(images.dtype)
        seen = torch.cat([maps.flatten(1), *means, category], dim=1)
        wide = functional.dropout(functional.relu(self.norm(self.full(seen))), 0.2, self.training)
        colors, patterns, shape, kinds = self.out(wide).split(
            [_N_COLORS, len(PATTERNS), 2, len(KINDS)], dim=1
        )
        kinds = kinds.masked_fill(~self._possible[categories], -1e9)
        return _Reading(colors.log_softmax(1), patterns.log_softmax(1), shape, kinds.log_softmax(1))


def read_styles(
    network: ReaderNet,
    images: npt.NDArray[np.uint8],
    categories: npt.NDArray[np.integer[Any]],
) -> npt.NDArray[np.float32]:
    """Give what images are expected to show of the 23 numbers that the category does not decide.

    Parameters
    ----------
    network
        In evaluation mode.
    images
        uint8 (n, 64, 64, 3).
    categories
        int (n,).

    Returns
    -------
    float32 (n, 23): colour families, patterns, length and cut, formal, sporty and cosy.
    """
    use = torch.from_numpy(_KINDS_USE)
    blocks = [np.empty((0, STYLE_BLOCKS["category"].start), np.float32)]
    with torch.inference_mode():
        for start in range(0, len(images), 256):
            rows = slice(start, start + 256)
            kinds = torch.from_numpy(categories[rows].astype(np.int64))
            read = network(_tensor(images[rows]), kinds)
            expected = (read.colors.exp(), read.patterns.exp(), read.shape, read.kinds.exp() @ use)
            blocks.append(torch.cat(expected, dim=1).numpy())
    return np.concatenate(blocks)


def train_reader(
    images: npt.NDArray[np.uint8], styles: Styles, *, n_epochs: int, seed: int
) -> ReaderNet:
    """Train on drawn garments, on the CPU.

    Parameters
    ----------
    images
        uint8 (n, 64, 64, 3).
    styles
        What was drawn.
    n_epochs
        Passes over the drawings; the rate rises and falls once over all of them.
    seed
        Root seed.

    Returns
    -------
    The network, in evaluation mode.
    """
    rng = child_generator(seed, "reader", "batches")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(seed, "reader", "weights"))
        network = ReaderNet()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in the stubs
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=_PEAK_RATE, weight_decay=1e-2, fused=True
        )
        targets = {
            "style": torch.from_numpy(embed_styles(styles)),
            **{
                name: torch.from_numpy(getattr(styles, name).astype(np.int64))
                for name in ("category", "pattern", "kind")
            },
        }
        n_batches = -(-len(images) // _BATCH)
        n_steps, step = n_epochs * n_batches, 0
        with Progress("style reader", n_steps, unit="batch") as progress:
            for _ in range(n_epochs):
                for rows in np.array_split(rng.permutation(len(images)), n_batches):
                    batch = _changed(images[rows], rng)
                    chosen = {name: values[rows] for name, values in targets.items()}
                    loss = _loss(network(batch, chosen["category"]), chosen)
                    for group in optimizer.param_groups:
                        group["lr"] = _PEAK_RATE * _rate((step + 0.5) / n_steps)
                    step += 1
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                    optimizer.step()
                    progress.advance()
    network.eval()
    return network


def restore_reader(weights: Mapping[str, npt.NDArray[Any]]) -> ReaderNet:
    """Make the network with the given state, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):  # its start is drawn and thrown away
        network = ReaderNet()
    network.load_state_dict({n: torch.from_numpy(np.array(a)) for n, a in weights.items()})
    network.eval()
    return network


def _changed(images: npt.NDArray[np.uint8], rng: np.random.Generator) -> torch.Tensor:
    """Mirror and move a batch, and soften some of it: generated images are softer than drawn ones.

    Within a batch, not batch by batch: normalisation would see two kinds of batches.
    """
    if rng.random() < 0.5:
        images = images[:, :, ::-1]
    images = np.roll(images, rng.integers(-3, 4, 2), axis=(1, 2))
    batch = _tensor(images)
    soft = torch.from_numpy(rng.random(len(images)) < _SOFT_SHARE)
    if soft.any():
        blurred = _softened(batch[soft], float(rng.uniform(0.4, 1.2)))
        grain = rng.standard_normal(tuple(blurred.shape), np.float32)
        batch[soft] = blurred + float(rng.uniform(0, 0.08)) * torch.from_numpy(grain)
    return batch


def _softened(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Blur images (B, C, H, W) by a Gaussian of `sigma` pixels, edges repeated."""
    reach = math.ceil(3 * sigma)
    away = torch.arange(-reach, reach + 1, dtype=images.dtype)
    weights = torch.exp(-(away**2) / (2 * sigma**2))
    weights /= weights.sum()
    n_channels = images.shape[1]
    padded = functional.pad(images, (reach, reach, reach, reach), mode="replicate")
    for shape in ((1, 1, -1, 1), (1, 1, 1, -1)):
        kernel = weights.view(shape).expand(n_channels, -1, -1, -1).contiguous()
        padded = functional.conv2d(padded, kernel, groups=n_channels)
    return padded


def _loss(read: _Reading, truth: Mapping[str, torch.Tensor]) -> torch.Tensor:
    style = truth["style"]
    colors = -(style[:, STYLE_BLOCKS["colours"]] * read.colors).sum(dim=1).mean()
    shape = functional.mse_loss(read.shape, style[:, STYLE_BLOCKS["shape"]])
    patterns = functional.nll_loss(read.patterns, truth["pattern"])
    kinds = functional.nll_loss(read.kinds, truth["kind"])
    return colors + patterns + kinds + _SHAPE_WEIGHT * shape


def _tensor(batch: npt.NDArray[np.uint8]) -> torch.Tensor:
    images = torch.from_numpy(np.array(batch)).permute(0, 3, 1, 2)
    return images.float().div_(127.5).sub_(1.0)


def _rate(done: float) -> float:
    """Give the learning rate as a share of its peak: up over a quarter of the way, then down."""
    if done < 0.25:
        return 0.04 + 0.96 * done / 0.25
    return 0.5 + 0.5 * math.cos(math.pi * (done - 0.25) / 0.75)
