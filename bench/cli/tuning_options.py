"""The options of a search, which `bench tune` and `bench run` share."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.experiment.tuning.grid_file import OwnGrid
    from bench.experiment.tuning.search import SearchKind
    from bench.experiment.tuning.workers import BackendName
    from bench.registry import Registry

__all__ = ["OwnGrids", "TuningOptions", "refuse_options_of_tuning", "tuning_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

OwnGrids = Mapping[str, "Sequence[OwnGrid]"]
"""Grids of the user's own, by recommender."""


@dataclass(frozen=True, kw_only=True)
class TuningOptions:
    """What `tuning_options` reads from the command line.

    Attributes
    ----------
    grid
        File with grids of the user's own.
    search, search_trials
        See `SearchOptions`.
    jobs, backend, scheduler
        See `Workers`.
    """

    grid: Path | None
    search: "SearchKind"
    search_trials: int | None
    jobs: int | None
    backend: "BackendName"
    scheduler: str | None

    def own_grids(self, registry: "Registry") -> OwnGrids:
        """Read the grids of the user's own; none without a file.

        Raises
        ------
        BenchError
            As `read_grids` says.
        """
        from bench.experiment.tuning.grid_file import read_grids

        return {} if self.grid is None else read_grids(self.grid, registry)


def tuning_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a search; the command gets them as `asked`, a `TuningOptions`."""

    @functools.wraps(command)
    def gathering(**words: Any) -> Any:
        asked = {field.name: words.pop(field.name) for field in fields(TuningOptions)}
        return command(asked=TuningOptions(**asked), **words)

    return _with_options(gathering)


def _with_options(command: _Command) -> _Command:
    for option in (
        click.option(
            "--scheduler",
            metavar="ADDRESS",
            help="The Dask scheduler: tcp://HOST:8786, or the file of its --scheduler-file.",
        ),
        click.option(
            "--backend",
            type=click.Choice(["local", "dask"]),
            default="local",
            show_default=True,
            help="Where trials run: on this machine, or on a Dask cluster that is there.",
        ),
        click.option(
            "--jobs",
            type=int,
            metavar="N",
            help="Local processes that run trials, each with one thread unless --threads says "
            "otherwise.  [default: 1]",
        ),
        click.option(
            "--search-trials",
            type=int,
            metavar="N",
            help="How many points random search draws, or halving begins with.",
        ),
        click.option(
            "--search",
            type=click.Choice(["grid", "random", "halving"]),
            default="grid",
            show_default=True,
            help="Every point, some, or all for few epochs and the better third anew for more.",
        ),
        click.option(
            "--grid",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="TOML or YAML file with grids of your own.  [default: the recommender's]",
        ),
    ):
        command = option(command)
    return command


def refuse_options_of_tuning() -> None:
    """Say that an option of the search needs --tune, rather than ignore it.

    Raises
    ------
    BenchError
        One of them is given.
    """
    context = click.get_current_context()
    for name in (field.name for field in fields(TuningOptions)):
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise BenchError(f"--{name.replace('_', '-')} is about tuning: add --tune")
