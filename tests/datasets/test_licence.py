"""Licence notes are shown once."""

import json
import logging
from pathlib import Path

import pytest

from bench.datasets.licence import show_licence_once


@pytest.fixture(autouse=True)
def _propagating(monkeypatch: pytest.MonkeyPatch) -> None:
    # The command line switches propagation off for the whole process.
    monkeypatch.setattr(logging.getLogger("bench"), "propagate", True)


def test_a_note_is_shown_once_per_data_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert show_licence_once(one, "academic use only")
    assert not show_licence_once(one, "academic use only")
    assert show_licence_once(one, "another note")
    assert not show_licence_once(one, "academic use only")
    assert show_licence_once(two, "academic use only")
    assert caplog.messages == ["academic use only", "another note", "academic use only"]
    assert [path.name for path in one.iterdir()] == ["licences-shown.json"]


@pytest.mark.parametrize("content", ["", "{", "{}", "null", "[1, null]", '"text"'])
def test_a_damaged_memory_shows_it_again(tmp_path: Path, content: str) -> None:
    (tmp_path / "licences-shown.json").write_text(content)
    assert show_licence_once(tmp_path, "note")
    assert not show_licence_once(tmp_path, "note")
    assert json.loads((tmp_path / "licences-shown.json").read_text()) == ["note"]
