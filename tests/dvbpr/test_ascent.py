"""Start codes, Adam uphill against a second implementation, batches that shrink."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bench.device import torch_threads
from bench.errors import BenchError
from bench.progress import Progress
from dvbpr.ascent import Batch, ascend, start_codes

CPU = torch.device("cpu")


def test_start_codes_are_uniform_in_z(rng: np.random.Generator) -> None:
    codes = start_codes(4000, 5, rng)
    assert codes.shape == (4000, 5)
    assert codes.dtype == np.float32
    z = np.sort(np.tanh(codes.astype(np.float64)).ravel())
    # The largest gap between the empirical and the uniform distribution (Kolmogorov-Smirnov).
    gap = np.abs(np.arange(1, len(z) + 1) / len(z) - (z + 1) / 2).max()
    assert gap < 1.95 / len(z) ** 0.5  # 0.1 % by chance


def test_start_codes_are_the_papers_artanh() -> None:
    z = np.random.default_rng(5).uniform(-1, 1, size=(3, 4))
    expected = 0.5 * (np.log(1 + z) - np.log(1 - z))
    np.testing.assert_allclose(start_codes(3, 4, np.random.default_rng(5)), expected, rtol=1e-6)


def test_the_ends_of_the_interval_stay_finite() -> None:
    class Extreme:
        def uniform(self, low: float, high: float, size: tuple[int, int]) -> Any:
            return np.array([[-1.0, 1.0, 0.0]])

    codes = start_codes(1, 3, Extreme())  # type: ignore[arg-type]
    assert np.isfinite(codes).all()
    assert codes[0, 0] == -codes[0, 1]
    assert np.tanh(codes[0, 1]) > 0.99999
    assert codes[0, 2] == 0.0


def adam(start: np.ndarray, slope: Any, *, rate: float, steps: int) -> list[np.ndarray]:
    """Adam (Kingma and Ba 2015, algorithm 1) uphill, in NumPy: all iterates."""
    x, first, second, iterates = start.copy(), np.zeros_like(start), np.zeros_like(start), [start]
    for t in range(1, steps + 1):
        g = -slope(x)
        first = 0.9 * first + 0.1 * g
        second = 0.999 * second + 0.001 * g * g
        x = x - rate * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
        iterates.append(x)
    return iterates


def test_steps_are_adams(rng: np.random.Generator) -> None:
    peaks = rng.uniform(-0.8, 0.8, size=(7, 3))
    start = rng.normal(size=(7, 3))

    def slope(x: np.ndarray) -> np.ndarray:
        """Of -(tanh x - peak)² with respect to x."""
        return -2 * (np.tanh(x) - peaks) * (1 - np.tanh(x) ** 2)

    expected = adam(start, slope, rate=0.1, steps=12)
    kept = ascend(
        lambda z: -(z - torch.from_numpy(peaks)).square().sum(dim=1),
        torch.from_numpy(start),
        keep=(0, 1, 5, 12),
        learning_rate=0.1,
    )
    for place, step in enumerate((0, 1, 5, 12)):
        np.testing.assert_allclose(kept[place].numpy(), expected[step], rtol=1e-9)


def test_climbs_a_hill_to_its_top() -> None:
    peak = torch.tensor([[0.3, -0.7], [0.0, 0.9]], dtype=torch.float64)
    weights = torch.tensor([1.0, 30.0], dtype=torch.float64)

    def height(z: Tensor) -> Tensor:
        return -(weights * (z - peak).square()).sum(dim=1)

    start = torch.tensor([[-2.0, 2.0], [1.0, -1.0]], dtype=torch.float64)
    kept = ascend(height, start, keep=tuple(range(0, 401, 20)), learning_rate=0.05)
    heights = torch.stack([height(torch.tanh(code)) for code in kept])
    # Adam overshoots once, by a thousandth of the height that there is.
    assert bool((heights.diff(dim=0) > -1e-3 * -heights[0]).all())
    torch.testing.assert_close(torch.tanh(kept[-1]), peak, atol=5e-3, rtol=0)
    assert torch.equal(kept[0], start)


def test_stays_within_the_cube_where_the_top_is_outside() -> None:
    start, slope = torch.zeros(1, 2), torch.tensor([1.0, -1.0])
    ends = ascend(lambda z: (z * slope).sum(1), start, keep=(300,), learning_rate=0.05)
    z = torch.tanh(ends[0, 0])
    assert bool((z.abs() <= 1).all())
    assert z.tolist() == pytest.approx([1, -1], abs=0.01)


def test_each_code_goes_its_own_way(rng: np.random.Generator) -> None:
    start = torch.from_numpy(rng.normal(size=(6, 4)))
    mixing = torch.from_numpy(rng.normal(size=(4, 4)))

    def height(z: Tensor) -> Tensor:
        return torch.sin(3 * z @ mixing).sum(dim=1)

    together = ascend(height, start, keep=(30,), learning_rate=0.1)[0]
    for row in range(6):
        alone = ascend(height, start[[row]], keep=(30,), learning_rate=0.1)[0]
        torch.testing.assert_close(alone[0], together[row], rtol=1e-9, atol=1e-9)


def test_no_steps_and_the_callers_tensor_is_left_alone() -> None:
    start = torch.ones(2, 3)
    calls: list[int] = []

    def height(z: Tensor) -> Tensor:
        return z.sum(dim=1)

    def count() -> None:
        calls.append(1)

    with torch.no_grad():  # whoever calls may compute without gradients
        kept = ascend(height, start, keep=(0, 3), learning_rate=0.1, on_step=count)
    assert torch.equal(start, torch.ones(2, 3))
    assert len(calls) == 3
    assert bool((kept[1] > start).all())
    assert torch.equal(ascend(height, start, keep=(0,), learning_rate=0.1)[0], start)


@settings(max_examples=50, deadline=None)
@given(n_rows=st.integers(0, 40), wanted=st.integers(1, 50), fits=st.integers(1, 50))
def test_batches_cover_all_rows_once_in_order(n_rows: int, wanted: int, fits: int) -> None:
    """Also on a device that has memory for `fits` rows only."""
    batch = _one_after_another(wanted)

    def work(rows: slice) -> list[int]:
        taken = list(range(n_rows))[rows]
        if len(taken) > fits:
            raise torch.cuda.OutOfMemoryError
        return taken

    parts = batch.over(n_rows, work)
    assert [row for part in parts for row in part] == list(range(n_rows))
    assert all(1 <= len(part) <= min(wanted, fits) for part in parts)


def test_no_memory_for_one_image(caplog: pytest.LogCaptureFixture) -> None:
    def work(rows: slice) -> None:
        raise torch.cuda.OutOfMemoryError

    with (
        caplog.at_level("WARNING"),
        pytest.raises(BenchError, match="cpu has no memory to design a single image"),
    ):
        _one_after_another(4).over(9, work)
    assert [record.message.split(": ")[1] for record in caplog.records] == [
        "going on with 2",
        "going on with 1",
    ]


def _one_after_another(wanted: int) -> Batch:
    """Give batches as they are on a GPU."""
    batch = Batch(wanted, CPU, Progress("test"))
    batch.n_workers = 1
    return batch


@pytest.fixture
def side_by_side() -> Iterator[Batch]:
    with torch_threads(3):
        yield Batch(4, CPU, Progress("test"))


def test_threads_share_batches_each_alone_with_its_own(side_by_side: Batch) -> None:
    """Results come in order, every batch is computed on one thread, and at least two at a time."""
    meet = threading.Barrier(2, timeout=30)

    def work(rows: slice) -> tuple[slice, int]:
        if rows.start < 8:
            meet.wait()  # breaks if the first two are not computed at once
        side_by_side.advance(rows.stop - rows.start)
        return rows, torch.get_num_threads()

    done = side_by_side.over(18, work)
    assert [rows for rows, _ in done] == [slice(k, min(k + 4, 18)) for k in range(0, 18, 4)]
    assert {n_threads for _, n_threads in done} == {1}  # of three, for five batches
    assert torch.get_num_threads() == 3
    assert Batch(0, CPU, Progress("test")).size == 32


def test_threads_are_divided_among_few_batches() -> None:
    with torch_threads(5):
        batch = Batch(4, CPU, Progress("test"))
        assert batch.over(8, lambda rows: torch.get_num_threads()) == [2, 2]


def test_a_single_batch_has_all_threads(side_by_side: Batch) -> None:
    assert side_by_side.over(4, lambda rows: torch.get_num_threads()) == [3]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_ends_the_others(side_by_side: Batch, error: type[BaseException]) -> None:
    """They stop at their next step, and what waits does not start."""
    began: list[int] = []
    ended: list[int] = []
    failed = threading.Event()

    def work(rows: slice) -> None:
        began.append(rows.start)
        if rows.start == 0:
            while len(began) < 3:
                time.sleep(0.001)
            failed.set()
            raise error
        failed.wait(30)
        for _ in range(20_000):  # some 20 s, were it not told to stop
            side_by_side.advance(1)
            time.sleep(0.001)
        ended.append(rows.start)

    with pytest.raises(error):
        side_by_side.over(400, work)
    assert len(began) < 100
    assert not ended
    assert torch.get_num_threads() == 3
    assert side_by_side.over(3, lambda rows: rows.stop) == [3]
    assert side_by_side.over(9, lambda rows: rows.stop) == [4, 8, 9]
