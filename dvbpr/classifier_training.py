"""Training a network to name the categories of a data set's photographs."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import TrainingSet
from bench.errors import BenchError
from bench.progress import Progress
from bench.rng import child_generator, child_seed
from dvbpr.images import DeviceImages, normalise, open_images
from dvbpr.torch_tools import autocast, has_fast_bf16

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from dvbpr.backbones import Backbone

__all__ = [
    "ClassifierReport",
    "ClassifierSettings",
    "augment",
    "train_classifier",
    "training_precision",
]

_EVALUATION_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings:
    """How the classifier is trained.

    Attributes
    ----------
    epochs
        Passes over the training photographs.
    batch_size
        Photographs per step.
    learning_rate
        AdamW's largest step; it rises over the first tenth of the steps and falls to zero as a
        cosine.
    weight_decay
        AdamW's, on weights and not on biases.
    label_smoothing
        Share of the target that is spread over all categories.
    held_out
        Share of the photographs that accuracy is measured on, drawn at random; never trained on.
    dropout
        Rate of the network's dropout layers.
    shift
        Photographs are moved by up to this share of their side, and mirrored half of the time.
    """

    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.05
    held_out: float = 0.1
    dropout: float = 0.2
    shift: float = 0.08

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError("epochs and batch_size must be at least 1")
        if self.learning_rate <= 0 or self.weight_decay < 0:
            raise ValueError("learning_rate must be > 0 and weight_decay >= 0")
        if not (0 < self.held_out < 1 and 0 <= self.shift < 1 and 0 <= self.label_smoothing < 1):
            raise ValueError("held_out, shift and label_smoothing are shares below 1")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout must be at least 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class ClassifierReport:
    """How well the classifier does on photographs it was not trained on.

    Attributes
    ----------
    accuracy
        Share of held-out photographs whose category it names.
    most_frequent
        The share that always naming the most frequent training category gets right.
    n_train, n_held_out
        Numbers of photographs.
    n_categories
        Categories to tell apart.
    loss
        Mean training loss of the last epoch.
    """

    accuracy: float
    most_frequent: float
    n_train: int
    n_held_out: int
    n_categories: int
    loss: float

    def __str__(self) -> str:
        return (
            f"{self.accuracy:.1%} of {self.n_held_out:,} held-out photographs right "
            f"({self.most_frequent:.1%} by naming the most frequent of {self.n_categories} "
            "categories)"
        )


def train_classifier(
    dataset: TrainingSet,
    labels: npt.NDArray[np.int64],
    backbone: str,
    pixels: int | None,
    seed: int,
    device: "torch.device",
    settings: ClassifierSettings,
) -> tuple[dict[str, npt.NDArray[Any]], ClassifierReport]:
    """Train on all photographs but the held-out ones, on which accuracy is measured.

    Parameters
    ----------
    dataset
        With images.
    labels
        int64 (n_items,), below the number of its category names.
    backbone, pixels
        As for `dvbpr.classifier.pretrain`.
    seed
        Root seed.
    device
        Where.
    settings
        How.

    Returns
    -------
    The network's state, and how good it is.

    Raises
    ------
    BenchError
        The loss is not finite.
    """
    import torch
    from torch.nn import functional

    from dvbpr.backbones import build_backbone, dropouts

    generator = torch.Generator().manual_seed(child_seed(seed, "classifier", "start"))
    network = build_backbone(
        backbone,
        len(dataset.category_names),
        dropout=settings.dropout,
        pixels=pixels,
        generator=generator,
    ).to(device)
    order = child_generator(seed, "classifier", "held out").permutation(len(labels))
    n_held_out = min(max(1, round(settings.held_out * len(labels))), len(labels) - 1)
    held_out, train = np.sort(order[:n_held_out]), np.sort(order[n_held_out:])
    optimizer = _optimizer(network, settings)
    masks = torch.Generator(device).manual_seed(child_seed(seed, "classifier", "dropout"))
    targets = torch.from_numpy(labels).to(device)
    n_batches = -(-len(train) // settings.batch_size)
    n_steps, step = settings.epochs * n_batches, 0
    loss_sum = 0.0
    network.train()
    with (
        DeviceImages(open_images(dataset, network.pixels), device) as images,
        Progress("classifier", settings.epochs, unit="epoch") as progress,
    ):
        for epoch in range(settings.epochs):
            rng = child_generator(seed, "classifier", "epoch", epoch)
            batches = [
                torch.from_numpy(rows) for rows in np.array_split(rng.permutation(train), n_batches)
            ]
            loss_sum = 0.0
            for number, items in enumerate(batches):
                batch = images.batch(items)
                if number + 1 < len(batches):
                    images.prefetch(batches[number + 1])
                batch = augment(batch, rng, settings.shift)
                for layer in dropouts(network):
                    layer.draw(len(items), masks)
                with autocast(device, training_precision(device)):
                    logits = network(normalise(batch))
                loss = functional.cross_entropy(
                    logits.float(),
                    targets[items.to(device)],
                    label_smoothing=settings.label_smoothing,
                )
                for group in optimizer.param_groups:
                    group["lr"] = settings.learning_rate * _rate((step + 0.5) / n_steps)
                step += 1
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
                loss_sum += loss.item() * len(items)
            if not math.isfinite(loss_sum):
                raise BenchError(
                    f"the classifier's loss is not finite in epoch {epoch + 1}; "
                    "a smaller learning rate often helps"
                )
            progress.advance(note=f"loss {loss_sum / len(train):.3f}")
        accuracy = _accuracy(network, images, held_out, targets, device)
    majority = np.bincount(labels[train]).argmax()
    weights = {
        name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()
    }
    report = ClassifierReport(
        accuracy=accuracy,
        most_frequent=float(np.mean(labels[held_out] == majority)),
        n_train=len(train),
        n_held_out=len(held_out),
        n_categories=len(dataset.category_names),
        loss=loss_sum / len(train),
    )
    return weights, report


def augment(batch: "Tensor", rng: np.random.Generator, shift: float) -> "Tensor":
    """Mirror half of the images and move each by up to `shift` of its side.

    Parameters
    ----------
    batch
        (B, 3, H, W), any dtype; where an image moves away its edge is repeated.
    rng
        Which and how far.
    shift
        Share of the side.

    Returns
    -------
    A new tensor of the same shape, channels last in memory.
    """
    import torch

    from dvbpr.encoder import moved

    n, _, height, width = batch.shape

    def steps(side: int) -> npt.NDArray[np.int64]:
        reach = int(shift * side)
        return rng.integers(-reach, reach + 1, size=n)

    draws = (rng.random(n) < 0.5, steps(height), steps(width))
    mirrored, down, right = (torch.from_numpy(draw).to(batch.device) for draw in draws)
    return moved(batch, mirrored, down, right)


def _accuracy(
    network: "Backbone",
    images: DeviceImages,
    held_out: npt.NDArray[np.int64],
    targets: "Tensor",
    device: "torch.device",
) -> float:
    import torch

    network.eval()
    right = 0
    with torch.inference_mode():
        for items in torch.split(torch.from_numpy(held_out), _EVALUATION_ROWS):
            with autocast(device):
                logits = network(normalise(images.batch(items)))
            right += int((logits.argmax(dim=1) == targets[items.to(device)]).sum())
    return right / len(held_out)


def _optimizer(network: "Backbone", settings: ClassifierSettings) -> "torch.optim.Optimizer":
    import torch

    from dvbpr.backbones import decayed

    weights, others = decayed(network)
    return torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        fused=True,
    )


def _rate(done: float) -> float:
    """Give the learning rate as a share of its peak: up over a tenth of the way, then down."""
    if done < 0.1:
        return done / 0.1
    return 0.5 + 0.5 * math.cos(math.pi * (done - 0.1) / 0.9)


def training_precision(device: "torch.device") -> Literal["float32", "bf16"]:
    """Train in the precision that is fast here; it is part of a stored classifier's name."""
    return "bf16" if has_fast_bf16(device) else "float32"
