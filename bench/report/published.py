"""The paper's own numbers, as printed, and the authors' log, from results/paper.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from bench.errors import BenchError

__all__ = [
    "ArchiveCounts",
    "AuthorsLog",
    "DesignRow",
    "LogLine",
    "OTHER_ITEM_SET",
    "PaperColumn",
    "PaperRow",
    "Published",
    "PublishedCounts",
    "ValueWithSd",
    "load_published",
]


OTHER_ITEM_SET = "other item set"
"""Marks the paper's numbers where the data set in hand is not the one the paper had."""


@dataclass(frozen=True, kw_only=True)
class PublishedCounts:
    """One row of Table II.

    Attributes
    ----------
    title
        The data set's name as printed.
    n_users, n_items, n_interactions
        Counts after preprocessing; interactions of all three splits.
    n_categories
        None where the paper has N/A.
    """

    title: str
    n_users: int
    n_items: int
    n_interactions: int
    n_categories: int | None


@dataclass(frozen=True, kw_only=True)
class PaperColumn:
    """A column of Table III: its letter, the name in this suite, the printed label."""

    letter: str
    recommender: str
    label: str


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """One row of Table III.

    Attributes
    ----------
    dataset
        This suite's name for the data set.
    setting
        "all" or "cold".
    auc
        By recommender name, as printed.
    improvement_percent
        "h vs. d" and "h vs. best", as printed.
    """

    dataset: str
    setting: Literal["all", "cold"]
    auc: Mapping[str, float]
    improvement_percent: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class ValueWithSd:
    """A mean and the standard deviation printed after it."""

    value: float
    sd: float


@dataclass(frozen=True, kw_only=True)
class DesignRow:
    """One row of Table IV: top-3 images for a user and category, 1000 trials.

    Attributes
    ----------
    group
        "Random Methods" or "Personalized Methods".
    item_source
        The formula as printed.
    description
        What the formula stands for.
    preference_score, quality, diversity
        Mean objective value (eq. 6), inception score, opposite mean SSIM.
    """

    group: str
    item_source: str
    description: str
    preference_score: ValueWithSd
    quality: ValueWithSd
    diversity: ValueWithSd


@dataclass(frozen=True, kw_only=True)
class ArchiveCounts:
    """What a published archive holds, where that is not what Table II counts."""

    n_users: int
    n_items: int
    n_interactions: int


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """The AUC after one epoch, on the test and on the validation items."""

    epoch: int
    test: float
    validation: float


@dataclass(frozen=True, kw_only=True)
class AuthorsLog:
    """What the authors' released code printed while it trained the released model.

    Attributes
    ----------
    dataset
        The data set, as its archive holds it.
    recommender
        Name in this suite.
    factors
        Dimensions of the user and item vectors; the paper's Table III has 50.
    sampled
        Random items that each held-out item was ranked against.
    epochs
        The lines that are known, by epoch.
    """

    dataset: str
    recommender: str
    factors: int
    sampled: int
    epochs: tuple[LogLine, ...]

    @property
    def best(self) -> LogLine:
        """The epoch with the best validation AUC."""
        return max(self.epochs, key=lambda line: line.validation)


@dataclass(frozen=True, kw_only=True)
class Published:
    """What is published.

    Attributes
    ----------
    source
        Citation.
    sources
        Where each part below is from.
    notes
        By data set: what keeps the published files from giving the published numbers.
    archives
        By data set: what its published archive holds, where Table II counts another item set.
    authors_log
        The authors' own figures for one of these archives.
    table2
        By data set, in the paper's order.
    columns
        Columns (a) to (h) of Table III.
    table3
        Rows of Table III, top to bottom.
    table4
        Rows of Table IV, top to bottom.
    """

    source: str
    sources: Mapping[str, str]
    notes: Mapping[str, str]
    archives: Mapping[str, ArchiveCounts]
    authors_log: AuthorsLog
    table2: Mapping[str, PublishedCounts]
    columns: tuple[PaperColumn, ...]
    table3: tuple[PaperRow, ...]
    table4: tuple[DesignRow, ...]

    def auc(self, dataset: str, setting: str, recommender: str) -> float | None:
        """Give one AUC of Table III, or None for what the paper did not measure."""
        for row in self.table3:
            if (row.dataset, row.setting) == (dataset, setting):
                return row.auc.get(recommender)
        return None

    def archive_verdict(
        self, dataset: str, n_users: int, n_items: int, n_interactions: int
    ) -> str | None:
        """Say whether counts are those known of the published archive; None if none are known."""
        known = self.archives.get(dataset)
        if known is None:
            return None
        same = (n_users, n_items, n_interactions) == (
            known.n_users,
            known.n_items,
            known.n_interactions,
        )
        return (
            f"{'these are' if same else 'these are not'} the counts known of the published archive "
            f"({known.n_users:,} users, {known.n_items:,} items, "
            f"{known.n_interactions:,} interactions)"
        )

    def is_other_item_set(self, dataset: str, n_users: object, n_items: object) -> bool:
        """Say whether a data set of that name and those counts is not the one the paper had."""
        paper = self.table2.get(dataset)
        return paper is not None and (n_users, n_items) != (paper.n_users, paper.n_items)


@cache
def load_published() -> Published:
    """Read the published tables: the packaged copy, or results/paper.json of a checkout.

    Raises
    ------
    BenchError
        Neither file is there, or it cannot be read.
    """
    here = Path(__file__).resolve()
    for path in (here.parent / "paper.json", here.parents[2] / "results" / "paper.json"):
        if path.is_file():
            return read_published(path)
    raise BenchError(
        "the published tables (paper.json) are missing from this installation; install dvbpr-bench "
        "anew, or restore results/paper.json in a checkout"
    )


def read_published(path: Path) -> Published:
    """Read one paper.json.

    Raises
    ------
    BenchError
        Not JSON, or fields are missing or unknown.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Published(
            source=value["source"],
            sources=value["sources"],
            notes=value["notes"],
            archives={name: ArchiveCounts(**row) for name, row in value["archives"].items()},
            authors_log=_authors_log(value["authors_log"]),
            table2={name: PublishedCounts(**row) for name, row in value["table2"].items()},
            columns=tuple(PaperColumn(**column) for column in value["table3"]["columns"]),
            table3=tuple(PaperRow(**row) for row in value["table3"]["rows"]),
            table4=tuple(_design_row(row) for row in value["table4"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(
            f"{path}: cannot read the published tables ({error!r}); restore the file"
        ) from None


def _authors_log(value: Mapping[str, Any]) -> AuthorsLog:
    return AuthorsLog(**{**value, "epochs": tuple(LogLine(**line) for line in value["epochs"])})


def _design_row(row: Mapping[str, Any]) -> DesignRow:
    pairs = {
        name: ValueWithSd(**row[name]) for name in ("preference_score", "quality", "diversity")
    }
    return DesignRow(**{**row, **pairs})
