"""A classifier of a data set's own photographs: a start for DVBPR's network, features, a judge.

Where no network trained on millions of photographs is at hand, one trained to tell the catalogue's
categories apart is the nearest thing: it sees every item's image and category, no purchase. What it
learnt is kept beside the decoded images, so that it is trained once per setting.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import TrainingSet
from bench.device import resolve_device, torch_threads
from bench.errors import BenchError
from bench.recommender import Runtime
from bench.trained import Trained, recall_or_train
from dvbpr.classifier_training import (
    ClassifierReport,
    ClassifierSettings,
    train_classifier,
    training_precision,
)

if TYPE_CHECKING:
    import torch

    from dvbpr.backbones import Backbone

__all__ = [
    "ClassifierReport",
    "ClassifierSettings",
    "Pretrained",
    "pretrain",
]

_log = logging.getLogger(__name__)

_LAST = "last."
"""The layer from features to outputs: the one part that has no use for another task."""


@dataclass(frozen=True)
class Pretrained:
    """What a classifier learnt.

    Attributes
    ----------
    backbone, pixels
        The network, as `pretrain` was asked for it.
    weights
        Its state, the last layer to the categories included.
    report
        How good it is.
    """

    backbone: str
    pixels: int | None

    weights: Mapping[str, npt.NDArray[Any]]
    report: ClassifierReport

    def start(self, network: "Backbone") -> None:
        """Give a network of the same kind these weights; its last layer stays as it is.

        Raises
        ------
        BenchError
            Another kind of network.
        """
        import torch

        learnt = {name: array for name, array in self.weights.items() if _is_kept(name)}
        wanted = {name: t for name, t in network.state_dict().items() if _is_kept(name)}
        if {n: tuple(t.shape) for n, t in wanted.items()} != {
            n: tuple(a.shape) for n, a in learnt.items()
        }:
            raise BenchError("the classifier's weights are those of another network")
        network.load_state_dict(
            {name: torch.from_numpy(np.array(array)) for name, array in learnt.items()},
            strict=False,
        )

    def network(self) -> "Backbone":
        """Give the whole classifier, on the CPU, in evaluation mode."""
        import torch

        from dvbpr.backbones import build_backbone

        network = build_backbone(
            self.backbone,
            self.report.n_categories,
            dropout=0.0,
            pixels=self.pixels,
            generator=torch.Generator(),
        )
        network.load_state_dict(
            {name: torch.from_numpy(np.array(array)) for name, array in self.weights.items()}
        )
        return network.eval()


def pretrain(
    dataset: TrainingSet,
    backbone: str,
    *,
    runtime: Runtime,
    pixels: int | None = None,
    settings: ClassifierSettings | None = None,
) -> Pretrained:
    """Train a backbone to name the categories of a data set's photographs, or recall it.

    Parameters
    ----------
    dataset
        With images and categories; interactions are not looked at.
    backbone
        Name of the network, one of `dvbpr.backbones.BACKBONES`.
    runtime
        Seed, device and threads.
    pixels
        Side of the images; by default what the network was made for.
    settings
        How; by default as `ClassifierSettings` says.

    Raises
    ------
    BenchError
        No images or categories, fewer than two categories, or a loss that is not finite.
    """
    settings = settings or ClassifierSettings()
    labels = _labels(dataset)
    images = dataset.images
    assert images is not None
    device = resolve_device(runtime.device)

    def train() -> Trained:
        with torch_threads(runtime.threads):
            weights, report = train_classifier(
                dataset, labels, backbone, pixels, runtime.seed, device, settings
            )
        _log.info("classifier of %s: %s", dataset.name, report)
        return Trained(weights, asdict(report))

    folder = None
    if images.cache is not None:
        key = _key(dataset, backbone, pixels, runtime, device, settings)
        folder = images.cache / f"classifier-{backbone}-{key}"
    made = recall_or_train(folder, train, what="the classifier")
    return Pretrained(backbone, pixels, made.weights, ClassifierReport(**made.report))


def _labels(dataset: TrainingSet) -> npt.NDArray[np.int64]:
    for part in ("images", "categories"):
        if part not in dataset.offers:
            raise BenchError(f"a classifier needs {part}, which {dataset.name} does not have")
    assert dataset.categories is not None
    labels = dataset.categories.astype(np.int64)
    if len(np.unique(labels)) < 2:
        raise BenchError(f"{dataset.name}: all items are of one category, nothing to tell apart")
    return labels


def _is_kept(name: str) -> bool:
    return not name.startswith(_LAST)


def _key(
    dataset: TrainingSet,
    backbone: str,
    pixels: int | None,
    runtime: Runtime,
    device: "torch.device",
    settings: ClassifierSettings,
) -> str:
    """Hash everything that moves a weight, this package's code and PyTorch's version included."""
    import torch

    code = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        code.update(path.read_bytes())
    content = {
        "backbone": backbone,
        "pixels": pixels,
        "categories": dataset.category_names,
        "seed": runtime.seed,
        "device": device.type,
        "precision": training_precision(device),
        "threads": runtime.threads,
        "settings": asdict(settings),
        "code": code.hexdigest(),
        "torch": torch.__version__,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
