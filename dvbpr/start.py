"""Where the network's weights come from: chance, a classifier's training, or a saved model."""

import logging
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy

from bench.datasets.dataset import TrainingSet
from bench.device import resolve_device
from bench.errors import BenchError, user_io_errors
from bench.progress import Progress
from bench.recommender import Runtime, State
from bench.rng import child_generator, child_seed
from dvbpr.backbones import Backbone, build_backbone
from dvbpr.encoder import Encoder
from dvbpr.images import DeviceImages
from dvbpr.presets import Settings
from dvbpr.training import load_network, network_state, start_network

__all__ = ["CLASSIFIER_EPOCHS", "starting_network", "train_classifier"]

_log = logging.getLogger(__name__)

CLASSIFIER_EPOCHS = 10
"""Passes over the catalogue when the network first learns to tell categories apart."""

_BATCH = 128


def starting_network(
    dataset: TrainingSet,
    images: npt.NDArray[np.uint8],
    settings: Settings,
    runtime: Runtime,
    *,
    precision: Literal["float32", "bf16"],
    resumed: bool,
) -> Backbone:
    """Make the network as `settings.start` says.

    Parameters
    ----------
    dataset, images
        What a classifier is trained on, if it is.
    settings, runtime, precision
        As in `dvbpr.training.Trainer`.
    resumed
        The weights are about to be replaced by a checkpoint's: no work is spent on them.

    Raises
    ------
    BenchError
        A classifier is asked for without categories; a file is no saved model of this network.
    """
    network = start_network(settings, runtime.seed)
    if settings.start == "random" or resumed:
        return network
    if settings.start == "classifier":
        trained = train_classifier(dataset, images, settings, runtime, precision=precision)
        start = network_state(trained)
    else:
        start = _read(Path(settings.start))
    _take_over(network, start, where=settings.start)
    return network


def train_classifier(
    dataset: TrainingSet,
    images: npt.NDArray[np.uint8],
    settings: Settings,
    runtime: Runtime,
    *,
    precision: Literal["float32", "bf16"],
) -> Backbone:
    """Train the backbone to tell the data set's categories apart; it has an output for each.

    Cross-entropy with Adam at the settings' learning rate, `CLASSIFIER_EPOCHS` passes over all
    items; every process does the same, so they need not exchange anything.

    Raises
    ------
    BenchError
        The data set has no categories.
    """
    if dataset.categories is None:
        raise BenchError(f"dvbpr.start=classifier needs categories, which {dataset.name} lacks")
    device = resolve_device(runtime.device)
    network = build_backbone(
        settings.backbone,
        len(dataset.category_names),
        dropout=settings.dropout,
        pixels=settings.pixels,
        generator=torch.Generator().manual_seed(child_seed(runtime.seed, "dvbpr", "classifier")),
    ).to(device)
    encoder = Encoder(
        network,
        DeviceImages(images, device),
        device,
        precision=precision,
        mirror=settings.mirror,
        shift=settings.shift,
        micro_batch=settings.micro_batch,
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
    labels = torch.from_numpy(dataset.categories.astype(np.int64)).to(device)
    steps = 0
    with Progress("training a classifier", CLASSIFIER_EPOCHS, unit="epoch") as progress:
        for epoch in range(CLASSIFIER_EPOCHS):
            order = child_generator(runtime.seed, "dvbpr", "classifier", epoch).permutation(
                len(images)
            )
            for start in range(0, len(order), _BATCH):
                items = order[start : start + _BATCH]
                seed = child_seed(runtime.seed, "dvbpr", "classifier", "step", steps)
                encoder.draw(len(items), torch.Generator(device).manual_seed(seed))
                wanted = labels[torch.from_numpy(items).to(device)]

                def head(outputs: torch.Tensor, wanted: torch.Tensor = wanted) -> torch.Tensor:
                    logits = outputs.detach().requires_grad_()
                    return torch.autograd.grad(cross_entropy(logits, wanted), logits)[0]

                optimiser.zero_grad(set_to_none=True)
                encoder.gradients(items, slice(0, len(items)), head)
                optimiser.step()
                steps += 1
            progress.advance()
    right = encoder.catalogue().argmax(axis=1) == dataset.categories
    _log.info("dvbpr: the classifier names %.1f%% of its own items", 100 * float(right.mean()))
    return network


def _take_over(network: Backbone, start: State, *, where: str) -> None:
    """Copy all layers but the last, whose outputs mean something else."""
    own = network_state(network)
    kept = {name for name in own if name.startswith("last.")}
    for name, value in own.items():
        if name in kept:
            continue
        if name not in start or start[name].shape != value.shape:
            raise BenchError(
                f"{where}: not the weights of this network: {name} must have shape {value.shape}"
            )
    load_network(network, {name: own[name] if name in kept else start[name] for name in own})


def _read(path: Path) -> State:
    try:
        with user_io_errors("read weights", path), np.load(path, allow_pickle=False) as stored:
            return {
                name.removeprefix("network."): stored[name]
                for name in stored.files
                if name.startswith("network.")
            }
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile):
        raise BenchError(
            f"{path}: not a saved model (give the state.npz of a cell of dvbpr)"
        ) from None
