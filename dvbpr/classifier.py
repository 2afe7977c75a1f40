"""A classifier of a data set's own photographs: a start for DVBPR's network, and features.

Where no network trained on millions of photographs is at hand, one trained to tell the catalogue's
categories apart is the nearest thing: it sees every item's image and category, no purchase. What it
learnt is kept beside the decoded images, so that it is trained once per setting.
"""

import hashlib
import io
import json
import logging
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import TrainingSet
from bench.device import resolve_device, torch_threads
from bench.errors import BenchError
from bench.files import atomic_folder, one_at_a_time, sha256_of_file
from bench.progress import Progress
from bench.recommender import Runtime
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
    "Pretrained",
    "augment",
    "pretrain",
]

_log = logging.getLogger(__name__)

_LAST = "last."
"""The layer from features to outputs: the one part that has no use for another task."""

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


@dataclass(frozen=True)
class Pretrained:
    """What a classifier learnt.

    Attributes
    ----------
    weights
        The network's state, its last layer left out: what `load_state_dict(strict=False)` takes.
    report
        How good it is.
    """

    weights: dict[str, npt.NDArray[Any]]
    report: ClassifierReport

    def start(self, network: "Backbone") -> None:
        """Give a network of the same kind these weights; its last layer stays as it is.

        Raises
        ------
        BenchError
            Another kind of network.
        """
        import torch

        wanted = {name: t for name, t in network.state_dict().items() if _is_kept(name)}
        if {n: tuple(t.shape) for n, t in wanted.items()} != {
            n: tuple(a.shape) for n, a in self.weights.items()
        }:
            raise BenchError("the classifier's weights are those of another network")
        network.load_state_dict(
            {name: torch.from_numpy(np.array(array)) for name, array in self.weights.items()},
            strict=False,
        )


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

    def train() -> Pretrained:
        with torch_threads(runtime.threads):
            made = _train(dataset, labels, backbone, pixels, runtime.seed, device, settings)
        _log.info("classifier of %s: %s", dataset.name, made.report)
        return made

    if images.cache is None:
        return train()
    key = _key(dataset, backbone, pixels, runtime, device, settings)
    folder = images.cache / f"classifier-{backbone}-{key}"
    # Of several processes that train one model, one trains the classifier for all.
    with one_at_a_time(images.cache / f"{folder.name}.lock", "a classifier is being trained"):
        made = _stored(folder)
        if made is None:
            made = train()
            _store(folder, made)
    return made


def _labels(dataset: TrainingSet) -> npt.NDArray[np.int64]:
    for part in ("images", "categories"):
        if part not in dataset.offers:
            raise BenchError(f"a classifier needs {part}, which {dataset.name} does not have")
    assert dataset.categories is not None
    labels = dataset.categories.astype(np.int64)
    if len(np.unique(labels)) < 2:
        raise BenchError(f"{dataset.name}: all items are of one category, nothing to tell apart")
    return labels


def _train(
    dataset: TrainingSet,
    labels: npt.NDArray[np.int64],
    backbone: str,
    pixels: int | None,
    seed: int,
    device: "torch.device",
    settings: ClassifierSettings,
) -> Pretrained:
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
                with autocast(device, _precision(device)):
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
        name: tensor.detach().cpu().numpy().copy()
        for name, tensor in network.state_dict().items()
        if _is_kept(name)
    }
    report = ClassifierReport(
        accuracy=accuracy,
        most_frequent=float(np.mean(labels[held_out] == majority)),
        n_train=len(train),
        n_held_out=len(held_out),
        n_categories=len(dataset.category_names),
        loss=loss_sum / len(train),
    )
    return Pretrained(weights, report)


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


def _precision(device: "torch.device") -> Literal["float32", "bf16"]:
    """Train in the precision that is fast here; it is part of a stored classifier's name."""
    return "bf16" if has_fast_bf16(device) else "float32"


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
        "precision": _precision(device),
        "threads": runtime.threads,
        "settings": asdict(settings),
        "code": code.hexdigest(),
        "torch": torch.__version__,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _store(folder: Path, made: Pretrained) -> None:
    with atomic_folder(folder) as temporary:
        np.savez(temporary / "weights.npz", **made.weights)  # type: ignore[arg-type]  # names
        digest = sha256_of_file(temporary / "weights.npz")
        content = {"sha256": digest, "report": asdict(made.report)}
        (temporary / "report.json").write_text(json.dumps(content), encoding="utf-8")


def _stored(folder: Path) -> Pretrained | None:
    """Give what an earlier call stored, if it is whole."""
    if not folder.is_dir():
        return None
    try:
        content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        whole = (folder / "weights.npz").read_bytes()
        if hashlib.sha256(whole).hexdigest() != content["sha256"]:
            raise ValueError("the weights do not match their hash")
        with np.load(io.BytesIO(whole), allow_pickle=False) as stored:
            return Pretrained(dict(stored.items()), ClassifierReport(**content["report"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s: %s; training the classifier again", folder, " ".join(str(error).split()))
        return None
