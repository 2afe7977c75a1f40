"""FID against SciPy's matrix root, KID against loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

import bench.evaluation.image_distance as module
from bench.errors import BenchError
from bench.evaluation.image_distance import frechet_distance, kernel_distance


def by_definition(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x.astype(np.float64), y.astype(np.float64)
    s, t = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = sqrtm(s @ t)
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root.real))


def samples(rng: np.random.Generator, n: int, d: int, shift: float = 0.0) -> np.ndarray:
    """Features with correlations and scales from 0.1 to 10."""
    mixing = rng.standard_normal((d, d)) * np.geomspace(0.1, 10, d)
    return (rng.standard_normal((n, d)) @ mixing + shift).astype(np.float32)


def test_frechet_distance_is_the_definition(rng: np.random.Generator) -> None:
    x, y = samples(rng, 300, 12), samples(rng, 200, 12, shift=2.0)
    found = frechet_distance(x, y)
    assert found.value == pytest.approx(by_definition(x, y), rel=1e-9)
    assert (found.n, found.n_others, found.dims) == (300, 200, 12)
    assert frechet_distance(y, x).value == pytest.approx(found.value, rel=1e-12)


def test_diagonal_covariances_by_hand() -> None:
    """Two points on each side of the mean along each axis: the distance is sum (s - t)^2 + 9."""
    corners = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    x = corners * [3.0, 1.0]
    y = corners * [1.0, 5.0] + [3.0, 0.0]
    deviation = np.sqrt(2 / 3)  # of a unit axis, with n - 1
    expected = 9 + (deviation * 2) ** 2 + (deviation * 4) ** 2
    assert frechet_distance(x, y).value == pytest.approx(expected)


def test_fewer_images_than_features(rng: np.random.Generator) -> None:
    """SciPy's root of a singular matrix is right to 1e-6 at best; ours needs none."""
    x, y = samples(rng, 10, 40), samples(rng, 25, 40)
    found = frechet_distance(x, y)
    # tr (S T)^(1/2) by the eigenvalues of the small product.
    a, b = (z.astype(float) - z.astype(float).mean(0) for z in (x, y))
    inner = a @ b.T @ b @ a.T / (9 * 24)
    common = np.sqrt(np.maximum(np.linalg.eigvalsh(inner), 0)).sum()
    expected = ((x.astype(float).mean(0) - y.astype(float).mean(0)) ** 2).sum()
    expected += (a**2).sum() / 9 + (b**2).sum() / 24 - 2 * common
    assert found.value == pytest.approx(expected, rel=1e-7)


def test_equal_sets_have_no_distance_even_far_from_zero(rng: np.random.Generator) -> None:
    x = samples(rng, 50, 20) + 1e4
    scale = float(x.astype(float).var(axis=0).sum())
    assert 0 <= frechet_distance(x, x[::-1]).value < 1e-9 * scale
    constant = np.full((5, 3), 7.0)
    assert frechet_distance(constant, constant).value == 0


def test_blocks_of_rows_change_nothing(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = samples(rng, 90, 8), samples(rng, 70, 8)
    whole = frechet_distance(x, y).value
    monkeypatch.setattr(module, "_BLOCK_ROWS", 7)
    assert frechet_distance(x, y).value == pytest.approx(whole, rel=1e-11)
    x[80, 3] = np.inf
    with pytest.raises(ValueError, match="finite"):
        frechet_distance(x, y)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 6), st.integers(0, 10**6))
def test_it_is_symmetric_not_negative_and_blind_to_rotation(
    n: int, m: int, d: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) * 3
    value = frechet_distance(x, y).value
    assert value >= 0
    assert frechet_distance(y, x).value == pytest.approx(value, rel=1e-9, abs=1e-9)
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    turned = frechet_distance(x @ turn + 5, y @ turn + 5).value
    assert turned == pytest.approx(value, rel=1e-9, abs=1e-9)


def mmd2_by_loops(x: np.ndarray, y: np.ndarray) -> float:
    m, d = x.shape

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) / d + 1) ** 3

    total = 0.0
    for i in range(m):
        for j in range(m):
            if i != j:
                total += (k(x[i], x[j]) + k(y[i], y[j])) / (m * (m - 1))
            total -= 2 * k(x[i], y[j]) / m**2
    return total


def test_kernel_distance_is_the_definition(rng: np.random.Generator) -> None:
    x, y = samples(rng, 14, 5), samples(rng, 11, 5, shift=0.5)
    found = kernel_distance(x, y, rng=np.random.default_rng(3), n_subsets=4, subset_size=9)
    again = np.random.default_rng(3)
    expected = []
    for _ in range(4):
        rows = again.choice(14, 9, replace=False)
        expected.append(mmd2_by_loops(x[rows], y[again.choice(11, 9, replace=False)]))
    assert found.mean == pytest.approx(np.mean(expected), rel=1e-10)
    assert found.std == pytest.approx(np.std(expected), rel=1e-9)
    assert (found.n_subsets, found.subset_size) == (4, 9)
    assert np.std(expected) > 0


def test_it_has_no_bias_and_sees_a_shift() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 400, 6))
    alike = kernel_distance(x, y, rng=rng, n_subsets=50, subset_size=100)
    assert abs(alike.mean) < 3 * alike.std / np.sqrt(50) + 0.05
    apart = kernel_distance(x, y + 1, rng=rng, n_subsets=50, subset_size=100)
    assert apart.mean > 10 * abs(alike.mean)


def test_what_cannot_be_compared(rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((6, 3)), rng.standard_normal((4, 3))
    with pytest.raises(BenchError, match="subsets of 5 images cannot be drawn from 4"):
        kernel_distance(x, y, rng=rng, subset_size=5)
    with pytest.raises(BenchError, match="2 images at least, got 1"):
        frechet_distance(x, y[:1])
    for wrong in ({"n_subsets": 0}, {"subset_size": 1}):
        with pytest.raises(ValueError, match="must be at least 1"):
            kernel_distance(x, y, rng=rng, **wrong)
    for other in (y[:, :2], y[0]):
        with pytest.raises(ValueError, match="of one width"):
            frechet_distance(x, other)
    with pytest.raises(ValueError, match="without features"):
        frechet_distance(x[:, :0], y[:, :0])
    with pytest.raises(ValueError, match="finite"):
        kernel_distance(x, y * np.nan, rng=rng, subset_size=2)
