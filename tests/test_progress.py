"""A bar on a terminal, log lines elsewhere."""

import io
import logging
import time
from types import SimpleNamespace

import pytest

import bench.progress
from bench.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stderr = Terminal()
    # pytest puts its own stderr back between a fixture and the test: replace what the module sees.
    monkeypatch.setattr(bench.progress, "sys", SimpleNamespace(stderr=stderr))
    return stderr


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, moved by hand."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def pipe(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stderr = io.StringIO()
    monkeypatch.setattr(bench.progress, "sys", SimpleNamespace(stderr=stderr))
    caplog.set_level(logging.INFO, logger="bench.progress")
    # The command line switches propagation off for the whole process.
    monkeypatch.setattr(logging.getLogger("bench"), "propagate", True)
    return stderr


def test_a_terminal_gets_a_bar(terminal: Terminal, caplog: pytest.LogCaptureFixture) -> None:
    with Progress("vbpr", 4, unit="epoch") as progress:
        progress.advance(note="loss 0.5")
        progress.advance(3)
        assert progress._bar is not None
        progress._bar.refresh()
    text = terminal.getvalue()
    assert "vbpr" in text
    assert "4/4" in text
    assert "epoch" in text
    assert "loss 0.5" in text
    assert not caplog.messages
    # The bar is wiped when the work is over: results follow on a clean line.
    assert text.rsplit("\r", 1)[-1].strip() == ""


def test_a_bar_closes_when_the_work_fails(terminal: Terminal) -> None:
    with pytest.raises(KeyError), Progress("work", 2) as progress:
        raise KeyError
    assert progress._bar is not None
    assert progress._bar.disable  # what tqdm sets on close


def test_elsewhere_lines_are_logged_now_and_then(
    clock: list[float], pipe: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    with Progress("images", 9, unit="image", every_seconds=30) as progress:
        progress.advance()
        clock[0] += 29
        progress.advance(2, note="AUC 0.7")
        assert caplog.messages == []
        clock[0] += 1
        progress.advance()
        assert caplog.messages == ["images: 4/9 image AUC 0.7"]
        clock[0] += 29
        progress.advance()
        assert len(caplog.messages) == 1
        clock[0] += 1
        progress.advance(4, note="AUC 0.8")
        assert caplog.messages[1:] == ["images: 9/9 image AUC 0.8"]
    assert pipe.getvalue() == ""


@pytest.mark.usefixtures("pipe")
def test_an_unknown_total_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    with Progress("rows", every_seconds=0) as progress:
        progress.advance(5)
    assert [line.strip() for line in caplog.messages] == ["rows: 5 it"]


def test_a_bar_and_its_note_fit_on_80_columns(terminal: Terminal) -> None:
    with Progress("bpr-mf, seed 0", 200, unit="epoch") as progress:
        assert progress._bar is not None
        progress._bar.dynamic_ncols = None
        progress._bar.ncols = 80
        progress.advance(96, note="best val AUC 0.6957")
        progress._bar.refresh()
    line = max(terminal.getvalue().split("\r"), key=lambda text: "0.6957" in text).rstrip()
    assert len(line) <= 80
    assert line.startswith("bpr-mf, seed 0 |")
    assert line.endswith("best val AUC 0.6957]")
    assert " 96/200 epoch [" in line
    bar = line.split("|")[1]
    assert len(bar) >= 10  # wide enough to see how far it is


def test_without_a_total_there_is_a_count(terminal: Terminal) -> None:
    with Progress("rows", unit="row") as progress:
        progress.advance(5, note="so far")
        assert progress._bar is not None
        progress._bar.refresh()
    assert "rows: 5 row [00:00, so far]" in terminal.getvalue()
