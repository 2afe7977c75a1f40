"""The evaluator for factor models: a blocked product with the comparison right behind it.

A tile of scores, small enough for a core's cache, is multiplied out and counted before the next one
overwrites it, so the score matrix (61 GB for the paper's Amazon Fashion) never exists. A held-out
item's own score comes from a product of the same shape, so that an item with the same factors as
the held-out one has the same score to the last bit and counts as a tie.
"""

import logging
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import NO_ITEM, Interactions
from bench.device import available_threads, resolve_device
from bench.errors import NonFiniteScoreError
from bench.evaluation.counts import RankCounts, RankingTask, Targets, count_scores
from bench.recommender import Factors

if TYPE_CHECKING:
    import torch

__all__ = ["count_factors"]

_log = logging.getLogger(__name__)

Counts = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""How many are less and how many equal: int64 (n_kinds, users of a block) each."""


@dataclass(frozen=True)
class TileShape:
    """How much is multiplied at a time.

    Attributes
    ----------
    n_users, n_items
        Rows and columns of a tile of scores.
    """

    n_users: int
    n_items: int


CPU_TILE = TileShape(1024, 1024)
"""4 MB. Every block of users streams all item factors (48 MB at the paper's size) from memory: the
more users a block has, the less often. Blocks of 128 took a third longer (benchmarks/README.md)."""

GPU_TILE = TileShape(4096, 16384)
"""256 MB: enough work per launch to keep a card busy."""


def count_factors(
    factors: Factors,
    targets: Targets,
    known: Interactions,
    *,
    device: str = "cpu",
    threads: int | None = None,
    name: str = "the model",
) -> list[RankCounts]:
    """Count from factors, without a score matrix in memory.

    Neither `threads` nor the other users change a count: blocks are always of the same shape.

    Parameters
    ----------
    factors
        The model; scores are float32 products with the bias as one more factor.
    targets
        int (n_users,) each, `NO_ITEM` where a user has none; all are counted in one pass.
    known
        All items of each user, the targets among them; every other item is a negative.
    device
        `auto`, `cpu`, `cuda` or `cuda:N`.
    threads
        Processor threads on a CPU; by default all that this process may use.
    name
        The recommender, for error messages.

    Returns
    -------
    One `RankCounts` per entry of `targets`.

    Raises
    ------
    NonFiniteScoreError
        A score is NaN or infinite.
    """
    where = resolve_device(device)
    task = RankingTask.of(targets, known)
    if not len(task.users):
        return task.results(*np.zeros((2, len(targets), 0), dtype=np.int64))
    _check_finite(factors, task.users, name)
    if _may_overflow(factors, task.users):
        with np.errstate(over="ignore", invalid="ignore"):  # an error of ours follows, or nothing
            return count_scores(factors.score, targets, known, name=name)
    with _plain_products():
        counter = _Counter(factors, task, where, CPU_TILE if where.type == "cpu" else GPU_TILE)
        if not counter.columns_agree():
            _log.warning("%s: products depend on the column here, using whole scores", name)
            return count_scores(factors.score, targets, known, name=name)
        if where.type == "cpu":
            n_less, n_equal = counter.run(counter.cpu_worker, threads or available_threads())
        else:
            n_less, n_equal = counter.run(counter.torch_worker, 1)
    return task.results(n_less, n_equal)


class _Counter:
    """One counting pass: item tiles on the device, blocks of users over them."""

    def __init__(
        self, factors: Factors, task: RankingTask, device: "torch.device", largest: TileShape
    ) -> None:
        import torch

        n_items, n_factors = factors.item_factors.shape
        width = min(largest.n_items, 64 * math.ceil(n_items / 64))
        n_tiles = math.ceil(n_items / width)
        # Every tile is full: columns of zeros make up the last one, and are not counted.
        tiles = np.zeros((n_tiles, n_factors + 1, width), dtype=np.float32)
        for index, tile in enumerate(tiles):
            _fill_columns(tile, factors, slice(index * width, (index + 1) * width))
        self.factors = factors
        self.task = task
        self.device = device
        self.shape = TileShape(largest.n_users, width)
        self.tiles = torch.from_numpy(tiles).to(device)  # (n_tiles, K + 1, width)

    def columns_agree(self) -> bool:
        """Say whether equal columns give equal scores wherever they stand in a tile.

        Tie counting rests on it. No BLAS promises it; those seen so far do it.
        """
        import torch

        rng = np.random.default_rng(0)
        n_rows = self.tiles.shape[1]
        users = rng.standard_normal((self.shape.n_users, n_rows), dtype=np.float32)
        column = rng.standard_normal((n_rows, 1), dtype=np.float32)
        columns = np.repeat(column, self.shape.n_items, axis=1)
        scores = torch.mm(self._put(users), self._put(columns))
        return bool((scores == scores[:, :1]).all())

    def run(self, make_worker: Callable[[], Callable[[int], Counts]], threads: int) -> Counts:
        """Count all blocks of users with `threads` workers; int64 (n_kinds, n_active) each."""
        n_active = len(self.task.users)
        n_less, n_equal = np.zeros((2, len(self.task.targets), n_active), dtype=np.int64)
        blocks: SimpleQueue[int] = SimpleQueue()
        for start in range(0, n_active, self.shape.n_users):
            blocks.put(start)
        stop = Event()

        def work() -> None:
            count_block = make_worker()
            while not stop.is_set():
                try:
                    start = blocks.get_nowait()
                except Empty:
                    return
                end = min(start + self.shape.n_users, n_active)
                less, equal = count_block(start)
                n_less[:, start:end] = less[:, : end - start]
                n_equal[:, start:end] = equal[:, : end - start]

        threads = min(threads, blocks.qsize())
        if threads <= 1:
            work()
            return n_less, n_equal
        with ThreadPoolExecutor(threads, thread_name_prefix="count") as executor:
            try:
                for future in [executor.submit(work) for _ in range(threads)]:
                    future.result()
            finally:
                stop.set()  # after an error or Ctrl-C the others end with the block at hand
        return n_less, n_equal

    def cpu_worker(self) -> Callable[[int], Counts]:
        """Make the counter of one thread: compiled comparison on a tile still in cache."""
        import torch

        from bench.evaluation.kernels import count_tile

        known, width = self.task.known, self.shape.n_items
        tile = torch.empty(self.shape.n_users, width)
        tile_array = tile.numpy()

        def count_block(start: int) -> Counts:
            rows, users, items = self._block(start)
            target_scores = self._target_scores(users, items, tile).numpy()
            less, equal = np.zeros((2, *items.shape), dtype=np.int64)
            place, end = np.zeros((2, self.shape.n_users), dtype=np.int64)
            place[: len(rows)], end[: len(rows)] = known.indptr[rows], known.indptr[rows + 1]
            for index, columns in enumerate(self.tiles):
                torch.mm(users, columns, out=tile)
                first = index * width
                n_columns = min(width, known.n_items - first)
                count_tile(
                    tile_array,
                    first,
                    n_columns,
                    target_scores,
                    known.indices,
                    place,
                    end,
                    less,
                    equal,
                )
            return less, equal

        return count_block

    def torch_worker(self) -> Callable[[int], Counts]:
        """Make the counter of a GPU: the same blocks, compared by tensor operations."""
        import torch

        n_items, width = self.task.known.n_items, self.shape.n_items
        tile = torch.empty(self.shape.n_users, width, device=self.device)

        def count_block(start: int) -> Counts:
            rows, users, items = self._block(start)
            target_scores = self._target_scores(users, items, tile)[:, :, None]  # (n_kinds, B, 1)
            known_rows, known_items, bounds = self._known_by_tile(rows)
            counts = torch.zeros((2, *items.shape), dtype=torch.int64, device=self.device)
            for index, columns in enumerate(self.tiles):
                torch.mm(users, columns, out=tile)
                first = index * width
                tile[:, n_items - first :] = torch.inf  # padding, in the last tile only
                here = slice(bounds[index], bounds[index + 1])
                tile[known_rows[here], known_items[here] - first] = torch.inf
                for kind, reference in enumerate(target_scores):
                    counts[0, kind] += (tile < reference).sum(dim=1)
                    counts[1, kind] += (tile == reference).sum(dim=1)
            less, equal = counts.cpu().numpy()
            return less, equal

        return count_block

    def _block(
        self, start: int
    ) -> tuple[npt.NDArray[np.int64], "torch.Tensor", npt.NDArray[np.int32]]:
        """Give a block's row numbers, its factors (B, K + 1) and its targets (n_kinds, B)."""
        rows = self.task.users[start : start + self.shape.n_users]
        users = np.zeros((self.shape.n_users, self.tiles.shape[1]), dtype=np.float32)
        users[: len(rows), :-1] = self.factors.user_factors[rows]
        users[: len(rows), -1] = 1.0  # meets the item bias
        items = np.full((len(self.task.targets), self.shape.n_users), NO_ITEM, dtype=np.int32)
        items[:, : len(rows)] = self.task.targets[:, rows]
        return rows, self._put(users), items

    def _target_scores(
        self, users: "torch.Tensor", items: npt.NDArray[np.int32], tile: "torch.Tensor"
    ) -> "torch.Tensor":
        """Score each user's targets by a product of the same shape; NaN where there is none."""
        import torch

        n_users, width = self.shape.n_users, self.shape.n_items
        flat = items.reshape(-1)  # (n_kinds * B,)
        scores = torch.empty(len(flat), device=self.device)
        for first in range(0, len(flat), width):
            chosen = flat[first : first + width]
            columns = np.zeros((self.tiles.shape[1], width), dtype=np.float32)
            _fill_columns(columns, self.factors, np.maximum(chosen, 0))
            torch.mm(users, self._put(columns), out=tile)
            places = np.arange(len(chosen))
            rows = self._put((first + places) % n_users)
            scores[first : first + width] = tile[rows, self._put(places)]
        scores[self._put(flat == NO_ITEM)] = torch.nan
        return scores.reshape(items.shape)

    def _known_by_tile(
        self, rows: npt.NDArray[np.int64]
    ) -> tuple["torch.Tensor", "torch.Tensor", npt.NDArray[np.int64]]:
        """Give the block's known pairs in item order, and where each tile's begin."""
        known = self.task.known
        lengths = known.indptr[rows + 1] - known.indptr[rows]
        places = np.repeat(np.arange(len(rows)), lengths)
        items = np.concatenate([known.of(int(row)) for row in rows]).astype(np.int64)
        order = np.argsort(items, kind="stable")
        edges = np.arange(len(self.tiles) + 1) * self.shape.n_items
        bounds = np.searchsorted(items[order], edges).astype(np.int64)
        return self._put(places[order]), self._put(items[order]), bounds

    def _put(self, array: npt.NDArray[np.generic]) -> "torch.Tensor":
        import torch

        return torch.from_numpy(array).to(self.device)


def _fill_columns(
    columns: npt.NDArray[np.float32], factors: Factors, items: slice | npt.NDArray[np.int32]
) -> None:
    """Write factors and, below them, the bias of `items` into (K + 1, at least as many)."""
    item_factors = factors.item_factors[items]
    columns[:-1, : len(item_factors)] = item_factors.T
    columns[-1, : len(item_factors)] = factors.item_bias[items]


def _check_finite(factors: Factors, users: npt.NDArray[np.int64], name: str) -> None:
    bad_users = ~np.isfinite(factors.user_factors[users]).all(axis=1)
    bad_items = ~np.isfinite(factors.item_factors).all(axis=1) | ~np.isfinite(factors.item_bias)
    advice = "a smaller learning rate or scaled features often help"
    if bad_items.any():  # then every user is given such a score
        raise NonFiniteScoreError(
            f"{name} gave NaN or infinite scores to user {users[0]}: the factors of item "
            f"{bad_items.argmax()} are not finite; {advice}"
        )
    if bad_users.any():
        raise NonFiniteScoreError(
            f"{name} gave NaN or infinite scores to user {users[bad_users.argmax()]}: "
            f"the user's factors are not finite; {advice}"
        )


def _may_overflow(factors: Factors, users: npt.NDArray[np.int64]) -> bool:
    """Say whether a score, or a partial sum of one, might leave float32 (Cauchy-Schwarz)."""

    def largest_norm(rows: npt.NDArray[np.float32]) -> float:
        squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        return math.sqrt(squares.max(initial=0.0))

    bound = largest_norm(factors.user_factors[users]) * largest_norm(factors.item_factors)
    bound += float(np.abs(factors.item_bias).max(initial=0.0))
    return bound > 0.5 * float(np.finfo(np.float32).max)


@contextmanager
def _plain_products() -> Iterator[None]:
    """Make PyTorch multiply in full float32 on one thread each, and undo that afterwards.

    Parallelism comes from one Python thread per core, each with its own tile. The settings are the
    process's: other threads that multiply meanwhile are slowed down, not changed.
    """
    import torch

    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
