"""What is to be run: options, and the cells they unfold into."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.datasets.dataset import Dataset
from bench.device import available_threads, resolve_device
from bench.distributed import world_size
from bench.errors import BenchError
from bench.experiment.provenance import recommender_version
from bench.experiment.record import CellKey
from bench.recommender import Recommender, Runtime, parse_params
from bench.registry import Registry

__all__ = [
    "Cell",
    "RunOptions",
    "check_storable",
    "parse_settings",
    "plan_cells",
    "plan_params",
]

COLD_BELOW = 5
"""An item is cold with fewer training interactions than this (section IV-C)."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How cells are run.

    Attributes
    ----------
    seeds
        Root seeds, one cell each.
    device
        `auto`, `cpu`, `cuda` or `cuda:N`.
    threads
        Processor threads.
    deterministic
        Libraries that race between threads get one.
    patience
        Validations without a new best before a fit stops; 0 never stops early. None: half of those
        of a full fit, and at least 10, because the curves of some models lie flat for long before
        they rise again.
    validate_every
        Epochs between validations; None validates about fifty times in a full fit.
    sampled
        None ranks against the whole catalogue; a number ranks against so many random items, as
        the authors' released code does with 100.
    drop_repeats
        Leave users out of the evaluation whose validation or test item is one of their training
        items.
    checkpoint_seconds
        Least time between two checkpoints of a fit that can be resumed.
    force
        Run finished cells again.
    """

    seeds: tuple[int, ...] = (0,)
    device: str = "auto"
    threads: int = field(default_factory=available_threads)
    deterministic: bool = True
    patience: int | None = None
    validate_every: int | None = None
    sampled: int | None = None
    drop_repeats: bool = False
    checkpoint_seconds: float = 60.0
    force: bool = False

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise BenchError(f"seeds must be given and differ, got {list(self.seeds)}")
        if min(self.seeds) < 0:
            raise BenchError(f"seeds must not be negative, got {min(self.seeds)}")
        if self.threads < 1:
            raise BenchError(f"--threads must be at least 1, got {self.threads}")
        if self.patience is not None and self.patience < 0:
            raise BenchError(f"--patience must be 0 or more, got {self.patience}")
        for name in ("validate_every", "sampled"):
            value = getattr(self, name)
            if value is not None and value < 1:
                option = name.replace("_", "-")
                raise BenchError(f"--{option} must be at least 1, got {value}")

    def protocol(self) -> dict[str, Any]:
        """Give the settings that move a number, for the cell's key."""
        settings: dict[str, Any] = {
            "device": str(resolve_device(self.device).type),
            "threads": self.threads,
            "patience": "half" if self.patience is None else self.patience,
            "validate_every": self.validate_every,
            "sampled": self.sampled,
            "drop_repeats": self.drop_repeats,
        }
        # Only where there are several, so that the cells of one process keep their names.
        return settings if world_size() == 1 else settings | {"processes": world_size()}

    def evaluated(self, dataset: Dataset) -> Dataset:
        """Give the data set as it is evaluated: without the held-out items of users left out."""
        return dataset.without_repeats() if self.drop_repeats else dataset

    def epochs_between_validations(self, max_epochs: int | None) -> int:
        """Say after how many epochs a fit is validated."""
        if self.validate_every is not None:
            return self.validate_every
        return max(1, -(-(max_epochs or 1) // 50))

    def patience_for(self, max_epochs: int | None) -> int:
        """Say after how many validations without a new best a fit stops; 0 for never."""
        if self.patience is not None:
            return self.patience
        validations = -(-(max_epochs or 1) // self.epochs_between_validations(max_epochs))
        return max(10, -(-validations // 2))


@dataclass(frozen=True)
class Cell:
    """One recommender with its hyper-parameters on one data set with one seed.

    What chose the hyper-parameters, `tuning`, moves no number and is no part of the key.
    """

    key: CellKey
    recommender: type[Recommender]
    params: Any
    runtime: Runtime
    tuning: Mapping[str, Any] | None = None


def parse_settings(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read `NAME.PARAMETER=VALUE` settings into one mapping per recommender.

    Raises
    ------
    BenchError
        A text of another form, or a parameter given twice.
    """
    settings: dict[str, dict[str, str]] = {}
    for text in texts:
        left, equals, value = text.partition("=")
        name, dot, parameter = left.partition(".")
        if not (equals and dot and name and parameter):
            raise BenchError(
                f"--set {text!r}: write NAME.PARAMETER=VALUE, for example vbpr.factors=20"
            )
        if parameter in settings.setdefault(name, {}):
            raise BenchError(f"--set {left} is given twice")
        settings[name][parameter] = value
    return settings


def plan_params(
    names: Sequence[str], registry: Registry, settings: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Build the hyper-parameters of every recommender of a run.

    Raises
    ------
    BenchError
        An unknown recommender or hyper-parameter, one without a value, one whose value a record
        cannot hold, or settings for a recommender that is not run.
    """
    for name in settings:
        if name not in names:
            registry.recommender(name)  # an unknown name gets its own message
            raise BenchError(f"--set {name}.…: {name} is not among the recommenders of this run")
    planned = {
        name: parse_params(registry.recommender(name), settings.get(name, {})) for name in names
    }
    for name, params in planned.items():
        check_storable(name, params)
    return planned


def check_storable(name: str, params: Any) -> None:
    """See that a record can hold the hyper-parameters of a recommender.

    Raises
    ------
    BenchError
        One of them is nothing that JSON has.
    """
    for parameter, value in dataclasses.asdict(params).items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise BenchError(
                f"{name}.{parameter} = {value!r} cannot be stored with the results ({error}); "
                "hyper-parameters must be numbers, texts, true or false, None, or lists of them"
            ) from None


def plan_cells(
    dataset: Dataset,
    params: Mapping[str, Any],
    registry: Registry,
    options: RunOptions,
    *,
    tuning: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Cell]:
    """Unfold recommenders, given with their hyper-parameters, and seeds into cells.

    Parameters
    ----------
    dataset, registry, options
        On what, out of what, how.
    params
        Hyper-parameters by recommender.
    tuning
        What chose them, by recommender: see `CellRecord.tuning`.

    Raises
    ------
    BenchError
        An unknown recommender.
    """
    cells = []
    for name, chosen in params.items():
        recommender = registry.recommender(name)
        version = recommender_version(recommender)
        for seed in options.seeds:
            runtime = Runtime(
                seed=seed,
                device=options.device,
                threads=options.threads,
                deterministic=options.deterministic,
            )
            settled = recommender.settled(chosen, runtime)
            key = CellKey(
                dataset=dataset.name,
                data_hash=dataset.data_hash,
                split_hash=dataset.split_hash,
                recommender=name,
                recommender_version=version,
                params=dataclasses.asdict(settled),
                seed=seed,
                deterministic=options.deterministic,
                protocol=options.protocol(),
            )
            note = (tuning or {}).get(name)
            cells.append(Cell(key, recommender, settled, runtime, note))
    return cells
