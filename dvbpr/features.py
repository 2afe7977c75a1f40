"""A network's activations before its last layer (fc7), as features for other recommenders."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import FeatureInfo, TrainingSet
from bench.datasets.feature_source import ComputedFeatures, FeatureSource
from bench.device import resolve_device, torch_threads
from bench.errors import BenchError
from bench.progress import Progress
from bench.recommender import Runtime
from bench.rng import child_seed
from dvbpr.classifier import ClassifierSettings, pretrain
from dvbpr.images import DeviceImages, normalise, open_images
from dvbpr.torch_tools import autocast

if TYPE_CHECKING:
    import torch

    from dvbpr.backbones import Backbone

__all__ = ["ClassifierFeatures", "ClassifierFeaturesParams", "features_of"]

_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class ClassifierFeaturesParams:
    """How classifier features are made.

    Attributes
    ----------
    backbone
        Name of the network; "cnn-f" is the paper's, for a GPU.
    epochs, batch_size, learning_rate
        Of the classifier's training, see `dvbpr.classifier.ClassifierSettings`.
    dtype
        Of the features.
    """

    backbone: str = "slim"
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3
    dtype: Literal["float16", "float32"] = "float16"

    def __post_init__(self) -> None:
        self.settings()

    def settings(self) -> ClassifierSettings:
        """Give the training's settings."""
        return ClassifierSettings(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate
        )


class ClassifierFeatures(FeatureSource):
    """What a classifier of the data set's own categories sees in its photographs."""

    name: ClassVar[str] = "classifier"
    Params: ClassVar[type[Any]] = ClassifierFeaturesParams

    def compute(self, dataset: TrainingSet, *, runtime: Runtime) -> ComputedFeatures:
        """Train the classifier, or recall it, and run it over all photographs."""
        import torch

        from dvbpr.backbones import build_backbone

        params = self.params
        # Checks that there are images and categories.
        learnt = pretrain(dataset, params.backbone, runtime=runtime, settings=params.settings())
        device = resolve_device(runtime.device)
        generator = torch.Generator().manual_seed(child_seed(runtime.seed, "classifier", "start"))
        network = build_backbone(params.backbone, 1, dropout=0.0, generator=generator)
        learnt.start(network)
        with torch_threads(runtime.threads):
            values = features_of(
                network.to(device),
                open_images(dataset, network.pixels),
                device,
                dtype=params.dtype,
            )
        return ComputedFeatures(
            values,
            FeatureInfo(
                "classifier",
                f"{values.shape[1]}-d activations of {params.backbone}, trained to name the "
                f"{len(dataset.category_names)} categories of the data set's own images "
                f"(seed {runtime.seed}); {learnt.report}; no interactions were used",
            ),
            {"params": asdict(params), "classifier": asdict(learnt.report)},
        )


def features_of(
    network: "Backbone",
    images: npt.NDArray[np.uint8],
    device: "torch.device",
    *,
    dtype: npt.DTypeLike = np.float16,
) -> npt.NDArray[np.floating[Any]]:
    """Give the activations before the last layer (fc7) of every image.

    Parameters
    ----------
    network
        A backbone, on `device`; it is left in evaluation mode.
    images
        uint8 (n_items, H, W, 3) of the network's size, as `open_images` gives them.
    device
        Where to compute.
    dtype
        float16 or float32. In half precision what is larger than its range is cut off there.

    Returns
    -------
    (n_items, feature_dims).
    """
    import torch

    kind = np.dtype(dtype)
    limit = float(np.finfo(kind).max)
    out: npt.NDArray[np.floating[Any]] | None = None
    network.eval()
    with (
        torch.inference_mode(),
        DeviceImages(images, device) as on_device,
        Progress("image features", len(images), unit="item") as progress,
    ):
        for items in torch.split(torch.arange(len(images)), _ROWS):
            batch = on_device.batch(items)
            following = torch.arange(int(items[-1]) + 1, len(images))[:_ROWS]
            if len(following):
                on_device.prefetch(following)
            with autocast(device):
                rows = network.features(normalise(batch))
            block = rows.float().clamp_(-limit, limit).cpu().numpy().astype(kind)
            if out is None:
                out = np.empty((len(images), block.shape[1]), dtype=kind)
            out[int(items[0]) : int(items[-1]) + 1] = block
            progress.advance(len(items))
    if out is None:
        raise BenchError("no images, so no features")
    return out
