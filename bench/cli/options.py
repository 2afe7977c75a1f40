"""Options that several verbs share."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bench.errors import BenchError
from bench.files import check_writable

if TYPE_CHECKING:
    from bench.registry import Registry

__all__ = [
    "archive_options",
    "check_output",
    "data_option",
    "deterministic_option",
    "device_option",
    "fitted_datasets_option",
    "importable",
    "inception_option",
    "json_option",
    "plugin_option",
    "results_option",
    "seed_options",
    "seeds_of",
    "set_option",
    "split_names",
    "stopping_options",
    "ties_option",
]

_log = logging.getLogger(__name__)

_Command = TypeVar("_Command", bound=Callable[..., Any])


def results_option(command: _Command) -> _Command:
    """Add `--results DIR`."""
    return click.option(
        "--results",
        type=click.Path(path_type=Path),
        default=Path("results"),
        show_default=True,
        help="Folder of the results.",
    )(command)


def data_option(command: _Command) -> _Command:
    """Add `--data DIR`."""
    return click.option(
        "--data",
        "data_dir",
        type=click.Path(path_type=Path),
        default=None,
        help="Folder of the stored data sets.  [default: $BENCH_DATA or ./data]",
    )(command)


def json_option(command: _Command) -> _Command:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def device_option(command: _Command) -> _Command:
    """Add `--device NAME`."""
    return click.option(
        "--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."
    )(command)


def fitted_datasets_option(command: _Command) -> _Command:
    """Add `--dataset NAME`, repeatable, of verbs that fit; `split_names` reads it."""
    return click.option(
        "--dataset",
        "datasets",
        multiple=True,
        metavar="NAME",
        help="Data set; repeatable or comma-separated.  [default: synthetic_fashion]",
    )(command)


def deterministic_option(command: _Command) -> _Command:
    """Add `--deterministic` and its contrary."""
    return click.option(
        "--deterministic/--no-deterministic",
        default=True,
        show_default=True,
        help="One thread for libraries whose threads race: same seed, same numbers.",
    )(command)


def stopping_options(command: _Command) -> _Command:
    """Add `--patience VALIDATIONS` and `--validate-every EPOCHS`."""
    command = click.option(
        "--validate-every",
        type=int,
        metavar="EPOCHS",
        help="Epochs between validations.  [default: a fiftieth of the epochs]",
    )(command)
    return click.option(
        "--patience",
        type=int,
        metavar="VALIDATIONS",
        help="Validations without a new best before a fit stops; 0 never stops.  "
        "[default: half of those of a full fit, at least 10]",
    )(command)


def ties_option(help_text: str) -> Callable[[_Command], _Command]:
    """Add `--ties RULE`; `help_text` says what it rules here."""
    from bench.evaluation.auc import TIES  # NumPy with it, which not every verb needs

    return click.option(
        "--ties", type=click.Choice(TIES), default="strict", show_default=True, help=help_text
    )


def inception_option(command: _Command) -> _Command:
    """Add `--inception-weights FILE`."""
    return click.option(
        "--inception-weights",
        metavar="FILE",
        help="Judge images by the published Inception network: its weights' file, or `download` "
        "(96 MB, once).  [default: the suite's own classifier judges]",
    )(command)


def archive_options(command: _Command) -> _Command:
    """Add what an import of published data takes: features, how they are stored, categories."""
    for option in (
        click.option(
            "--category-level",
            type=click.IntRange(min=3),
            help="Amazon Women and Men: level of the taxonomy that gives the categories.",
        ),
        click.option(
            "--feature-dtype",
            type=click.Choice(["float32", "float16"]),
            default="float32",
            show_default=True,
            help="How the published features are stored.",
        ),
        click.option(
            "--features",
            type=click.Path(path_type=Path),
            help="Archive: the image_features_*.b file to take features from.",
        ),
    ):
        command = option(command)
    return command


def seed_options(command: _Command) -> _Command:
    """Add `--seed SEED`, repeatable, and `--seeds N`; `seeds_of` reads them."""
    command = click.option(
        "--seeds",
        "n_seeds",
        type=click.IntRange(min=1),
        metavar="N",
        help="The root seeds 0 to N - 1; tables show mean and standard deviation over them.",
    )(command)
    return click.option(
        "--seed", "seeds", type=int, multiple=True, help="Root seed; repeatable.  [default: 0]"
    )(command)


def seeds_of(seeds: tuple[int, ...], n_seeds: int | None) -> tuple[int, ...]:
    """Give the root seeds that `--seed` or `--seeds` name; seed 0 without either.

    Raises
    ------
    BenchError
        Both were given.
    """
    if seeds and n_seeds is not None:
        raise BenchError(
            f"--seed and --seeds exclude each other: --seeds {n_seeds} stands for "
            f"{'--seed 0' if n_seeds == 1 else f'the seeds 0 to {n_seeds - 1}'}; leave one out"
        )
    return seeds or tuple(range(1 if n_seeds is None else n_seeds))


def set_option(help_text: str) -> Callable[[_Command], _Command]:
    """Add `--set NAME.PARAM=VALUE`, repeatable; `help_text` says what it does to this verb."""
    return click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME.PARAM=VALUE",
        help=help_text,
    )


def plugin_option(command: _Command) -> _Command:
    """Add `--plugin FILE`, repeatable."""
    return click.option(
        "--plugin",
        "plugins",
        type=click.Path(path_type=Path),
        multiple=True,
        help="Python file with recommenders of your own; repeatable.",
    )(command)


def split_names(values: tuple[str, ...]) -> list[str]:
    """Read repeated and comma-separated names, without repeats, in the order given.

    Raises
    ------
    BenchError
        A name is empty, as where a shell's variable is not set: that must not mean all of them.
    """
    names = [name.strip() for value in values for name in value.split(",")]
    if "" in names:
        raise BenchError(f"an empty name in {','.join(values)!r}; leave the option out for all")
    return list(dict.fromkeys(names))


def importable(registry: "Registry") -> list[str]:
    """Give the recommenders that can be imported; say why the others are left out."""
    names = []
    for name in registry.recommender_names():
        try:
            registry.recommender(name)
        except BenchError as error:
            _log.warning("left out: %s", error)
        else:
            names.append(name)
    return names


def check_output(output: Path | None, what: str, *suffixes: str) -> None:
    """See, before long work, that `--output` can be written; None is no output.

    Parameters
    ----------
    output
        The file.
    what
        What it will be, "the figure" or "the picture".
    suffixes
        One of which the file must have.

    Raises
    ------
    BenchError
        Another suffix, or a folder that cannot be written.
    """
    if output is None:
        return
    if output.suffix.lower() not in suffixes:
        raise BenchError(f"--output {output}: {what} is written as {' or '.join(suffixes)}")
    check_writable(f"write {what}", output.parent)
