"""The record of one cell: what was run, how, and what came out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError

__all__ = ["RESULT_SCHEMA_VERSION", "CellKey", "CellRecord", "PerUser"]

RESULT_SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class CellKey:
    """What identifies a cell: change any of these and it is another cell.

    Attributes
    ----------
    dataset, data_hash, split_hash
        The data set by name and by content.
    recommender
        Its registered name.
    recommender_version
        Version of the distribution it comes from and a hash of its source files.
    params
        Every hyper-parameter, defaults included.
    seed
        Root seed of the fit.
    deterministic
        Whether racing libraries were given one thread.
    protocol
        Device type, threads, early stopping, sampled or exact evaluation, users left out: all
        settings of the run that move a number, be it in the last bit.
    """

    dataset: str
    data_hash: str
    split_hash: str
    recommender: str
    recommender_version: str
    params: Mapping[str, Any]
    seed: int
    deterministic: bool
    protocol: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class CellRecord:
    """One finished or failed cell, as result.json holds it.

    Attributes
    ----------
    status
        "finished" or "failed".
    key
        What the cell is.
    label
        The recommender's name in tables.
    needs
        What the recommender reads: "features", "images", "categories".
    dataset_title
        The data set's name in tables.
    dataset_facts
        Users, items, interactions, categories, split rule, feature description: for tables' feet.
    metrics
        Means over users, by name: "auc_strict.all", "auc_half.cold", "ndcg@10_strict.all", ...
    n_users
        How many users the means rest on: "all", "cold".
    epochs
        Epochs run; None for a model without epochs.
    best_epoch
        The epoch whose state was kept, by validation AUC.
    best_is_last
        Whether that was the last epoch allowed, so that more of them might have done better.
    history
        Per epoch: epoch, validation_auc, loss; where the model counts them also `rate`, the
        training examples (images) per second, and `seconds`, the fit's time until then without
        validation.
    fit_seconds, evaluation_seconds
        Wall time; the watcher's validation is part of neither: it is `validation_seconds`. A fit
        that was resumed counts what led to the checkpoint and what came after.
    peak_memory_bytes
        Peak resident memory of the process while the cell ran, what it held before included;
        `peak_memory_scope` is "cell", or "process since start" where no less can be measured.
    peak_gpu_memory_bytes
        Peak of what PyTorch had allocated on one GPU while the cell ran; None where no GPU was
        used (and in records made before this was measured).
    provenance
        Versions, git state, hardware, threads, device, time of day; `device_used` and `repeatable`
        as the recommender says, see `bench.recommender.Recommender`.
    error
        Why a failed cell failed, on one line; the traceback is in `error.txt` beside it.
    tuning
        The search on the validation items that chose the hyper-parameters, see
        `bench.experiment.tuning.record.SearchRecord.note`; None where they were given.
    """

    schema_version: int = RESULT_SCHEMA_VERSION
    status: Literal["finished", "failed"]
    key: CellKey
    label: str
    needs: tuple[str, ...]
    dataset_title: str
    dataset_facts: Mapping[str, Any]
    metrics: Mapping[str, float]
    n_users: Mapping[str, int]
    epochs: int | None
    best_epoch: int | None
    history: tuple[Mapping[str, Any], ...]
    fit_seconds: float
    validation_seconds: float
    evaluation_seconds: float
    peak_memory_bytes: int
    peak_memory_scope: str
    provenance: Mapping[str, Any]
    error: str | None
    best_is_last: bool = False
    peak_gpu_memory_bytes: int | None = None
    tuning: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the record as plain containers."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, where: str) -> Self:
        """Read what `to_json` gave.

        Raises
        ------
        BenchError
            Another schema version, or not a record at all.
        """
        version = value.get("schema_version")
        if version != RESULT_SCHEMA_VERSION:
            raise BenchError(
                f"{where}: result schema version {version!r}, this suite reads "
                f"{RESULT_SCHEMA_VERSION}; remove the folder or use the matching version"
            )
        try:
            fields = dict(value)
            fields["key"] = CellKey(**fields["key"])
            fields["needs"] = tuple(fields["needs"])
            fields["history"] = tuple(fields["history"])
            return cls(**fields)
        except (TypeError, KeyError) as error:
            raise BenchError(f"{where}: not a result record ({error}); remove the folder") from None


@dataclass(frozen=True)
class PerUser:
    """What every metric of a cell is computed from: counts per user, one row per test user.

    Attributes
    ----------
    user
        int64 (n,): row numbers of the users that have a test item and at least one negative.
    test_item
        int64 (n,).
    test_item_count
        int64 (n,): training interactions of the test item; fewer than 5 means cold (IV-A, IV-C).
    n_less, n_equal, n_negatives
        int64 (n,): negatives scored below and equal to the test item, and their number.
    validation_n_less, validation_n_equal
        int64 (n,): the same for the validation item, against the same negatives; -1 without one.
    """

    user: npt.NDArray[np.int64]
    test_item: npt.NDArray[np.int64]
    test_item_count: npt.NDArray[np.int64]
    n_less: npt.NDArray[np.int64]
    n_equal: npt.NDArray[np.int64]
    n_negatives: npt.NDArray[np.int64]
    validation_n_less: npt.NDArray[np.int64]
    validation_n_equal: npt.NDArray[np.int64]
