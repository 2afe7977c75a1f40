"""The fused path: equal to brute force, ties exact to the last bit, settings restored."""

import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import as_rows, known_of, rank_counts

from bench.datasets.dataset import NO_ITEM, Interactions
from bench.errors import BenchError, NonFiniteScoreError
from bench.evaluation import counts as counts_module
from bench.evaluation import fused
from bench.evaluation.counts import RankCounts, RankingTask, count_scores
from bench.evaluation.fused import TileShape, count_factors
from bench.recommender import Factors


def integer_factors(rng: np.random.Generator, n_users: int, n_items: int, k: int) -> Factors:
    """Small whole numbers: every float32 product is exact, and ties abound."""
    draw = rng.integers
    return Factors(
        draw(-2, 3, size=(n_users, k)).astype(np.float32),
        draw(-2, 3, size=(n_items, k)).astype(np.float32),
        draw(-1, 2, size=n_items).astype(np.float32),
    )


def random_known(
    rng: np.random.Generator, n_users: int, n_items: int, n_kinds: int
) -> tuple[list[npt.NDArray[np.int32]], Interactions, list[list[int]]]:
    targets = rng.integers(NO_ITEM, n_items, size=(n_kinds, n_users), dtype=np.int32)
    share = rng.choice([0.1, 0.5, 1.0], size=n_users)  # 1: a user who knows all items
    rows = []
    for user in range(n_users):
        trained = np.flatnonzero(rng.random(n_items) < share[user])
        held_out = targets[:, user][targets[:, user] != NO_ITEM]
        rows.append(np.union1d(trained, held_out).tolist())
    return list(targets), known_of(rows, n_items), rows


def torch_path(
    factors: Factors, targets: list[npt.NDArray[np.int32]], known: Interactions, shape: TileShape
) -> list[RankCounts]:
    """What a GPU does, with the tensors on the CPU."""
    task = RankingTask.of(targets, known)
    counter = fused._Counter(factors, task, torch.device("cpu"), shape)
    return task.results(*counter.run(counter.torch_worker, 1))


@settings(deadline=None)  # the first example compiles or loads the kernels
@given(
    seed=st.integers(0, 2**32),
    n_users=st.integers(0, 20),
    n_items=st.integers(1, 150),
    k=st.integers(0, 5),
    n_kinds=st.integers(1, 3),
    threads=st.integers(1, 3),
    tile_items=st.sampled_from([64, 128, 2048]),
    tile_users=st.sampled_from([1, 4, 128]),
)
def test_equals_brute_force(
    seed: int,
    n_users: int,
    n_items: int,
    k: int,
    n_kinds: int,
    threads: int,
    tile_items: int,
    tile_users: int,
) -> None:
    rng = np.random.default_rng(seed)
    factors = integer_factors(rng, n_users, n_items, k)
    targets, known, rows = random_known(rng, n_users, n_items, n_kinds)
    scores = factors.score(np.arange(n_users))
    shape = TileShape(tile_users, tile_items)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused, "CPU_TILE", shape)
        counted = count_factors(factors, targets, known, threads=threads)
    by_tensors = torch_path(factors, targets, known, shape)
    by_scores = count_scores(factors.score, targets, known)
    for kind, target in enumerate(targets):
        expected = rank_counts(scores, target, rows)
        assert as_rows(counted[kind]) == expected
        assert as_rows(by_tensors[kind]) == expected
        assert as_rows(by_scores[kind]) == expected


@pytest.mark.parametrize("n_items", [1, 63, 65, 2047, 2049, 4500])
@pytest.mark.parametrize("k", [1, 7, 50, 64])
def test_equal_item_vectors_tie_wherever_they_stand(n_items: int, k: int) -> None:
    """The same random vector at several places of the catalogue is one score, to the last bit."""
    rng = np.random.default_rng([n_items, k])
    n_users = 150
    copies = rng.choice(n_items, size=min(n_items, 40), replace=False)
    item_factors = rng.standard_normal((n_items, k), dtype=np.float32)
    item_bias = rng.standard_normal(n_items, dtype=np.float32)
    item_factors[copies], item_bias[copies] = item_factors[copies[0]], item_bias[copies[0]]
    users = rng.standard_normal((n_users, k), dtype=np.float32)
    target = rng.choice(copies, size=n_users).astype(np.int32)
    known = known_of([[int(item)] for item in target], n_items)
    factors = Factors(users, item_factors, item_bias)
    for counts in (
        count_factors(factors, [target], known)[0],
        torch_path(factors, [target], known, TileShape(64, 1024))[0],
    ):
        assert counts.n_equal[counts.present].tolist() == [len(copies) - 1] * counts.present.sum()


def test_random_factors_agree_with_the_generic_path(rng: np.random.Generator) -> None:
    n_users, n_items, k = 300, 5000, 50
    factors = Factors(
        rng.standard_normal((n_users, k), dtype=np.float32),
        rng.standard_normal((n_items, k), dtype=np.float32),
        rng.standard_normal(n_items, dtype=np.float32),
    )
    targets, known, _ = random_known(rng, n_users, n_items, 2)
    for fast, slow in zip(
        count_factors(factors, targets, known),
        count_scores(factors.score, targets, known),
        strict=True,
    ):
        # Sums in another order may swap two scores that differ in the last bits, no more.
        assert np.abs(fast.n_less - slow.n_less).max() <= 2
        assert fast.n_negatives.tolist() == slow.n_negatives.tolist()


