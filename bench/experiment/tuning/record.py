"""What is stored of a trial and of a search."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, get_args

from bench.errors import BenchError

__all__ = ["SearchKey", "SearchRecord", "TrialKey", "TrialRecord"]

TUNING_SCHEMA_VERSION = 1

Status = Literal["finished", "diverged", "failed"]


@dataclass(frozen=True, kw_only=True)
class TrialKey:
    """What identifies a trial, as `bench.experiment.record.CellKey` does for a cell.

    Attributes
    ----------
    dataset, data_hash, split_hash
        The data set by name and by content.
    recommender, recommender_version
        Its registered name, and its code.
    params
        Every hyper-parameter, defaults included.
    seed
        Root seed of the fit.
    deterministic
        Whether racing libraries were given one thread.
    protocol
        Device type, threads, early stopping; `drop_repeats` is "validation" where users are left
        out whose validation item repeats, else False. The rank of the validation item is
        always exact.
    epochs
        After which epoch the fit is stopped; None for a whole fit.
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
    epochs: int | None


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial, as trial.json holds it.

    Attributes
    ----------
    status
        "finished"; "diverged": the fit left the numbers, which is an answer; "failed": by any other
        error, so the next search tries it again.
    key
        What the trial is.
    validation_auc
        Of the best epoch, strict; None unless finished. The test items were not looked at.
    epochs, best_epoch
        Epochs run, and the best of them; None for a model without epochs.
    seconds
        Wall time of the fit, validation included.
    history
        Per epoch: epoch, validation_auc, loss.
    provenance
        Versions, hardware, time of day.
    error
        Why it did not finish, on one line.
    """

    schema_version: int = TUNING_SCHEMA_VERSION
    status: Status
    key: TrialKey
    validation_auc: float | None
    epochs: int | None
    best_epoch: int | None
    seconds: float
    history: tuple[Mapping[str, Any], ...]
    provenance: Mapping[str, Any]
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """Give the record as plain containers."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, where: str) -> Self:
        """Read what `to_json` gave.

        Raises
        ------
        BenchError
            Another schema version, a value of a wrong type, or not a record at all.
        """
        try:
            fields = dict(value)
            if fields["schema_version"] != TUNING_SCHEMA_VERSION:
                raise ValueError(f"schema version {fields['schema_version']!r}")
            fields["key"] = TrialKey(**fields["key"])
            record = cls(**fields)
            record.check()
            return replace(record, history=tuple(record.history))
        except (TypeError, KeyError, ValueError) as error:
            raise BenchError(f"{where}: not a trial record ({error}); remove the folder") from None

    def check(self) -> None:
        """See that a record that was read from a file says what a trial can say.

        Raises
        ------
        ValueError
            A value of a wrong type, or values that contradict each other.
        """
        auc = self.validation_auc
        is_auc = isinstance(auc, float | int) and not isinstance(auc, bool) and 0 <= auc <= 1
        sound = {
            "status": self.status in get_args(Status),
            "validation_auc": is_auc if self.status == "finished" else auc is None,
            "epochs": _is_count(self.epochs),
            "best_epoch": _is_count(self.best_epoch),
            "seconds": isinstance(self.seconds, float | int) and self.seconds >= 0,
            "history": isinstance(self.history, list | tuple)
            and all(isinstance(epoch, dict) for epoch in self.history),
            "provenance": isinstance(self.provenance, dict),
            "error": self.error is None or isinstance(self.error, str),
        }
        for name, is_sound in sound.items():
            if not is_sound:
                raise ValueError(f"{name} is {getattr(self, name)!r}")


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and value > 0)


@dataclass(frozen=True, kw_only=True)
class SearchKey:
    """What identifies a search: what its trials share, and which points were tried, and how.

    Attributes
    ----------
    dataset, data_hash, split_hash, recommender, recommender_version, deterministic, protocol
        As in `TrialKey`.
    grids
        The grids, one after the other: hyper-parameter to values.
    points
        What was tried of them: all of a grid search, what was drawn of a random one.
    pinned
        Hyper-parameters that were given, as text.
    search, trials, seed
        As `SearchOptions` has them.
    """

    dataset: str
    data_hash: str
    split_hash: str
    recommender: str
    recommender_version: str
    deterministic: bool
    protocol: Mapping[str, Any]
    grids: tuple[Mapping[str, Any], ...]
    points: tuple[Mapping[str, Any], ...]
    pinned: Mapping[str, str]
    search: str
    trials: int | None
    seed: int


@dataclass(frozen=True, kw_only=True)
class SearchRecord:
    """A finished search, as its file holds it.

    Attributes
    ----------
    key
        What was searched, and how.
    label, dataset_title
        Names in tables.
    grid
        The name of the file that the grid comes from; None for the recommender's own.
    n_points, n_trials
        Points that were tried, and fits that took: more with successive halving.
    seconds
        Wall time of all these fits, validation included, whenever and wherever they ran.
    winner
        Values of the winning point, by hyper-parameter; None where no whole fit finished.
    validation_auc
        Of the winner, in a whole fit; None without one.
    ranking
        Every trial, the best first: `values`, `validation_auc`, `epochs` (of the fit), `budget`
        (the epochs it was allowed; None for all), `best_epoch`, `seconds`, `status`, `error`,
        `trial` (its folder). Longer fits stand before shorter ones.
    made_at
        When it ended.
    """

    schema_version: int = TUNING_SCHEMA_VERSION
    key: SearchKey
    label: str
    dataset_title: str
    grid: str | None
    n_points: int
    n_trials: int
    seconds: float
    winner: Mapping[str, Any] | None
    validation_auc: float | None
    ranking: tuple[Mapping[str, Any], ...]
    made_at: str

    def to_json(self) -> dict[str, Any]:
        """Give the record as plain containers."""
        return asdict(self)

    def note(self) -> dict[str, Any]:
        """Give what a cell's record says of the search that chose its hyper-parameters."""
        return {
            "search": self.key.search,
            "n_points": self.n_points,
            "n_trials": self.n_trials,
            "seed": self.key.seed,
            "seconds": round(self.seconds, 1),
            "grid": self.grid,
            "winner": None if self.winner is None else dict(self.winner),
            "validation_auc": self.validation_auc,
        }
