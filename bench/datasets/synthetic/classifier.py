"""The suite's stand-in for ImageNet features: a small CNN trained to tell garments apart.

It learns types of garments and kinds of patterns from drawings that are in no catalogue; it never
sees a purchase. Its 4096 activations before the two outputs play the part of the Caffe reference
model's fc7 (section IV-A): post-ReLU, so non-negative and sparse.
"""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from bench.datasets.synthetic.style import KINDS, PATTERNS
from bench.progress import Progress
from bench.rng import child_generator, child_seed

__all__ = [
    "FEATURE_DIMS",
    "Accuracy",
    "GarmentNet",
    "decode_batch",
    "extract",
    "map_means",
    "one_thread",
    "train_classifier",
]

FEATURE_DIMS = 4096
INPUT_PIXELS = 64
_BATCH = 32
_PEAK_RATE = 2e-3


@dataclass(frozen=True)
class Accuracy:
    """How well the classifier does on drawings it was not trained on.

    Attributes
    ----------
    kind, pattern
        Shares that are right.
    n_train, n_held_out
        Numbers of drawings.
    """

    kind: float
    pattern: float
    n_train: int
    n_held_out: int


def _block(narrow: int, wide: int, size: int) -> nn.Sequential:
    """Halve the map's side: convolution, batch normalisation, ReLU."""
    convolution = nn.Conv2d(narrow, wide, size, stride=2, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(wide), nn.ReLU())


class GarmentNet(nn.Module):
    """Four convolutions, one wide layer of features, two outputs.

    The wide layer sees the last map, which knows where things are, and the means of the maps before
    it, which know what cloth it is wherever it lies.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, 64)
        self.blocks = nn.ModuleList(
            _block(narrow, wide, 5 if narrow == 3 else 3) for narrow, wide in pairwise(widths)
        )
        self.wide = nn.Linear(64 * 16 + sum(widths[1:4]), FEATURE_DIMS, bias=False)
        # Without it half of the units die, and the features say less of everything.
        self.norm = nn.BatchNorm1d(FEATURE_DIMS)
        nn.init.constant_(self.norm.bias, -0.5)  # sparse, as fc7 is: about a third is not zero
        self.kind = nn.Linear(FEATURE_DIMS, len(KINDS))
        self.pattern = nn.Linear(FEATURE_DIMS, len(PATTERNS))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Give the post-ReLU activations, (B, 4096), of images (B, 3, 64, 64) in -1..1."""
        means, maps = [], images
        for number, block in enumerate(self.blocks):
            maps = block(maps)  # (B, 24, 32, 32) ... (B, 64, 4, 4)
            if number < 3:
                # Four times, so that few means weigh about as much as many places.
                means.append(4 * map_means(maps))
        seen = torch.cat([maps.flatten(1), *means], dim=1)  # (B, 1192)
        return functional.relu(self.norm(self.wide(seen)))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the logits of type, (B, n_kinds), and pattern, (B, n_patterns)."""
        wide = functional.dropout(self.features(images), 0.5, self.training)
        return self.kind(wide), self.pattern(wide)


def map_means(maps: torch.Tensor) -> torch.Tensor:
    """Give the mean of each map of (B, C, H, W): (B, C).

    As sums: the gradient of `mean` is written out, and in another order in memory than the maps',
    which takes longer.
    """
    return maps.sum(dim=(2, 3)) / (maps.shape[2] * maps.shape[3])


def decode_batch(encoded: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    """Decode JPEGs to the network's input size: uint8 (n, 64, 64, 3)."""
    batch = np.empty((len(encoded), INPUT_PIXELS, INPUT_PIXELS, 3), np.uint8)
    for row, content in enumerate(encoded):
        with Image.open(io.BytesIO(content)) as image:
            small = image.convert("RGB").resize(
                (INPUT_PIXELS, INPUT_PIXELS), Image.Resampling.BILINEAR
            )
        batch[row] = np.asarray(small)
    return batch


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread: the same features whatever number of cores there is.

    Also the faster way on a busy machine, where threads would wait for each other at every layer.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def _tensor(batch: npt.NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    images = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2)
    # As bytes lie with the channels last, so do the floats, which suits convolutions on a CPU.
    return images.float().div_(127.5).sub_(1.0)


