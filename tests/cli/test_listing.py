"""`bench list`, `bench doctor` and `bench check-plugin`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.registry import Registry


def test_list_shows_source_and_hyper_parameters(bench: Callable[..., Any]) -> None:
    outcome = bench("list")
    assert outcome.code == 0
    assert "vbpr  (VBPR)" in outcome.out
    assert "trained by LightFM" in outcome.out
    described = {entry["name"]: entry for entry in json.loads(bench("list", "--json").out)}
    assert list(described)[:2] == ["rand", "poprank"]
    factors = next(p for p in described["warp"]["hyper_parameters"] if p["name"] == "factors")
    assert factors["grid"] == [10, 30, 50]  # section IV-B


def test_a_recommender_that_cannot_be_imported_is_listed_with_the_reason(
    bench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Registry.recommender

    def broken(self: Registry, name: str) -> Any:
        if name == "warp":
            raise BenchError("'warp' cannot be imported: ImportError: no lightfm")
        return real(self, name)

    monkeypatch.setattr(Registry, "recommender", broken)
    outcome = bench("list")
    assert "unavailable: 'warp' cannot be imported" in outcome.out
    assert "vbpr  (VBPR)" in outcome.out
    doctor = bench("doctor")
    assert doctor.code == 1
    assert "problem: 'warp' cannot be imported" in doctor.out


def test_doctor_says_what_is_installed_and_why_not_the_gpu(
    bench: Callable[..., Any], tmp_path: Path
) -> None:
    outcome = bench("doctor", "--results", tmp_path / "new", "--json")
    report = json.loads(outcome.out)
    assert outcome.code == 0
    assert report["problems"] == []
    assert report["device"] in ("cpu", "cuda")
    assert report["device_reason"]
    assert "torch" in report["machine"]["versions"]
    assert not (tmp_path / "new").exists()
    assert "no problems found" in bench("doctor").out


def test_doctor_tells_of_a_folder_that_cannot_be_written(
    bench: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    outcome = bench("doctor", "--data", tmp_path / "file" / "data")
    assert outcome.code == 1
    assert "the folder of data sets" in outcome.out


def test_check_plugin_passes_our_own_and_names_what_is_broken(
    bench: Callable[..., Any], tmp_path: Path
) -> None:
    good = bench("check-plugin", "poprank")
    assert good.code == 0
    assert "12 of 12 promises kept" in good.out
    file = tmp_path / "bad.py"
    file.write_text(
        "import numpy as np\n"
        "from baselines.rand import Rand\n"
        "class Bad(Rand):\n"
        "    name = 'bad'\n"
        "    def _score(self, users):\n"
        "        return super()._score(users).astype(np.float64)\n"
    )
    bad = bench("check-plugin", "bad", "--plugin", file)
    assert bad.code == 1
    assert "BROKEN  scores have the right shape and type: " in bad.out
    unknown = bench("check-plugin", "popruck")
    assert unknown.code == 2
    assert "did you mean 'poprank'?" in unknown.err