def test_threads_and_company_change_nothing(rng: np.random.Generator) -> None:
    factors = Factors(
        rng.standard_normal((500, 13), dtype=np.float32),
        rng.standard_normal((3000, 13), dtype=np.float32),
        np.zeros(3000, dtype=np.float32),
    )
    (target, *_), known, _ = random_known(rng, 500, 3000, 1)
    (alone,) = count_factors(factors, [target], known, threads=1)
    (together,) = count_factors(factors, [target], known, threads=4)
    assert as_rows(alone) == as_rows(together)
    some = np.where(np.arange(500) % 7, NO_ITEM, target)
    (fewer,) = count_factors(factors, [some], known, threads=2)
    assert fewer.n_less[::7].tolist() == alone.n_less[::7].tolist()


def tiny(**replaced: npt.NDArray[np.float32]) -> Factors:
    parts = {
        "user_factors": np.ones((3, 2), np.float32),
        "item_factors": np.ones((4, 2), np.float32),
        "item_bias": np.zeros(4, np.float32),
    }
    return Factors(**{**parts, **replaced})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_factors_name_recommender_and_user(bad: float) -> None:
    known = known_of([[0], [1], [2]], 4)
    target = np.array([NO_ITEM, 1, 2])
    users, items, bias = np.ones((3, 2)), np.ones((4, 2)), np.zeros(4)
    users[2, 1] = items[3, 0] = bias[3] = bad
    for factors, message in (
        (tiny(user_factors=users.astype(np.float32)), "user 2: the user's factors"),
        (tiny(item_factors=items.astype(np.float32)), "user 1: the factors of item 3"),
        (tiny(item_bias=bias.astype(np.float32)), "user 1: the factors of item 3"),
    ):
        with pytest.raises(NonFiniteScoreError, match=f"mine gave NaN or infinite .* {message}"):
            count_factors(factors, [target], known, name="mine")


def test_overflow_is_found() -> None:
    known = known_of([[0], [1], [2]], 4)
    big = np.full((3, 2), 1e20, np.float32)
    target = np.array([0, 1, 2])
    huge = tiny(user_factors=big, item_factors=np.full((4, 2), 1e20, np.float32))
    with pytest.raises(NonFiniteScoreError, match="mine gave NaN or infinite scores to user 0"):
        count_factors(huge, [target], known, name="mine")
    # The bound is coarse: scores that come near the edge but stay finite are counted.
    near = tiny(user_factors=big, item_factors=np.full((4, 2), 1.5e18, np.float32))
    assert fused._may_overflow(near, np.arange(3))
    (counts,) = count_factors(near, [target], known)
    assert as_rows(counts) == [(0, 3, 3)] * 3


def test_a_product_that_depends_on_the_column_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known = known_of([[0], [1], [2]], 4)
    product = torch.mm

    def uneven(
        a: torch.Tensor, b: torch.Tensor, *, out: torch.Tensor | None = None
    ) -> torch.Tensor:
        result = product(a, b)
        result[:, 1] *= 1.0001
        return result if out is None else out.copy_(result)

    monkeypatch.setattr(torch, "mm", uneven)
    (counts,) = count_factors(tiny(), [np.array([0, 1, 2])], known, name="mine")
    assert as_rows(counts) == [(0, 3, 3)] * 3
    assert "mine: products depend on the column" in caplog.text


def test_settings_are_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    known = known_of([[0], [1], [2]], 4)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.set_float32_matmul_precision("high")
    try:
        count_factors(tiny(), [np.array([0, 1, 2])], known)
        assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (2, "high")

        def broken(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(fused._Counter, "_block", broken)
        with pytest.raises(KeyboardInterrupt):
            count_factors(tiny(), [np.array([0, 1, 2])], known)
        assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (2, "high")
    finally:
        torch.set_num_threads(before)
        torch.set_float32_matmul_precision("highest")


def test_an_error_in_one_thread_stops_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def worker(self: object) -> Callable[[int], fused.Counts]:
        def count_block(start: int) -> fused.Counts:
            started.append(start)
            if start == 0:
                raise RuntimeError("broken block")
            time.sleep(0.01)
            return np.zeros((1, 1), np.int64), np.zeros((1, 1), np.int64)

        return count_block

    monkeypatch.setattr(fused._Counter, "cpu_worker", worker)
    monkeypatch.setattr(fused, "CPU_TILE", TileShape(1, 64))
    rows = [[user % 4] for user in range(500)]
    factors = tiny(user_factors=np.ones((500, 2), np.float32))
    with pytest.raises(RuntimeError, match="broken block"):
        count_factors(factors, [np.arange(500) % 4], known_of(rows, 4), threads=2)
    assert len(started) < 250  # the other thread did not go through the queue


def test_unknown_device() -> None:
    with pytest.raises(BenchError, match="unknown device 'tpu'"):
        count_factors(tiny(), [np.array([0, 1, 2])], known_of([[0], [1], [2]], 4), device="tpu")


def test_import_is_light() -> None:
    program = (
        "import sys, bench.evaluation;"
        "print(sorted({'torch', 'numba', 'scipy', 'baselines', 'dvbpr'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_kernels_work_without_a_writable_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    from bench.evaluation import kernels

    compile_function = numba.njit

    def no_cache(*, nogil: bool, cache: bool = False):  # type: ignore[no-untyped-def]
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return compile_function(nogil=nogil)

    monkeypatch.setattr(numba, "njit", no_cache)

    def double(x: float) -> float:
        return 2 * x

    assert kernels._compiled(double)(2.0) == 4.0


def test_generic_batches_stay_below_64_megabytes() -> None:
    assert counts_module._batch_users(234_892) * 234_892 * 4 <= 64 << 20
    assert counts_module._batch_users(10**9) == 1
