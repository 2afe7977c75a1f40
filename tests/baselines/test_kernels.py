"""The compiled loops against NumPy, repeated rows included."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines import kernels
from baselines.kernels import adagrad_rows, row_differences


@settings(deadline=None)  # the first example compiles or loads the kernels
@given(seed=st.integers(0, 2**32), n=st.integers(1, 6), k=st.integers(0, 40), b=st.integers(0, 20))
def test_adagrad_moves_a_repeated_row_by_every_gradient(seed: int, n: int, k: int, b: int) -> None:
    rng = np.random.default_rng(seed)
    table, sums = rng.standard_normal((n, k)), 0.1 + rng.random((n, k))
    rows, gradient = rng.integers(n, size=b), rng.standard_normal((b, k)).astype(np.float32)
    got_table, got_sums = table.astype(np.float32), sums.astype(np.float32)
    adagrad_rows(got_table, got_sums, rows, gradient, np.float32(0.3))
    np.add.at(sums, rows, gradient.astype(np.float64) ** 2)
    np.add.at(table, rows, -0.3 * gradient / np.sqrt(sums[rows]))
    np.testing.assert_allclose(got_sums, sums, rtol=1e-5)
    np.testing.assert_allclose(got_table, table, rtol=1e-4, atol=1e-5)


def test_row_differences(rng: np.random.Generator) -> None:
    table = rng.standard_normal((9, 37), dtype=np.float32)
    first, second = rng.integers(9, size=(2, 50))
    out = np.full((50, 37), np.nan, dtype=np.float32)
    row_differences(table, first, second, out)
    np.testing.assert_array_equal(out, table[first] - table[second])


def test_they_work_without_a_writable_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_function = numba.njit

    def no_cache(*, cache: bool = False, **options: Any) -> Callable[..., Any]:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        compiled: Callable[..., Any] = compile_function(**options)
        return compiled

    monkeypatch.setattr(numba, "njit", no_cache)

    def double(x: float) -> float:
        return 2 * x

    assert kernels._compiled(double)(2.0) == 4.0
