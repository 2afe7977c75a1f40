"""The `bench` command: finds the verb, turns a user's error into one line and exit code 2."""

import errno
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click
from tqdm import tqdm

from bench.distributed import is_leader
from bench.errors import BenchError

__all__ = ["bench", "main"]

VERBS = {
    "run": ("bench.cli.run", "run", "Fit, evaluate, design; print Tables II to IV, draw figures."),
    "tune": ("bench.cli.tune", "tune", "Choose hyper-parameters on the validation items."),
    "table": ("bench.cli.table", "table", "Print a table from stored results, in any format."),
    "compare": (
        "bench.cli.compare",
        "compare",
        "Test whether stored recommenders differ, user by user.",
    ),
    "figure": ("bench.cli.figure", "figure", "Draw one of Figures 3 to 6 from stored results."),
    "audit": (
        "bench.cli.audit",
        "audit",
        "Show one fitted model's AUC under every definition in use.",
    ),
    "export": (
        "bench.cli.export",
        "export",
        "Write a finished result as one file, a bundle.",
    ),
    "evaluate": (
        "bench.cli.evaluate",
        "evaluate",
        "Recompute the numbers of bundles, without training.",
    ),
    "list": ("bench.cli.listing", "list_recommenders", "List recommenders and hyper-parameters."),
    "datasets": (
        "bench.cli.datasets",
        "datasets",
        "List, describe, fetch, import, make data sets.",
    ),
    "verify": ("bench.cli.verify", "verify", "Check a stored data set, byte by byte."),
    "features": ("bench.cli.features", "features", "Compute image features for VBPR and others."),
    "recommend": (
        "bench.cli.recommend",
        "recommend",
        "Show what the models recommend to one user.",
    ),
    "generate": ("bench.cli.generate", "generate", "Train an image generator, draw its samples."),
    "design": (
        "bench.cli.design",
        "design",
        "Design images that one user would like best.",
    ),
    "tailor": (
        "bench.cli.tailor",
        "tailor",
        "Change an item or a photograph towards one user's taste.",
    ),
    "check": ("bench.cli.check", "check", "Compare AUCs with a golden file: has one dropped?"),
    "check-plugin": (
        "bench.cli.check_plugin",
        "check_plugin",
        "Run the conformance kit on a recommender.",
    ),
    "doctor": ("bench.cli.doctor", "doctor", "Say what is installed and which device is used."),
}
"""Verb to (module, function, help): a verb's module is imported when it is used, so that
`bench --help` and the reports need neither PyTorch nor any model library."""


class _Verbs(click.Group):
    """A group that imports a verb's module only when the verb runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, function, _ = VERBS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), function)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from bench.errors import unknown_name

            raise unknown_name("command", args[0], VERBS, see="bench --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, _, text) in VERBS.items()])


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dvbpr-bench", prog_name="bench")
@click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors on stderr.")
def bench(quiet: bool) -> None:
    """Compare visual recommenders as in Kang et al., ICDM 2017.

    Results go to stdout, progress and messages to stderr. Exit code 0: all well; 1: some cells
    failed, or an AUC has dropped; 2: something in the call or the input is wrong; 130: interrupted
    by Ctrl-C, 143: by SIGTERM. What is finished then is stored, and the same command goes on.
    """
    _configure_logging(logging.WARNING if quiet else logging.INFO)


class _AboveBars(logging.Handler):
    """Writes log lines so that they do not tear a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            tqdm.write(self.format(record), file=sys.stderr)
        except OSError:  # stderr is closed: there is nowhere left to say so
            self.handleError(record)


def _configure_logging(level: int) -> None:
    if not is_leader():  # what several processes have to say, one says
        level = max(level, logging.ERROR)
    handler = _AboveBars()
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name in ("bench", "baselines", "dvbpr"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False


class _Terminated(KeyboardInterrupt):
    """SIGTERM came: everything ends as after Ctrl-C, with another exit code."""


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """End in good order on SIGTERM, as `kill` and batch systems send it before they kill."""
    if threading.current_thread() is not threading.main_thread():  # Python allows it there only
        yield
        return
    process = os.getpid()

    def terminate(number: int, frame: object) -> None:
        if os.getpid() != process:  # a forked worker: as if nothing had been set
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    try:
        with _sigterm_as_interrupt():
            return _run(arguments)
    except _Terminated:  # after the verb's own end
        return 143


def _run(arguments: list[str] | None) -> int:
    try:
        result: Any = bench.main(args=arguments, prog_name="bench", standalone_mode=False)
        sys.stdout.flush()
    except BenchError as error:
        return _fail(str(error))
    except click.exceptions.NoArgsIsHelpError as error:  # bare `bench`: a question, not a mistake
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        where = f"; see `{context.command_path} --help`" if context else ""
        return _fail(f"{error.format_message().rstrip('.')}{where}")
    except (click.Abort, KeyboardInterrupt) as error:
        # click turns an interruption into its own Abort.
        terminated = isinstance(error, _Terminated) or isinstance(error.__cause__, _Terminated)
        what = "terminated" if terminated else "interrupted"
        sys.stderr.write(f"{what}; what is finished is stored and not made again\n")
        return 143 if terminated else 130
    except BrokenPipeError:  # the reader of stdout went away, as `| head` does
        sys.stderr.close()
        return 0
    except OSError as error:  # stdout leads to a file on a full disk; files of our own say so
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _drop_output()
        return _fail("cannot write the output: the disk is full; free some space")
    return result if isinstance(result, int) else 0


def _drop_output() -> None:
    """Let what stdout still holds go nowhere: Python writes it at its end, and fails once more."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _fail(message: str) -> int:
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
