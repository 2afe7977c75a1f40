"""From a finished cell to a bundle, and from a bundle to its numbers again."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.datasets.dataset import Dataset
from bench.errors import BenchError, NonFiniteScoreError
from bench.evaluation.counts import RankCounts
from bench.evaluation.fused import count_factors
from bench.evaluation.ranking import metric_means
from bench.experiment.bundle import Bundle, Manifest
from bench.experiment.plan import COLD_BELOW
from bench.experiment.provenance import suite_version
from bench.experiment.record import CellRecord
from bench.experiment.store import StoredCell
from bench.recommender import Factors

__all__ = [
    "Row",
    "differences",
    "evaluate",
    "export_factors",
    "export_ranks",
    "ids_hash",
    "paired_users",
]

_LARGEST_EXPONENT = 14
"""Factors are scaled so that the largest lies below 2^15: half precision ends at 65,504."""


@dataclass(frozen=True)
class Row:
    """What a bundle gives: where the test items stand, user by user.

    Attributes
    ----------
    user
        int64 (n,): row numbers of the users that are evaluated, ascending.
    item_count
        int64 (n,): training interactions of each one's test item.
    counts
        RankCounts of these n users.
    metrics, n_users
        As in `CellRecord`.
    """

    user: npt.NDArray[np.int64]
    item_count: npt.NDArray[np.int64]
    counts: RankCounts
    metrics: Mapping[str, float]
    n_users: Mapping[str, int]

    @property
    def cold(self) -> npt.NDArray[np.bool_]:
        """Whose test item is cold: bool (n,)."""
        return self.item_count < COLD_BELOW


def export_ranks(cell: StoredCell) -> Bundle:
    """Bundle the counts per test user of a finished cell.

    They name no item, so nothing of a licensed data set leaves the house but how many training
    interactions a test item has.

    Raises
    ------
    BenchError
        The cell's counts cannot be read.
    """
    stored = cell.per_user()
    arrays = {
        name: getattr(stored, name).astype(np.int32)
        for name in ("user", "test_item_count", "n_less", "n_equal", "n_negatives")
    }
    row = _row_of_ranks(arrays)
    return Bundle(_manifest(cell.record, "ranks", row), arrays)


def export_factors(
    cell: StoredCell, factors: Factors, dataset: Dataset, *, device: str, threads: int
) -> Bundle:
    """Bundle a fitted model's factors in half precision, and say what that did to its numbers.

    Parameters
    ----------
    cell
        The finished cell; one that was evaluated exactly.
    factors
        Of its model.
    dataset
        The cell's, as it was loaded; users are left out as the cell's protocol says.
    device, threads
        Where ranks are counted.

    Raises
    ------
    BenchError
        The cell was ranked against sampled items; a score is not finite.
    """
    key = cell.record.key
    if key.protocol.get("sampled"):
        raise BenchError(
            f"{cell.folder}: this cell was ranked against {key.protocol['sampled']} sampled items, "
            "which factors do not tell: leave out --content factors"
        )
    users, user_exponent = _halved(factors.user_factors)
    items, item_exponent = _halved(factors.item_factors)
    arrays: dict[str, npt.NDArray[Any]] = {
        "user_factors": users,
        "item_factors": items,
        "item_bias": factors.item_bias,
    }
    exponents = {"user": user_exponent, "item": item_exponent}
    before, after = (
        _row_of_factors(
            one,
            _evaluated(dataset, key.protocol),
            device=device,
            threads=threads,
            name=key.recommender,
        )
        for one in (factors, _doubled(arrays, exponents))
    )
    manifest = _manifest(
        cell.record,
        "factors",
        after,
        ids_hash=ids_hash(dataset),
        scale_exponents=exponents,
        before_rounding=before.metrics,
    )
    return Bundle(manifest, arrays)


def evaluate(
    bundle: Bundle, dataset: Dataset | None = None, *, device: str = "cpu", threads: int = 1
) -> Row:
    """Recompute a bundle's numbers from its arrays.

    Parameters
    ----------
    bundle
        As read.
    dataset
        What factors are evaluated on; ranks need none.
    device, threads
        Where ranks of factors are counted.

    Raises
    ------
    BenchError
        Factors without a data set, with another split or other users and items than theirs, or
        with scores that are not finite.
    """
    manifest = bundle.manifest
    if manifest.kind == "ranks":
        return _row_of_ranks(bundle.arrays)
    key = manifest.key
    if dataset is None:
        raise BenchError(f"factors are evaluated on their data set, {key.dataset}")
    _check_same_data(manifest, dataset)
    factors = _doubled(bundle.arrays, manifest.scale_exponents or {})
    shape = (len(factors.user_factors), len(factors.item_factors))
    if shape != (dataset.n_users, dataset.n_items):
        raise BenchError(
            f"the bundle has factors of {shape[0]:,} users and {shape[1]:,} items, {dataset.name} "
            f"has {dataset.n_users:,} and {dataset.n_items:,}"
        )
    try:
        return _row_of_factors(
            factors,
            _evaluated(dataset, key.protocol),
            device=device,
            threads=threads,
            name=key.recommender,
        )
    except NonFiniteScoreError:
        raise BenchError(
            "its factors give scores beyond single precision, which no exported fit did: forged or "
            "damaged; get the bundle again from whoever made it"
        ) from None


def differences(manifest: Manifest, row: Row) -> list[str]:
    """List where recomputed numbers are not the manifest's: "auc_strict.all: 0.71, not 0.72".

    Ranks give the same numbers everywhere. Products of factors round differently from machine to
    machine, which may move a test item past a neighbour: of them the AUC is compared, to 1e-5, and
    how many users it rests on.
    """
    exact = manifest.kind == "ranks"
    tolerance = 1e-12 if exact else 1e-5
    found = []
    for name in sorted(set(manifest.metrics) | set(row.metrics)):
        if not exact and not name.startswith("auc"):
            continue
        said, here = manifest.metrics.get(name), row.metrics.get(name)
        if said is None or here is None or abs(said - here) > tolerance:
            found.append(f"{name}: {_text(here)}, not {_text(said)}")
    for name in sorted(set(manifest.n_users) | set(row.n_users)):
        n_said, n_here = manifest.n_users.get(name), row.n_users.get(name)
        if n_said != n_here:
            found.append(f"n_users.{name}: {_text(n_here)}, not {_text(n_said)}")
    return found


def paired_users(rows: Sequence[Row]) -> bool:
    """Tell whether rows rest on the same users with the same test items' counts."""
    first, *others = rows
    return all(
        np.array_equal(row.user, first.user) and np.array_equal(row.item_count, first.item_count)
        for row in others
    )


