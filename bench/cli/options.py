"""Options that several verbs share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["data_option", "plugin_option", "results_option", "set_option", "split_names"]

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
    """Read repeated and comma-separated names, without repeats, in the order given."""
    names = [name.strip() for value in values for name in value.split(",")]
    return list(dict.fromkeys(name for name in names if name))
