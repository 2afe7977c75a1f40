"""Personalised design (III-D): images of a category that maximise a user's preference.

Eq. 9 and 10 maximise theta_u . Phi(Delta G_c(z)) - eta (D_c(G_c(z)) - 1)² over z in [-1, 1]^d from
m random starts; eq. 11 draws the images that are returned; eq. 12 finds the code of a given image,
from which the same ascent sets out (`dvbpr.tailoring`). The networks come as functions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.errors import NonFiniteScoreError
from bench.generator import DesignOptions, Designs
from bench.progress import Progress
from bench.rng import child_generator
from dvbpr.ascent import Batch, ascend, start_codes
from dvbpr.device_images import normalise, to_bytes
from dvbpr.gan_training import real_loss
from dvbpr.torch_tools import autocast

if TYPE_CHECKING:
    from dvbpr.gan import Discriminator, ImageGenerator
    from dvbpr.preference import Preference

__all__ = [
    "Found",
    "Networks",
    "assemble",
    "choose",
    "climb",
    "design",
    "draw_without_replacement",
]


@dataclass(frozen=True, kw_only=True)
class Networks:
    """What eq. 9 is made of, as functions of tensors on one device.

    Evaluation mode throughout: no dropout, running statistics in the normalisations, so that an
    image's value does not depend on the images beside it; and no parameter collects a gradient.

    Attributes
    ----------
    generate
        G: codes (n, d) and categories int64 (n,) to images (n, 3, P, P) in [-1, 1].
    judge
        D: images and categories to (n,); 1 is real.
    prefer
        theta_u . Phi(Delta x): users int64 (n,) and images to (n,).
    code_dims
        d.
    pixels
        P.
    device
        Where they compute.
    """

    generate: Callable[[Tensor, Tensor], Tensor]
    judge: Callable[[Tensor, Tensor], Tensor]
    prefer: Callable[[Tensor, Tensor], Tensor]
    code_dims: int
    pixels: int
    device: torch.device

    def values(
        self, users: Tensor, categories: Tensor, images: Tensor, eta: float
    ) -> tuple[Tensor, Tensor]:
        """Give the preference x_ue (eq. 6) and what is maximised, x_ue - eta L_real (eq. 9)."""
        scores = self.prefer(users, images)
        if eta == 0.0:  # saves the discriminator's passes
            return scores, scores
        return scores, scores - eta * real_loss(self.judge(images, categories))


def assemble(
    generator: "ImageGenerator",
    discriminator: "Discriminator",
    preference: "Preference",
    *,
    precision: Literal["float32", "bf16"],
) -> Networks:
    """Make the functions of eq. 9 from trained networks.

    Parameters
    ----------
    generator, discriminator
        On the preference's device; put into evaluation mode, and their parameters no longer collect
        gradients.
    preference
        theta_u . Phi(Delta x).
    precision
        In which G and D compute; the preference has its own.
    """
    device = preference.device
    for network in (generator, discriminator):
        network.eval().requires_grad_(False)

    def generate(codes: Tensor, categories: Tensor) -> Tensor:
        with autocast(device, precision):
            drawn: Tensor = generator(codes, categories)
        return drawn.float()

    def judge(images: Tensor, categories: Tensor) -> Tensor:
        with autocast(device, precision):
            judged: Tensor = discriminator(images, categories)
        return judged.float()

    return Networks(
        generate=generate,
        judge=judge,
        prefer=preference,
        code_dims=generator.code_dims,
        pixels=generator.pixels,
        device=device,
    )


@dataclass(frozen=True)
class Found:
    """What an ascent came by: from each of r starts, after each of k numbers of steps.

    Attributes
    ----------
    images
        uint8 (r, k, P, P, 3).
    scores, objective
        float32 (r, k): preference (eq. 6) and what is maximised (eq. 9), of the 8-bit images.
    codes
        float32 (r, k, d): z.
    """

    images: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]
    objective: npt.NDArray[np.float32]
    codes: npt.NDArray[np.float32]


def climb(
    networks: Networks,
    users: npt.NDArray[np.int64],
    categories: npt.NDArray[np.int64],
    starts: npt.NDArray[np.float32],
    *,
    eta: float,
    keep: tuple[int, ...],
    learning_rate: float,
    batch: Batch,
) -> Found:
    """Maximise eq. 10 from each of r starts.

    Parameters
    ----------
    networks
        G, D and the preference.
    users, categories
        int64 (r,) each.
    starts
        z', float32 (r, d).
    eta
        Weight of the quality term.
    keep
        Ascending numbers of steps after which the image is kept.
    learning_rate
        Adam's step in z'.
    batch
        How images are divided among batches.

    Raises
    ------
    NonFiniteScoreError
        A preference or the discriminator's judgement is no number.
    """
    device, n_kept = networks.device, len(keep)
    shape = (len(starts), n_kept)
    found = Found(
        images=np.empty((*shape, networks.pixels, networks.pixels, 3), dtype=np.uint8),
        scores=np.empty(shape, dtype=np.float32),
        objective=np.empty(shape, dtype=np.float32),
        codes=np.empty((*shape, networks.code_dims), dtype=np.float32),
    )

    def work(rows: slice) -> None:
        who, what = (torch.from_numpy(each[rows]).to(device) for each in (users, categories))

        def objective(codes: Tensor) -> Tensor:
            return networks.values(who, what, networks.generate(codes, what), eta)[1]

        kept = ascend(
            objective,
            torch.from_numpy(starts[rows]).to(device),
            keep=keep,
            learning_rate=learning_rate,
            on_step=lambda: batch.advance(len(who)),
        )
        with torch.inference_mode():
            for place, ends in enumerate(torch.tanh(kept)):
                # What is returned is what is scored: the image in 8 bits.
                shown = to_bytes(networks.generate(ends, what))
                scores, values = networks.values(who, what, normalise(shown), eta)
                found.images[rows, place] = shown.permute(0, 2, 3, 1).cpu().numpy()
                found.scores[rows, place] = scores.float().cpu().numpy()
                found.objective[rows, place] = values.float().cpu().numpy()
                found.codes[rows, place] = ends.float().cpu().numpy()

    batch.over(len(starts), work)
    bad = ~np.isfinite(found.objective).all(axis=1)
    if bad.any():
        raise NonFiniteScoreError(
            f"the preference of user {users[bad.argmax()]} for a designed image, or how real it "
            "looks, is NaN or infinite; the recommender or the generator did not train well"
        )
    return found


def design(
    networks: Networks,
    users: npt.NDArray[np.int64],
    categories: npt.NDArray[np.int64],
    options: DesignOptions,
    *,
    seed: int,
) -> Designs:
    """Design images for each query, a user and a category, by eq. 9 to 11.

    Scores and objectives are those of the returned 8-bit images. Each query's starts and draws come
    from `seed`, its user and its category, so its images do not depend on the other queries; nor,
    up to rounding, on how many images are computed at once.

    Parameters
    ----------
    networks
        G, D and the preference.
    users, categories
        int64 (q,) each.
    options
        See `bench.generator.DesignOptions`.
    seed
        Root of the starts and the draws.

    Returns
    -------
    Each query's images by falling objective; see `bench.generator.Designs`.

    Raises
    ------
    NonFiniteScoreError
        A preference or the discriminator's judgement is no number.
    """
    m, n_queries = options.starts, len(users)
    shape = (n_queries, options.top)
    made = Designs(
        images=np.empty((*shape, networks.pixels, networks.pixels, 3), dtype=np.uint8),
        scores=np.empty(shape, dtype=np.float32),
        objective=np.empty(shape, dtype=np.float32),
        codes=np.empty((*shape, networks.code_dims), dtype=np.float32),
    )
    with Progress("designing", n_queries * m * options.steps, unit="image", scaled=True) as bar:
        batch = Batch(options.batch, networks.device, bar)
        together = max(1, batch.n_workers * batch.size // m)
        for first in range(0, n_queries, together):
            queries = range(first, min(first + together, n_queries))
            sources = [
                child_generator(seed, "design", int(users[q]), int(categories[q])) for q in queries
            ]
            starts = np.concatenate([start_codes(m, networks.code_dims, rng) for rng in sources])
            found = climb(
                networks,
                np.repeat(users[queries], m),
                np.repeat(categories[queries], m),
                starts,
                eta=options.eta,
                keep=(options.steps,),
                learning_rate=options.learning_rate,
                batch=batch,
            )
            for place, (query, rng) in enumerate(zip(queries, sources, strict=True)):
                of_query = slice(place * m, (place + 1) * m)
                sampled = options.selection == "sample"
                chosen = choose(found.objective[of_query, 0], options.top, rng, sampled=sampled)
                for name in ("images", "scores", "objective", "codes"):
                    getattr(made, name)[query] = getattr(found, name)[of_query, 0][chosen]
    return made


def choose(
    objective: npt.NDArray[np.floating[Any]], top: int, rng: np.random.Generator, *, sampled: bool
) -> npt.NDArray[np.intp]:
    """Choose images of a query by what was maximised: the highest, or as eq. 11 draws them.

    Parameters
    ----------
    objective
        (m,): x_ue - eta L_real of each image. Eq. 11 has this x with a hat, of eq. 9, and not the
        preference alone.
    top
        How many. A single image is always the highest (III-D: "choosing whichever has the highest
        objective value").
    rng
        Where the draw comes from.
    sampled
        Whether to draw, by eq. 11.

    Returns
    -------
    Places in `objective`, (top,), by falling objective; equal ones in order.
    """
    if sampled and top > 1:
        chosen = np.sort(draw_without_replacement(objective, top, rng))
    else:
        chosen = np.arange(len(objective))
    return chosen[np.argsort(-objective[chosen], kind="stable")][:top]


def draw_without_replacement(
    logits: npt.NDArray[np.floating[Any]], k: int, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Draw k places one after another, each with softmax probabilities among those left (eq. 11).

    The k largest of `logits` plus independent standard Gumbel noise, in their order, are such a
    draw (Gumbel-max; Vieira 2014); no exponential is formed, so nothing overflows.

    Parameters
    ----------
    logits
        (m,), finite.
    k
        At most m.
    rng
        Where the noise comes from.

    Returns
    -------
    (k,), in the order they are drawn.
    """
    keys = logits.astype(np.float64) + rng.gumbel(size=len(logits))
    return np.argsort(-keys, kind="stable")[:k]
