"""How diverse generated images are: structural similarity, and its opposite mean (paper, IV-C)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.device import available_threads
from bench.errors import BenchError

__all__ = ["Diversity", "SsimOptions", "opposite_mean_ssim", "ssim"]

_BLOCK_BYTES = 1 << 20
"""Of images in float64; about ten times as much lies in memory while a block is compared."""

_LUMA = np.array([0.299, 0.587, 0.114])
"""Rec. 601, as the reference implementation of SSIM turns colour into luminance."""


@dataclass(frozen=True, kw_only=True)
class SsimOptions:
    """How two images are compared (Wang, Bovik, Sheikh, Simoncelli 2004).

    Attributes
    ----------
    window
        "gaussian", as in that paper, or "uniform", all pixels of the window alike.
    window_size
        Side of the square window in pixels, odd.
    sigma
        Standard deviation of the Gaussian in pixels.
    k1, k2
        The constants of (6) there, shares of the data range.
    data_range
        Largest value a pixel can have, the smallest being 0: 255 for bytes.
    colour
        "grey": luminance alone, as there; "rgb": the mean over the three channels.
    size
        Side in pixels that images are brought to before they are compared, by a triangle filter
        that widens with the reduction (Pillow's bilinear); None: as they are.
    """

    window: Literal["gaussian", "uniform"] = "gaussian"
    window_size: int = 11
    sigma: float = 1.5
    k1: float = 0.01
    k2: float = 0.03
    data_range: float = 255.0
    colour: Literal["grey", "rgb"] = "grey"
    size: int | None = None

    def __post_init__(self) -> None:
        if self.window not in ("gaussian", "uniform") or self.colour not in ("grey", "rgb"):
            raise ValueError("window must be gaussian or uniform, colour grey or rgb")
        if self.window_size < 1 or self.window_size % 2 == 0:
            raise ValueError(f"window_size must be odd and positive, got {self.window_size}")
        # Written so that NaN is refused, too.
        for name in ("sigma", "k1", "k2", "data_range"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name)}")
        if self.size is not None and self.size < self.window_size:
            raise ValueError(f"size must be at least the window's {self.window_size} pixels")

    def __str__(self) -> str:
        shape = f"Gaussian, sigma {self.sigma:g}" if self.window == "gaussian" else "uniform"
        size = "" if self.size is None else f", at {self.size} x {self.size} pixels"
        return (
            f"SSIM of {self.colour} images{size}, {self.window_size} x {self.window_size} window "
            f"({shape}), K1 {self.k1:g}, K2 {self.k2:g}, data range {self.data_range:g}"
        )


class Diversity(NamedTuple):
    """How different the images of a query are from each other, over queries.

    Attributes
    ----------
    mean, std
        Over queries; the standard deviation divides by their number.
    n_queries, n_images
        Queries, and images per query.
    values
        float64 (n_queries,): 1 - mean SSIM over the query's pairs; from 0 (all the same) to 2.
    """

    mean: float
    std: float
    n_queries: int
    n_images: int
    values: npt.NDArray[np.float64]


def ssim(
    first: npt.NDArray[Any],
    second: npt.NDArray[Any],
    options: SsimOptions | None = None,
    *,
    threads: int | None = None,
) -> npt.NDArray[np.float64]:
    """Compare images pair by pair.

    Parameters
    ----------
    first, second
        (n, H, W, 3) or, for grey, (n, H, W) each: uint8 or floating, values from 0 to
        `options.data_range`.
    options
        Window, colour, size; by default Wang 2004's.
    threads
        Threads that compare; all cores by default. They change nothing but the time.

    Returns
    -------
    float64 (n,)
        The mean of the SSIM map over all places where the window fits, -1..1; 1 for equal images.

    Raises
    ------
    BenchError
        Images smaller than the window.
    ValueError
        Shapes that do not fit, or values outside the data range.

    Notes
    -----
    Source: Wang et al. 2004, (13) with weights (14) to (16). Variances divide by the sum of the
    weights, without Bessel's correction.
    """
    if first.shape != second.shape:
        raise ValueError(f"pairs need equal shapes, got {first.shape} and {second.shape}")
    compare = _Comparison(options or SsimOptions(), first.shape[1:])

    def block(start: int, stop: int) -> npt.NDArray[np.float64]:
        return compare(np.stack([first[start:stop], second[start:stop]], axis=1))[:, 0]

    return _in_blocks(block, len(first), compare.groups_per_block(2), threads)


def opposite_mean_ssim(
    returned: npt.NDArray[Any],
    options: SsimOptions | None = None,
    *,
    threads: int | None = None,
) -> Diversity:
    """Measure how diverse the images are that each query returns (paper, IV-C; Table IV).

    Parameters
    ----------
    returned
        (n_queries, k, H, W, 3), k >= 2: what each query returned; uint8 or floating, values from 0
        to `options.data_range`. May be memory-mapped: it is read block by block.
    options, threads
        As for `ssim`.

    Raises
    ------
    BenchError
        No queries, fewer than two images a query, or images smaller than the window.

    Notes
    -----
    "Opposite" is 1 - SSIM; the mean is over the k (k - 1) / 2 pairs of a query's images first, then
    over queries.
    """
    n_queries, n_images = returned.shape[:2]
    if not n_queries or n_images < 2:
        raise BenchError(
            f"diversity is of pairs of a query's images: {n_queries} queries of {n_images} images "
            "have none; return at least 2"
        )
    compare = _Comparison(options or SsimOptions(), returned.shape[2:])

    def block(start: int, stop: int) -> npt.NDArray[np.float64]:
        opposite: npt.NDArray[np.float64] = 1.0 - compare(returned[start:stop]).mean(axis=1)
        return opposite

    values = _in_blocks(block, n_queries, compare.groups_per_block(n_images), threads)
    return Diversity(float(values.mean()), float(values.std()), n_queries, n_images, values)


class _Comparison:
    """SSIM of all pairs within groups of images of one shape.

    A separable window is two matrix products, which is what makes thousands of images quick.
    """

    def __init__(self, options: SsimOptions, shape: tuple[int, ...]) -> None:
        if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)):
            raise ValueError(f"images must be (H, W) or (H, W, 3), got {shape}")
        if len(shape) == 2 and options.colour == "rgb":
            raise ValueError("images of one channel cannot be compared as rgb")
        if 0 in shape:
            raise ValueError(f"images have no pixels: {shape}")
        self._options, self._shape = options, shape
        sides = shape[:2] if options.size is None else (options.size, options.size)
        if min(sides) < options.window_size:
            raise BenchError(
                f"SSIM's window has {options.window_size} pixels, the images only "
                f"{sides[0]} x {sides[1]}; choose a smaller window or a larger size"
            )
        self._resize = tuple(
            None if n == n_new else _resampling(n, n_new)
            for n, n_new in zip(shape[:2], sides, strict=True)
        )
        weights = _window(options)
        self._filter = tuple(_sliding(weights, n) for n in sides)

    def groups_per_block(self, n_images: int) -> int:
        return max(1, _BLOCK_BYTES // (8 * n_images * int(np.prod(self._shape))))

    def __call__(self, groups: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Give the mean SSIM of each pair, (q, k (k - 1) / 2), for groups (q, k, *shape)."""
        c1 = (self._options.k1 * self._options.data_range) ** 2
        c2 = (self._options.k2 * self._options.data_range) ** 2
        x = self._channels(groups)  # (q, k, c, H, W)
        mean = _separable(x, *self._filter)
        variance = _separable(x * x, *self._filter) - mean * mean
        pairs = []
        for i in range(x.shape[1]):
            for j in range(i + 1, x.shape[1]):
                product = mean[:, i] * mean[:, j]
                covariance = _separable(x[:, i] * x[:, j], *self._filter) - product
                squares = mean[:, i] ** 2 + mean[:, j] ** 2
                similarity = (2 * product + c1) * (2 * covariance + c2)
                similarity /= (squares + c1) * (variance[:, i] + variance[:, j] + c2)
                pairs.append(similarity.mean(axis=(1, 2, 3)))
        return np.stack(pairs, axis=1)

    def _channels(self, groups: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Check, convert and resize: (q, k, H, W[, 3]) to float64 (q, k, c, H', W')."""
        x = groups.astype(np.float64)
        # Written so that NaN is refused, too.
        if x.size and not (x.min() >= 0 and x.max() <= self._options.data_range):
            raise ValueError(
                f"images must have values from 0 to the data range {self._options.data_range:g}"
            )
        if x.ndim == 4:
            x = x[:, :, None]
        elif self._options.colour == "grey":
            x = (x @ _LUMA)[:, :, None]
        else:
            x = np.moveaxis(x, -1, 2)
        return _separable(x, *self._resize)


def _in_blocks(
    block: Callable[[int, int], npt.NDArray[np.float64]], n: int, size: int, threads: int | None
) -> npt.NDArray[np.float64]:
    """Put together what `block` gives for rows 0 to `size`, and so on; several at a time.

    Threads take whole blocks: BLAS's own would wait for each other at every small product.
    """
    from joblib import Parallel, delayed
    from threadpoolctl import threadpool_limits

    with (
        threadpool_limits(1, user_api="blas"),
        Parallel(n_jobs=threads or available_threads(), backend="threading") as parallel,
    ):
        parts = parallel(delayed(block)(at, min(at + size, n)) for at in range(0, n, size))
    return np.concatenate([np.empty(0), *parts])


def _separable(
    x: npt.NDArray[np.float64],
    rows: npt.NDArray[np.float64] | None,
    columns: npt.NDArray[np.float64] | None,
) -> npt.NDArray[np.float64]:
    """Give `rows @ x @ columns.T` of every map (..., H, W); None leaves an axis as it is."""
    if columns is not None:
        flat = np.ascontiguousarray(x).reshape(-1, x.shape[-1]) @ columns.T
        x = flat.reshape(*x.shape[:-1], len(columns))
    return x if rows is None else rows @ x


def _window(options: SsimOptions) -> npt.NDArray[np.float64]:
    """Give the window along one axis; its outer product with itself is the window."""
    if options.window == "uniform":
        return np.full(options.window_size, 1 / options.window_size)
    away = np.arange(options.window_size) - options.window_size // 2
    weights = np.exp(-(away**2) / (2 * options.sigma**2))
    scaled: npt.NDArray[np.float64] = weights / weights.sum()
    return scaled


def _sliding(weights: npt.NDArray[np.float64], n: int) -> npt.NDArray[np.float64]:
    """Give the matrix (n - w + 1, n) whose rows are `weights` at each place where they fit."""
    matrix = np.zeros((n - len(weights) + 1, n))
    for row in range(len(matrix)):
        matrix[row, row : row + len(weights)] = weights
    return matrix


def _resampling(n: int, n_new: int) -> npt.NDArray[np.float64]:
    """Give the matrix (n_new, n) of a triangle filter that widens with the reduction."""
    scale = n / n_new
    centres = (np.arange(n_new) + 0.5) * scale
    away = np.abs(np.arange(n) + 0.5 - centres[:, None]) / max(scale, 1.0)
    weights = np.maximum(1.0 - away, 0.0)
    scaled: npt.NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return scaled