def ids_hash(dataset: Dataset) -> str:
    """Hash the outside names of users and items, in the order of their rows."""
    digest = hashlib.sha256()
    for names in (dataset.user_ids, dataset.item_ids):
        for name in names:
            content = name.encode()
            digest.update(len(content).to_bytes(8, "little") + content)
        digest.update(b"\xff" * 8)
    return digest.hexdigest()


def _manifest(record: CellRecord, kind: Any, row: Row, **more: Any) -> Manifest:
    return Manifest(
        kind=kind,
        key=record.key,
        label=record.label,
        dataset_title=record.dataset_title,
        metrics=row.metrics,
        n_users=row.n_users,
        provenance=record.provenance,
        exported_with={"dvbpr-bench": suite_version(), "numpy": np.__version__},
        **more,
    )


def _row_of_ranks(arrays: Mapping[str, npt.NDArray[Any]]) -> Row:
    user, item_count, *counts = (
        arrays[name].astype(np.int64)
        for name in ("user", "test_item_count", "n_less", "n_equal", "n_negatives")
    )
    return _row(user, item_count, RankCounts(*counts))


def _row_of_factors(
    factors: Factors, dataset: Dataset, *, device: str, threads: int, name: str
) -> Row:
    (counts,) = count_factors(
        factors, [dataset.test], dataset.known, device=device, threads=threads, name=name
    )
    user = np.flatnonzero(counts.present)
    if not len(user):
        raise BenchError(f"{dataset.name}: nobody has a test item and negatives to evaluate")
    return _row(
        user,
        dataset.training.train.item_counts[dataset.test[user]],
        RankCounts(counts.n_less[user], counts.n_equal[user], counts.n_negatives[user]),
    )


def _row(user: npt.NDArray[np.int64], item_count: npt.NDArray[np.int64], counts: RankCounts) -> Row:
    settings = {"all": np.full(len(user), True), "cold": item_count < COLD_BELOW}
    metrics = metric_means(counts, settings)
    n_users = {name: int(users.sum()) for name, users in settings.items()}
    return Row(user, item_count, counts, metrics, n_users)


def _evaluated(dataset: Dataset, protocol: Mapping[str, Any]) -> Dataset:
    return dataset.without_repeats() if protocol.get("drop_repeats") else dataset


def _halved(values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float16], int]:
    """Round to half precision, times the power of 2 that puts the largest value near its end."""
    largest = float(np.abs(values).max(initial=0.0))
    exponent = _LARGEST_EXPONENT - int(np.floor(np.log2(largest))) if largest > 0 else 0
    # In double precision: the power itself may leave float32.
    scaled = np.ldexp(values.astype(np.float64), exponent)
    return scaled.astype(np.float16), exponent


def _doubled(arrays: Mapping[str, npt.NDArray[Any]], exponents: Mapping[str, int]) -> Factors:
    """Give the factors that a bundle holds, in single precision."""
    users, items = (
        np.ldexp(arrays[f"{name}_factors"].astype(np.float64), -exponents.get(name, 0))
        for name in ("user", "item")
    )
    with np.errstate(over="ignore"):  # counting refuses what is not finite, with a message
        return Factors(
            users.astype(np.float32),
            items.astype(np.float32),
            np.ascontiguousarray(arrays["item_bias"], dtype=np.float32),
        )


def _check_same_data(manifest: Manifest, dataset: Dataset) -> None:
    key = manifest.key
    if dataset.split_hash != key.split_hash:
        raise BenchError(
            f"the bundle was made on another split than {dataset.name} has here: split "
            f"{key.split_hash[:12]}, not {dataset.split_hash[:12]}; name the right data set with "
            "--dataset"
        )
    if manifest.ids_hash != ids_hash(dataset):
        raise BenchError(
            f"the users or items of {dataset.name} have other names here than where the bundle was "
            "made, so its rows may mean others; name the right data set with --dataset"
        )


def _text(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6f}"
