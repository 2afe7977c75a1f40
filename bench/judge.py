"""Who judges images: a network that gives class probabilities and features of them.

A score of images is a score by one judge: what the judge is, is printed with every number, and
numbers of different judges never stand in one column. A judge plugs in through the entry-point
group `bench.judges`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import TrainingSet
from bench.datasets.resizing import check_images
from bench.errors import BenchError
from bench.progress import Progress
from bench.recommender import Runtime

__all__ = ["ImageJudge", "JudgeFacts", "Judgement"]


class Judgement(NamedTuple):
    """What a judge sees in images.

    Attributes
    ----------
    probabilities
        float32 (n, C): of each class.
    features
        float32 (n, d): activations before the last layer.
    """

    probabilities: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class JudgeFacts:
    """What is printed with a number.

    Attributes
    ----------
    score_label, frechet_label, kernel_label
        What the score and the two distances by this judge are called; two numbers compare only if
        these facts agree.
    network
        The network and what it was trained on.
    weights_sha256
        Hash of its weights, in hexadecimal.
    preprocessing
        How an image comes to the network: resizing, scale.
    n_classes, feature_dims
        Sizes of what it gives.
    accuracy, n_held_out
        Share of images it names rightly that it was not trained on, and their number; None where
        it was not measured here.
    """

    score_label: str
    frechet_label: str
    kernel_label: str
    network: str
    weights_sha256: str
    preprocessing: str
    n_classes: int
    feature_dims: int
    accuracy: float | None = None
    n_held_out: int | None = None

    def __str__(self) -> str:
        parts = [self.network, f"weights SHA-256 {self.weights_sha256[:8]}", self.preprocessing]
        if self.accuracy is not None and self.n_held_out is not None:
            parts.append(f"accuracy {self.accuracy:.1%} on {self.n_held_out:,} held-out images")
        return "; ".join(parts)


class ImageJudge(ABC):
    """A judge; `prepare` comes before the first judgement.

    Parameters
    ----------
    params
        Of the class's `Params`; None for their defaults.
    runtime
        Device and threads. The seed of a run is not looked at: a judge is the same for all.
    data_dir
        Folder of the data sets, where a download that was asked for stays.

    Attributes
    ----------
    name
        The name in the entry-point group.
    score_label
        What the score of section IV-C is called with this judge.
    Params
        A frozen dataclass of settings.
    needs
        What the data set must have: any of "images", "categories".
    """

    name: ClassVar[str]
    score_label: ClassVar[str]
    Params: ClassVar[type[Any]]
    needs: ClassVar[frozenset[str]] = frozenset()
    batch_size: ClassVar[int] = 64

    def __init__(
        self, params: Any = None, *, runtime: Runtime | None = None, data_dir: Path | None = None
    ) -> None:
        self.params = self.Params() if params is None else params
        self.runtime = runtime or Runtime()
        self.data_dir = data_dir
        self._facts: JudgeFacts | None = None

    def prepare(self, dataset: TrainingSet) -> Self:
        """Train the network, recall it or load it, whichever this judge does.

        Parameters
        ----------
        dataset
            The data set whose images, real or made after them, are to be judged.

        Raises
        ------
        BenchError
            The data set lacks something, or weights cannot be had.
        """
        if lacking := sorted(self.needs - dataset.offers):
            raise BenchError(
                f"the judge {self.name} needs {' and '.join(lacking)}, which {dataset.name} does "
                "not have"
            )
        self._facts = self._prepare(dataset)
        return self

    def facts(self) -> JudgeFacts:
        """Say what is printed with a number by this judge."""
        if self._facts is None:
            raise BenchError(f"the judge {self.name} is not prepared: call prepare(dataset) first")
        return self._facts

    def judge(self, images: npt.NDArray[np.uint8]) -> Judgement:
        """Give probabilities and features of images, in one pass.

        Parameters
        ----------
        images
            uint8 (n, H, W, 3), of any size; may be memory-mapped.

        Raises
        ------
        BenchError
            Not prepared, or the network gives values that are not finite.
        ValueError
            Not a batch of images.
        """
        facts = self.facts()
        check_images(images)
        probabilities = np.empty((len(images), facts.n_classes), np.float32)
        features = np.empty((len(images), facts.feature_dims), np.float32)
        with Progress(f"judging by {self.name}", len(images), unit="image") as progress:
            for start in range(0, len(images), self.batch_size):
                rows = slice(start, min(start + self.batch_size, len(images)))
                # A copy, because networks take no read-only map.
                probabilities[rows], features[rows] = self._judge(np.array(images[rows]))
                progress.advance(rows.stop - rows.start)
        for values in (probabilities, features):
            if not np.isfinite(values).all():
                raise BenchError(f"the judge {self.name} gave values that are not finite")
        return Judgement(probabilities, features)

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Give the class probabilities of images, float32 (n, C); see `judge`."""
        return self.judge(images).probabilities

    def features(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Give the features of images, float32 (n, d); see `judge`."""
        return self.judge(images).features

    @abstractmethod
    def _prepare(self, dataset: TrainingSet) -> JudgeFacts: ...

    @abstractmethod
    def _judge(self, images: npt.NDArray[np.uint8]) -> Judgement:
        """Judge a batch, uint8 (B, H, W, 3)."""