def _rate(done: float) -> float:
    """Give the learning rate as a share of its peak: up over a quarter of the way, then down."""
    if done < 0.25:
        return 0.04 + 0.96 * done / 0.25
    return 0.5 + 0.5 * math.cos(math.pi * (done - 0.25) / 0.75)


def train_classifier(
    images: npt.NDArray[np.uint8],
    kinds: npt.NDArray[np.integer[Any]],
    patterns: npt.NDArray[np.integer[Any]],
    *,
    n_held_out: int,
    n_epochs: int,
    seed: int,
    device: torch.device,
) -> tuple[GarmentNet, Accuracy]:
    """Train on the first drawings, and measure on the last `n_held_out`.

    Parameters
    ----------
    images
        uint8 (n, 64, 64, 3).
    kinds, patterns
        Labels (n,): numbers into `KINDS` and `PATTERNS`.
    n_held_out
        How many are kept for measuring, below n.
    n_epochs
        Passes over the drawings; the rate rises and falls once over all of them.
    seed
        Root seed.
    device
        Where to train.

    Returns
    -------
    The network, in evaluation mode, and its held-out accuracies.
    """
    n_train = len(images) - n_held_out
    rng = child_generator(seed, "classifier", "batches")
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(child_seed(seed, "classifier", "weights"))
        network = GarmentNet().to(device)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=_PEAK_RATE, weight_decay=1e-2, fused=True
        )
        n_batches = -(-n_train // _BATCH)
        labels = torch.from_numpy(np.stack([kinds, patterns], axis=1).astype(np.int64)).to(device)
        n_steps = n_epochs * n_batches
        step = 0
        with Progress("garment classifier", n_steps, unit="batch") as progress:
            for _ in range(n_epochs):
                for rows in np.array_split(rng.permutation(n_train), n_batches):
                    batch = images[rows]
                    # A garment stays what it is when it is mirrored or moved a little.
                    if rng.random() < 0.5:
                        batch = batch[:, :, ::-1]
                    batch = np.roll(batch, rng.integers(-3, 4, 2), axis=(1, 2))
                    kind, pattern = network(_tensor(np.ascontiguousarray(batch), device))
                    loss = functional.cross_entropy(kind, labels[rows, 0], label_smoothing=0.05)
                    loss = loss + functional.cross_entropy(
                        pattern, labels[rows, 1], label_smoothing=0.05
                    )
                    for group in optimizer.param_groups:
                        group["lr"] = _PEAK_RATE * _rate((step + 0.5) / n_steps)
                    step += 1
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                    optimizer.step()
                    progress.advance()
    network.eval()
    right = _right(network, images[n_train:], labels[n_train:], device)
    return network, Accuracy(float(right[0]), float(right[1]), n_train, n_held_out)


@torch.inference_mode()
def _right(
    network: GarmentNet, images: npt.NDArray[np.uint8], labels: torch.Tensor, device: torch.device
) -> npt.NDArray[np.float64]:
    hits = np.zeros(2)
    for start in range(0, len(images), 256):
        for number, logits in enumerate(network(_tensor(images[start : start + 256], device))):
            truth = labels[start : start + 256, number]
            hits[number] += int((logits.argmax(dim=1) == truth).sum())
    return hits / max(len(images), 1)


@torch.inference_mode()
def extract(
    network: GarmentNet,
    batches: Iterable[Sequence[bytes]],
    out: npt.NDArray[np.float16],
    device: torch.device,
) -> None:
    """Write the features of encoded images into `out`, float16 (n_items, 4096), batch by batch."""
    first = 0
    with Progress("image features", len(out), unit="item") as progress:
        for encoded in batches:
            wide = network.features(_tensor(decode_batch(encoded), device))
            out[first : first + len(encoded)] = wide.cpu().numpy().astype(np.float16)
            first += len(encoded)
            progress.advance(len(encoded))
