"""The root command: help, unknown words, exit codes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import click
import pytest

from bench.cli import main as module


def test_help_lists_every_verb(bench: Callable[..., Any]) -> None:
    outcome = bench("--help")
    assert outcome.code == 0
    for verb in module.VERBS:
        assert f"  {verb} " in outcome.out


@pytest.mark.parametrize("verb", list(module.VERBS))
def test_every_verb_has_help(bench: Callable[..., Any], verb: str) -> None:
    outcome = bench(verb, "--help")
    assert outcome.code == 0
    assert "Usage: bench" in outcome.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rum"], "error: unknown command 'rum': did you mean 'run'?"),
        (["run", "--no-such"], "error: No such option '--no-such'"),
        (["run", "--ties", "odd"], "error: Invalid value for '--ties'"),
        (["table"], "error: Missing argument"),
        (["table", "5"], "error: Invalid value"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(
    bench: Callable[..., Any], words: list[str], message: str
) -> None:
    outcome = bench(*words)
    assert outcome.code == 2
    assert outcome.err.startswith(message)
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


def test_interruption_is_exit_code_130(
    bench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module._Verbs, "get_command", lambda *arguments: interrupted)
    outcome = bench("run")
    assert outcome.code == 130
    assert "interrupted; what is finished is stored and not made again" in outcome.err


def test_a_bug_keeps_its_traceback(
    bench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def buggy() -> None:
        raise KeyError("bug")

    monkeypatch.setattr(module._Verbs, "get_command", lambda *arguments: buggy)
    with pytest.raises(KeyError, match="bug"):
        bench("run")


def test_the_installed_command_gives_the_exit_code() -> None:
    call = "import sys; from bench.cli.main import main; sys.exit(main(['nonsense']))"
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown command 'nonsense'")


@pytest.mark.parametrize("words", [[], ["datasets"]])
def test_a_bare_command_shows_its_help(bench: Callable[..., Any], words: list[str]) -> None:
    outcome = bench(*words)
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: {' '.join(['bench', *words])} ")
    assert outcome.err == ""


def test_sigterm_is_exit_code_143_and_the_handler_is_put_back(
    bench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def terminated() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(module._Verbs, "get_command", lambda *arguments: terminated)
    outcome = bench("run")
    assert outcome.code == 143
    assert outcome.err.endswith("terminated; what is finished is stored and not made again\n")
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")  # noqa: PTH110
@pytest.mark.parametrize("words", [["list"], ["--help"], ["list", "--json"]])
def test_output_on_a_full_disk_is_one_line_and_exit_code_2(words: list[str]) -> None:
    call = [sys.executable, "-m", "bench.cli.main", *words]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert (
        done.stderr.strip().splitlines()[-1].startswith("error: cannot write the output: the disk")
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("names", ["", "poprank,,rand", " , "])
def test_an_empty_name_does_not_mean_all(bench: Callable[..., Any], names: str) -> None:
    done = bench("run", "--recommenders", names)
    assert done.code == 2
    assert "an empty name in" in done.err
