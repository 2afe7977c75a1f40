"""Result stores made by hand, with counts per user small enough to check as fractions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.experiment.record import CellKey, CellRecord, PerUser
from bench.experiment.store import ResultStore, StoredCell

LABELS = {
    "rand": "RAND",
    "poprank": "PopRank",
    "warp": "WARP",
    "bpr-mf": "BPR-MF",
    "visrank": "VisRank",
    "fm": "FM",
    "vbpr": "VBPR",
    "dvbpr": "DVBPR",
}
VISUAL = {"visrank", "fm", "vbpr"}
N_NEGATIVES = 10
FACTS: dict[str, Any] = {
    "n_users": 4,
    "n_items": 13,
    "n_interactions": 20,
    "n_categories": 6,
    "split_rule": "random, seed 0",
    "features": "classifier features, 4096-d",
}


def add_cell(
    store: ResultStore,
    recommender: str,
    less: Sequence[int] | None = (5, 5, 5, 5),
    *,
    equal: Sequence[int] = (0, 0, 0, 0),
    counts: Sequence[int] = (9, 5, 4, 0),
    users: Sequence[int] = (0, 1, 2, 3),
    dataset: str = "clothing",
    title: str | None = None,
    label: str | None = None,
    data_hash: str = "d" * 64,
    split_hash: str = "5" * 64,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    deterministic: bool = True,
    sampled: int | None = None,
    made: str = "2025-01-01T00:00:00+00:00",
    error: str = "out of memory",
    facts: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    best_is_last: bool = False,
) -> StoredCell:
    """Write a cell of four users; the test items of users 2 and 3 are cold (counts 4 and 0).

    `less` holds how many of the 10 negatives score lower, per user; None makes a failed cell.
    """
    key = CellKey(
        dataset=dataset,
        data_hash=data_hash,
        split_hash=split_hash,
        recommender=recommender,
        recommender_version="1.0",
        params=dict(params or {}),
        seed=seed,
        deterministic=deterministic,
        protocol={"sampled": sampled, "patience": 5},
    )
    record = CellRecord(
        status="failed" if less is None else "finished",
        key=key,
        label=label or LABELS.get(recommender, recommender),
        needs=("features",) if recommender in VISUAL else (),
        dataset_title=title or dataset.title(),
        dataset_facts={**FACTS, **(facts or {})},
        metrics={},
        n_users={},
        epochs=None,
        best_epoch=None,
        history=(),
        fit_seconds=1.0,
        validation_seconds=0.0,
        evaluation_seconds=0.5,
        peak_memory_bytes=1,
        peak_memory_scope="process",
        provenance={
            "suite_version": "0.1.0",
            "finished_at": made,
            "cpu": "Some CPU @ 2 GHz",
            "device": "cpu",
            **(provenance or {}),
        },
        error=error if less is None else None,
        best_is_last=best_is_last,
    )
    if less is None:
        return store.write(record, traceback="Traceback ...")

    def column(values: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array(values, dtype=np.int64)

    n = len(users)
    per_user = PerUser(
        user=column(users),
        test_item=column(users),
        test_item_count=column(counts),
        n_less=column(less),
        n_equal=column(equal),
        n_negatives=column([N_NEGATIVES] * n),
        validation_n_less=column([-1] * n),
        validation_n_equal=column([-1] * n),
    )
    return store.write(record, per_user=per_user)
