"""Stand-ins for a recommender that scores images, a generator and a judge: arithmetic, no network.

An image's looks are its mean colour, and a code is a colour; so every number of Table IV can be
computed by hand.
"""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import TrainingSet
from bench.experiment.generation.options import GenerationOptions
from bench.generator import DesignOptions, Designs, Generator, Tailored, TailorOptions
from bench.judge import ImageJudge, JudgeFacts, Judgement
from bench.recommender import FactorRecommender, Factors, Recommender, State, Watch
from bench.rng import child_generator

PIXELS = 12

SMALL = GenerationOptions(
    trials=18,
    eta_trials=6,
    starts=20,
    steps=1,
    learning_rate=0.1,
    eta=1.0,
    fit_starts=1,
    fit_steps=1,
    samples=4,
    splits=4,
)
"""An experiment of a second."""


def looks(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Give the mean colour in [-1, 1]: (n, 3)."""
    means: npt.NDArray[np.float32] = images.mean(axis=(-3, -2), dtype=np.float64) / 127.5 - 1.0
    return means.astype(np.float32)


class ColourTaste(FactorRecommender):
    """Each user likes a colour of her own; an item is its mean colour."""

    name: ClassVar[str] = "colour-taste"
    label: ClassVar[str] = "Colour"
    source: ClassVar[str] = "the tests"
    scores_images: ClassVar[bool] = True

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        self._theta = np.random.default_rng(2).standard_normal((self.n_users, 3)).astype("f4")
        images = dataset.images
        assert images is not None
        decoded = [np.asarray(images.decoded(item)) for item in range(self.n_items)]
        self._phi = np.concatenate([looks(image[None]) for image in decoded])

    def factors(self) -> Factors:
        return Factors(self._theta, self._phi, np.zeros(self.n_items, dtype=np.float32))

    def _score_images(
        self, users: npt.NDArray[np.int64], images: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        scores: npt.NDArray[np.float32] = (self._theta[users] * looks(images)).sum(axis=1)
        return scores

    def state(self) -> State:
        return {"theta": self._theta.copy(), "phi": self._phi.copy()}

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        self._theta, self._phi = state["theta"], state["phi"]


class Painter(Generator):
    """Paints a plain square of the code's colour; a line on the left says the category.

    Attributes
    ----------
    asked
        How many queries were designed, and with which eta.
    fails_after
        Queries after which designing is interrupted; None for never.
    """

    name: ClassVar[str] = "painter"
    label: ClassVar[str] = "Painter"
    source: ClassVar[str] = "the tests"
    max_epochs = 1
    pixels = PIXELS
    code_dims = 3
    asked: list[tuple[int, float]]
    fails_after: int | None = None

    def _fit(self, dataset: TrainingSet, watch: Watch) -> None:
        self.asked = []

    def codes(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        return rng.uniform(-1, 1, size=(n, 3)).astype(np.float32)

    def _generate(
        self, codes: npt.NDArray[np.float32], categories: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.uint8]:
        colours = np.round((codes + 1) * 127.5).astype(np.uint8)
        images = np.tile(colours[:, None, None, :], (1, PIXELS, PIXELS, 1))
        images[:, :, 0] = (40 * categories)[:, None, None]
        # A pattern, for plain squares are all alike to SSIM.
        images[:, ::3] //= 2
        return images

    def _real_loss(
        self, images: npt.NDArray[np.uint8], categories: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        return np.zeros(len(images), dtype=np.float32)

    def _design(
        self,
        recommender: Recommender,
        users: npt.NDArray[np.int64],
        categories: npt.NDArray[np.int64],
        options: DesignOptions,
        seed: int,
    ) -> Designs:
        rows: list[tuple[Any, ...]] = []
        for user, category in zip(users, categories, strict=True):
            if self.fails_after is not None and len(self.asked) >= self.fails_after:
                raise KeyboardInterrupt
            self.asked.append((int(user), options.eta))
            rng = child_generator(seed, "design", int(user), int(category))
            codes = self.codes(options.starts, rng)
            images = self._generate(codes, np.full(len(codes), category))
            scores = recommender.score_images(np.full(len(codes), user), images)
            # Weight on looking real: grey is most real.
            objective = scores - np.float32(options.eta) * (codes**2).mean(axis=1)
            best = np.argsort(-objective, kind="stable")[: options.top]
            rows.append((images[best], scores[best], objective[best], codes[best]))
        images, scores, objective, codes = (np.stack(each) for each in zip(*rows, strict=True))
        return Designs(images=images, scores=scores, objective=objective, codes=codes)

    def _tailor(
        self,
        recommender: Recommender,
        users: npt.NDArray[np.int64],
        categories: npt.NDArray[np.int64],
        images: npt.NDArray[np.uint8],
        options: TailorOptions,
        seed: int,
    ) -> Tailored:
        start, steps = looks(images), len(options.iterates)
        codes = np.stack([start * (1 - k / 10) for k in range(steps)], axis=1)  # (n, k, 3)
        flat = self._generate(codes.reshape(-1, 3), np.repeat(categories, steps))
        shape = (len(users), steps)
        return Tailored(
            prototypes=flat.reshape(*shape, *flat.shape[1:])[:, 0],
            prototype_scores=recommender.score_images(users, images),
            iterates=flat.reshape(*shape, *flat.shape[1:]),
            scores=recommender.score_images(np.repeat(users, steps), flat).reshape(shape),
            codes=codes,
            l1=np.zeros(len(users), dtype=np.float32),
            steps=options.iterates,
        )

    def state(self) -> State:
        return {}

    def load_state(self, state: State, dataset: TrainingSet) -> None:
        self.asked = []


class NoParams:
    """A judge without settings."""


class ColourJudge(ImageJudge):
    """Takes an image for the category whose colour channel is the brightest."""

    name: ClassVar[str] = "classifier"
    score_label: ClassVar[str] = "classifier score"
    Params: ClassVar[type[Any]] = NoParams
    weights = "0" * 64

    def _prepare(self, dataset: TrainingSet) -> JudgeFacts:
        return JudgeFacts(
            score_label=self.score_label,
            frechet_label=f"{self.name} Fréchet distance",
            kernel_label=f"{self.name} kernel distance",
            network="mean colours of toy",
            weights_sha256=self.weights,
            preprocessing="none",
            n_classes=3,
            feature_dims=3,
            accuracy=0.97,
            n_held_out=30,
        )

    def _judge(self, images: npt.NDArray[np.uint8]) -> Judgement:
        seen = looks(images)
        weights = np.exp(3 * seen)
        return Judgement(
            (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32),
            seen + np.linspace(0, 0.1, len(seen), dtype=np.float32)[:, None],
        )


class OtherJudge(ColourJudge):
    """The same under another name, as the Inception network is another judge."""

    name: ClassVar[str] = "inception"
    score_label: ClassVar[str] = "inception score"
    weights = "1" * 64
