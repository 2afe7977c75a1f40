"""Scaling and projecting features, against numpy.linalg."""

from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest

from baselines import features as module
from baselines.features import VBPR_SCALE, FeatureScaling, feature_blocks, project, scale_factor
from bench.errors import BenchError


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_blocks, "__defaults__", (7,))


def decaying(rng: np.random.Generator, n: int = 120, d: int = 40) -> npt.NDArray[np.float32]:
    """Rows whose singular values fall by a third each, as a CNN's activations roughly do."""
    left = np.linalg.qr(rng.standard_normal((n, d)))[0]
    right = np.linalg.qr(rng.standard_normal((d, d)))[0]
    return (left * (100 * 1.5 ** -np.arange(d)) @ right).astype(np.float32)


def truncated_gram(rows: npt.NDArray[np.float32], dims: int) -> npt.NDArray[np.float64]:
    """Inner products of the rows' best approximation of rank `dims`."""
    left, sizes, _ = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    return (left[:, :dims] * sizes[:dims] ** 2) @ left[:, :dims].T


def test_blocks_cover_all_rows_as_float32_copies(tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", np.arange(30, dtype=np.float16).reshape(10, 3))
    stored = np.load(tmp_path / "f.npy", mmap_mode="r")
    blocks = list(feature_blocks(stored, rows=4))
    assert [(part.start, part.stop) for part, _ in blocks] == [(0, 4), (4, 8), (8, 10)]
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), stored)
    assert {block.dtype for _, block in blocks} == {np.dtype(np.float32)}


def test_blocks_of_read_only_float32_may_be_written(tmp_path: Path) -> None:
    np.save(tmp_path / "f.npy", np.ones((3, 2), dtype=np.float32))
    stored = np.load(tmp_path / "f.npy", mmap_mode="r")
    for _, block in feature_blocks(stored):
        block += 1  # PyTorch warns of arrays where this fails
    assert stored.sum() == 6


def test_scale_factors_by_hand() -> None:
    rows = np.array([[3.0, -4.0], [0.0, 0.0], [6.0, 8.0], [1.0, 0.0]], dtype=np.float32)
    assert scale_factor(rows, "unit") == pytest.approx(1 / 4)  # lengths 5, 0, 10, 1
    assert scale_factor(rows, "max") == pytest.approx(1 / 8)
    assert scale_factor(-rows, "max") == pytest.approx(1 / 8)
    assert scale_factor(rows, "vbpr") == 1 / 58.388599
    assert scale_factor(rows, "none") == 1.0
    assert VBPR_SCALE == 58.388599


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("scaling", get_args(FeatureScaling))
def test_scale_factor_of_several_blocks(scaling: FeatureScaling, rng: np.random.Generator) -> None:
    rows = rng.standard_normal((50, 6)).astype(np.float32)
    rows[44, 2] = -9.0  # the largest value, in the last block
    expected = {
        "unit": 1 / np.mean([np.sqrt((row.astype(float) ** 2).sum()) for row in rows]),
        "max": 1 / 9.0,
        "vbpr": 1 / 58.388599,
        "none": 1.0,
    }[scaling]
    assert scale_factor(rows, scaling) == pytest.approx(expected, rel=1e-6)


def test_scaling_errors() -> None:
    with pytest.raises(BenchError, match=r"unknown feature scaling 'log': choose unit, max, vbpr"):
        scale_factor(np.ones((2, 2)), "log")  # type: ignore[arg-type]  # what is tested
    zeros = np.zeros((5, 3), dtype=np.float32)
    for scaling in ("unit", "max"):
        with pytest.raises(BenchError, match="features are all zero"):
            scale_factor(zeros, scaling)
    assert scale_factor(zeros, "none") == 1.0


@pytest.mark.parametrize("dims", [1, 5, 12])
def test_projection_is_the_best_of_its_rank(dims: int, rng: np.random.Generator) -> None:
    rows = decaying(rng)
    projected = project(rows, dims, rng)
    assert projected.shape == (120, dims)
    assert projected.dtype == np.float32
    best = truncated_gram(rows, dims)
    np.testing.assert_allclose(projected @ projected.T, best, atol=1e-4 * best.max())


def test_projection_of_a_flat_spectrum_captures_nearly_the_best_energy(
    rng: np.random.Generator,
) -> None:
    rows = rng.random((300, 80), dtype=np.float32)
    sizes = np.linalg.svd(rows.astype(np.float64), compute_uv=False)
    projected = project(rows, 10, rng)
    energy = (projected.astype(np.float64) ** 2).sum()
    best = (sizes[:10] ** 2).sum()
    assert 0.99 * best < energy < best * (1 + 1e-6)
    # Never more than a row has: the projection is orthogonal.
    lengths = np.linalg.norm(rows, axis=1)
    assert (np.linalg.norm(projected, axis=1) <= lengths * (1 + 1e-5)).all()


@pytest.mark.parametrize(("n", "d", "dims"), [(30, 8, 8), (30, 8, 64), (6, 20, 64), (1, 3, 2)])
def test_enough_dimensions_keep_all_inner_products(
    n: int, d: int, dims: int, rng: np.random.Generator
) -> None:
    rows = rng.standard_normal((n, d)).astype(np.float32)
    projected = project(rows, dims, rng)
    assert projected.shape == (n, min(n, d, dims))
    gram = rows.astype(np.float64) @ rows.T
    np.testing.assert_allclose(projected @ projected.T, gram, atol=1e-4 * gram.max())


def test_projection_does_not_depend_on_blocks(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = decaying(rng).astype(np.float16)
    whole = project(rows, 6, np.random.default_rng(2))
    np.testing.assert_array_equal(whole, project(rows, 6, np.random.default_rng(2)))
    monkeypatch.setattr(module.feature_blocks, "__defaults__", (11,))
    blocked = project(rows, 6, np.random.default_rng(2))
    np.testing.assert_allclose(blocked, whole, atol=1e-4 * np.abs(whole).max())
