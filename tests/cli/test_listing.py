"""`bench list`, `bench doctor` and `bench check-plugin`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stored_cells import add_cell

from bench.errors import BenchError
from bench.experiment.store import ResultStore
from bench.registry import Registry


def test_list_shows_source_and_hyper_parameters(bench: Callable[..., Any]) -> None:
    outcome = bench("list")
    assert outcome.code == 0
    assert "vbpr  (VBPR)" in outcome.out
    assert "trained by LightFM" in outcome.out
    described = {entry["name"]: entry for entry in json.loads(bench("list", "--json").out)}
    assert list(described)[:2] == ["rand", "poprank"]
    kinds = [(entry["name"], entry["kind"]) for entry in described.values()]
    assert kinds[-3:] == [
        ("dvbpr", "recommender"),
        ("lsgan", "generator"),
        ("design", "experiment"),
    ]
    assert "    trials" in outcome.out
    factors = next(p for p in described["warp"]["hyper_parameters"] if p["name"] == "factors")
    assert factors["grid"] == [10, 30, 50]  # section IV-B


def test_list_says_what_is_left_to_the_preset(bench: Callable[..., Any]) -> None:
    lines = [" ".join(line.split()) for line in bench("list").out.splitlines()]
    assert "preset = auto" in lines
    assert "factors as in the preset" in lines
    assert "trials as suits the device" in lines
    assert not any(line.endswith("= None") for line in lines)


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
    assert "cannot write the folder of data sets" in outcome.out


def test_check_plugin_passes_our_own_and_names_what_is_broken(
    bench: Callable[..., Any], tmp_path: Path
) -> None:
    good = bench("check-plugin", "poprank")
    assert good.code == 0
    assert "14 of 14 promises kept" in good.out
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


def test_doctor_looks_at_what_is_stored(
    bench: Callable[..., Any], toy_data_dir: Path, tmp_path: Path
) -> None:
    data, results = tmp_path / "data", tmp_path / "results"
    shutil.copytree(toy_data_dir, data)
    store = ResultStore(results)
    add_cell(store, "vbpr")
    add_cell(store, "fm", None)
    fine = bench("doctor", "--data", data, "--results", results, "--json")
    report = json.loads(fine.out)
    assert fine.code == 0
    assert report["stored_datasets"] == ["toy"]
    counts = {"finished": 1, "failed": 1, "damaged": 0, "unfinished": 0}
    assert report["stored_results"] == counts
    (failed,) = report["failed_results"]
    assert failed == "fm on clothing, seed 0: out of memory"
    text = bench("doctor", "--data", data, "--results", results).out
    assert f"failed: {failed}; the next bench run tries again" in text
    assert "no other problems found" in text

    shutil.copytree(data / "toy", data / "older")
    record = data / "older" / "dataset.json"
    record.write_text(record.read_text().replace('"schema_version": 2', '"schema_version": 99'))
    shutil.copytree(data / "toy", data / "partial")
    (data / "partial" / "users.arrow").unlink()
    (add_cell(store, "warp").folder / "per_user.parquet").write_bytes(b"not parquet")
    (add_cell(store, "rand").folder / "result.json").write_text('{"schema_version": 99}')
    (store.root / "unfinished" / "x").mkdir(parents=True)
    (store.root / "unfinished" / "x" / "checkpoint.npz").write_bytes(b"")
    damaged = bench("doctor", "--data", data, "--results", results)
    assert damaged.code == 1
    assert "problem: stored data set older: " in damaged.out
    assert "schema version 99" in damaged.out
    assert "problem: stored data set partial: " in damaged.out
    assert "users.arrow is missing" in damaged.out
    assert "per_user.parquet: cannot be read" in damaged.out
    assert "result schema version 99" in damaged.out
    assert "1 finished, 1 failed, 2 damaged, 1 unfinished" in damaged.out
