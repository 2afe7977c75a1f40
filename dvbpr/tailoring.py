"""Tailoring (III-D): an existing image, found again in G's latent space, made more to one's taste.

Eq. 12 finds the code whose image is nearest in L1 to the given one, brought to G's size; the
ascent of eq. 10 sets out from there.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bench.generator import Tailored, TailorOptions
from bench.progress import Progress
from bench.rng import child_generator
from dvbpr.ascent import Batch, ascend, start_codes
from dvbpr.design import Networks, climb
from dvbpr.device_images import normalise
from dvbpr.images import resized

__all__ = ["tailor"]


def tailor(
    networks: Networks,
    users: npt.NDArray[np.int64],
    categories: npt.NDArray[np.int64],
    images: npt.NDArray[np.uint8],
    prototype_scores: npt.NDArray[np.float32],
    options: TailorOptions,
    *,
    seed: int,
) -> Tailored:
    """Find each image's code by eq. 12 and follow it uphill on eq. 10.

    The approximation is Adam's on the mean absolute difference of pixels, from random starts of
    which the one that ends nearest is kept. It does not depend on the user, so it is made once for
    users who are given the same image.

    Parameters
    ----------
    networks
        G, D and the preference.
    users, categories
        int64 (n,) each.
    images
        uint8 (n, H, W, 3); brought to G's size as the catalogue's images are.
    prototype_scores
        float32 (n,): preference for `images` as they are, which is handed through.
    options
        See `bench.generator.TailorOptions`.
    seed
        Root of the starts.

    Returns
    -------
    See `bench.generator.Tailored`.

    Raises
    ------
    NonFiniteScoreError
        A preference or the discriminator's judgement is no number.
    """
    prototypes = resized(images, networks.pixels)
    # The approximation is wanted for its distance also where it is not to be shown.
    keep = tuple(sorted({0, *options.iterates}))
    shown = slice(len(keep) - len(options.iterates), None)
    first, which = _distinct(categories, prototypes)
    n_images = len(first) * options.starts * options.fit_steps + len(users) * keep[-1]
    with Progress("tailoring", n_images, unit="image", scaled=True) as bar:
        batch = Batch(options.batch, networks.device, bar)
        near = _approximate(networks, categories[first], prototypes[first], options, seed, batch)
        found = climb(
            networks,
            users,
            categories,
            near[which],
            eta=options.eta,
            keep=keep,
            learning_rate=options.learning_rate,
            batch=batch,
        )
    away = np.abs(found.images[:, 0].astype(np.float32) - prototypes)
    l1: npt.NDArray[np.float32] = away.mean(axis=(1, 2, 3)) / np.float32(127.5)
    return Tailored(
        prototypes=prototypes,
        prototype_scores=prototype_scores,
        iterates=found.images[:, shown],
        scores=found.scores[:, shown],
        codes=found.codes[:, shown],
        l1=l1,
        steps=options.iterates,
    )


def _distinct(
    categories: npt.NDArray[np.int64], prototypes: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Give the place of each distinct image of a category, and which of these each image is."""
    places: dict[tuple[int, bytes], int] = {}
    given = [(int(c), image.tobytes()) for c, image in zip(categories, prototypes, strict=True)]
    which = np.array([places.setdefault(key, len(places)) for key in given], dtype=np.intp)
    return np.unique(which, return_index=True)[1], which


def _approximate(
    networks: Networks,
    categories: npt.NDArray[np.int64],
    prototypes: npt.NDArray[np.uint8],
    options: TailorOptions,
    seed: int,
    batch: Batch,
) -> npt.NDArray[np.float32]:
    """Solve eq. 12 for each prototype: z', float32 (n, d), of the start that ends nearest."""
    m, dims, device = options.starts, networks.code_dims, networks.device
    starts = np.concatenate(
        [np.empty((0, dims), dtype=np.float32)]
        + [start_codes(m, dims, child_generator(seed, "tailor", int(c))) for c in categories]
    )
    image_of = np.repeat(np.arange(len(categories)), m)

    def fit(rows: slice) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        what = torch.from_numpy(categories[image_of[rows]]).to(device)
        whole = torch.from_numpy(prototypes[image_of[rows]]).to(device)
        target = normalise(whole.permute(0, 3, 1, 2))

        def nearness(codes: Tensor) -> Tensor:
            return -(networks.generate(codes, what) - target).abs().mean(dim=(1, 2, 3))

        (end,) = ascend(
            nearness,
            torch.from_numpy(starts[rows]).to(device),
            keep=(options.fit_steps,),
            learning_rate=options.fit_learning_rate,
            on_step=lambda: batch.advance(len(what)),
        )
        with torch.inference_mode():
            return end.cpu().numpy(), nearness(torch.tanh(end)).float().cpu().numpy()

    parts = batch.over(len(starts), fit)
    ends = np.concatenate([starts[:0], *(end for end, _ in parts)])
    near = np.concatenate([np.empty(0, np.float32), *(value for _, value in parts)])
    best = near.reshape(-1, m).argmax(axis=1) + m * np.arange(len(categories))
    nearest: npt.NDArray[np.float32] = ends[best]
    return nearest
