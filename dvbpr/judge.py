"""The judges of images that the suite has: its own classifier, and the Inception network."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import TrainingSet
from bench.datasets.resizing import resized
from bench.device import resolve_device, torch_threads
from bench.errors import BenchError
from bench.files import sha256_of_arrays
from bench.judge import ImageJudge, JudgeFacts, Judgement
from bench.rng import child_seed

if TYPE_CHECKING:
    from dvbpr.backbones import Backbone
    from dvbpr.inception import InceptionNet

__all__ = ["ClassifierJudge", "ClassifierJudgeParams", "InceptionJudge", "InceptionJudgeParams"]


@dataclass(frozen=True, kw_only=True)
class ClassifierJudgeParams:
    """How the judging classifier is made.

    Attributes
    ----------
    backbone
        Network, one of `dvbpr.backbones.BACKBONES`.
    pixels
        Side of the images it sees; by default what the network was made for.
    epochs
        Passes over the photographs.
    seed
        Of its training. The judge of all runs is the same, and none of the classifiers that models
        start from.
    """

    backbone: str = "slim"
    pixels: int | None = None
    epochs: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.seed < 0:
            raise ValueError("epochs must be at least 1 and seed at least 0")
        if self.pixels is not None and self.pixels < 16:
            raise ValueError("pixels must be at least 16")


class ClassifierJudge(ImageJudge):
    """A classifier of the data set's own categories, where no published weights are at hand.

    It knows the categories that a generator is asked for, so its classes mean more for garments
    than ImageNet's; but a score by it compares with no published one.
    """

    name: ClassVar[str] = "classifier"
    score_label: ClassVar[str] = "classifier score"
    Params: ClassVar[type[Any]] = ClassifierJudgeParams
    needs: ClassVar[frozenset[str]] = frozenset({"images", "categories"})
    batch_size: ClassVar[int] = 256

    _network: "Backbone"

    def _prepare(self, dataset: TrainingSet) -> JudgeFacts:
        from dvbpr.classifier import pretrain
        from dvbpr.classifier_training import ClassifierSettings

        params: ClassifierJudgeParams = self.params
        learnt = pretrain(
            dataset,
            params.backbone,
            runtime=replace(self.runtime, seed=child_seed(params.seed, "judge")),
            pixels=params.pixels,
            # The targets as they are: smoothed ones make a network unsure of what it knows, and
            # the score is about how sure it is.
            settings=ClassifierSettings(epochs=params.epochs, label_smoothing=0.0),
        )
        self._network = learnt.network().to(resolve_device(self.runtime.device))
        pixels = self._network.pixels
        report = learnt.report
        return JudgeFacts(
            score_label=self.score_label,
            frechet_label="classifier Fréchet distance",
            kernel_label="classifier kernel distance",
            network=(
                f"{params.backbone} trained to name the {report.n_categories} categories on "
                f"{report.n_train:,} images of {dataset.name}"
            ),
            weights_sha256=sha256_of_arrays(*(learnt.weights[k] for k in sorted(learnt.weights))),
            preprocessing=f"resized to {pixels} x {pixels} (Pillow, bilinear), x / 127.5 - 1",
            n_classes=report.n_categories,
            feature_dims=self._network.feature_dims,
            accuracy=report.accuracy,
            n_held_out=report.n_held_out,
        )

    def _judge(self, images: npt.NDArray[np.uint8]) -> Judgement:
        import torch

        from dvbpr.device_images import normalise

        network = self._network
        batch = torch.from_numpy(resized(images, network.pixels)).permute(0, 3, 1, 2)
        with torch_threads(self.runtime.threads), torch.inference_mode():
            features = network.features(normalise(batch.to(network.last.weight.device)))
            probabilities = torch.softmax(network.last(features), dim=1)
        return Judgement(probabilities.cpu().numpy(), features.cpu().numpy())


@dataclass(frozen=True, kw_only=True)
class InceptionJudgeParams:
    """Where the published weights are.

    Attributes
    ----------
    weights
        A file; "download" or a mirror's address fetches it. Nothing is fetched otherwise.
    """

    weights: str | None = None


class InceptionJudge(ImageJudge):
    """The Inception network of 2015-12-05, as the published inception scores and FIDs use it."""

    name: ClassVar[str] = "inception"
    score_label: ClassVar[str] = "inception score"
    Params: ClassVar[type[Any]] = InceptionJudgeParams
    batch_size: ClassVar[int] = 32

    _network: "InceptionNet"

    def _prepare(self, dataset: TrainingSet) -> JudgeFacts:
        from dvbpr.inception import FEATURE_DIMS, N_CLASSES, PIXELS
        from dvbpr.inception_weights import WEIGHTS, load_inception, locate_weights

        if self.params.weights is None:
            raise BenchError(
                "the inception score needs the published weights: give --inception-weights FILE, "
                f"or --inception-weights download ({WEIGHTS.size or 0:,} bytes)"
            )
        path = locate_weights(self.params.weights, self.data_dir or Path("data"))
        self._network = load_inception(path).to(resolve_device(self.runtime.device))
        return JudgeFacts(
            score_label=self.score_label,
            frechet_label="FID",
            kernel_label="KID",
            network="Inception of 2015-12-05 (ImageNet), softmax without bias",
            weights_sha256=str(WEIGHTS.sha256),
            preprocessing=(
                f"resized to {PIXELS} x {PIXELS} (TensorFlow 1, bilinear), (x - 128) / 128"
            ),
            n_classes=N_CLASSES,
            feature_dims=FEATURE_DIMS,
        )

    def _judge(self, images: npt.NDArray[np.uint8]) -> Judgement:
        import torch

        network = self._network
        batch = torch.from_numpy(images).permute(0, 3, 1, 2).to(network.fc.weight.device)
        with (
            torch_threads(self.runtime.threads),
            torch.inference_mode(),
            # In full precision on a GPU, too: TF32 convolutions have 10 bits of mantissa.
            torch.backends.cudnn.flags(
                enabled=torch.backends.cudnn.enabled, deterministic=True, allow_tf32=False
            ),
        ):
            features = network.features(batch)
            probabilities = torch.softmax(network.logits(features), dim=1)
        return Judgement(probabilities.cpu().numpy(), features.cpu().numpy())
