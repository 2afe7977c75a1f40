"""`bench run` end to end on the toy data set."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.registry import Registry

PLUGIN = """
import numpy as np
from baselines.poprank import PopRank

class Mine(PopRank):
    name = "mine"
    label = "Mine & Co"
    source = "a test"

class Broken(PopRank):
    name = "broken"
    label = "Broken"
    source = "a test"

    def factors(self):
        raise ValueError("out of ideas")
"""


@pytest.fixture
def run(bench: Callable[..., Any], toy_data_dir: Path, tmp_path: Path) -> Callable[..., Any]:
    def run(*words: object) -> Any:
        return bench(
            *("run", "--no-generate", "--dataset", "toy"),
            *("--data", toy_data_dir, "--results", tmp_path / "r", *words),
        )

    return run


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "my_model.py"
    file.write_text(PLUGIN)
    return file


def test_all_recommenders_end_in_tables_2_and_3(run: Callable[..., Any]) -> None:
    quick = ("--set", "dvbpr.epochs=2")
    outcome = run(*quick)
    assert outcome.code == 0
    assert "Data set statistics" in outcome.out
    for label in ("RAND", "PopRank", "WARP", "BPR-MF", "VisRank", "FM", "VBPR", "DVBPR", "Oracle"):
        assert label in outcome.out
    assert "8 made, 0 failed" in outcome.err
    again = run(*quick)
    assert again.code == 0
    assert "skipped 8 finished cells (--force redoes them)" in again.err
    assert again.out == outcome.out
    forced = run("--recommenders", "poprank", "--force")
    assert "1 made" in forced.err
    assert "skipped" not in forced.err


def test_one_result_folder_holds_everything(run: Callable[..., Any], tmp_path: Path) -> None:
    run("--recommenders", "vbpr,bpr-mf", "--seed", 0, "--seed", 1, "--set", "vbpr.epochs=3")
    folders = sorted((tmp_path / "r" / "runs" / "toy").glob("*/seed*"))
    assert [f"{f.parent.name}/{f.name[:5]}" for f in folders] == [
        "bpr-mf/seed0",
        "bpr-mf/seed1",
        "vbpr/seed0",
        "vbpr/seed1",
    ]
    for folder in folders:
        names = {path.name for path in folder.iterdir()}
        assert names == {"result.json", "per_user.parquet", "state.npz", "curve.csv"}
    record = json.loads((folders[-1] / "result.json").read_text())
    assert record["key"]["params"]["epochs"] == record["epochs"] == 3
    assert record["dataset_facts"]["split_rule"] == "by hand"
    assert not list((tmp_path / "r").rglob("*checkpoint*"))


def test_seeds_counts_from_zero(run: Callable[..., Any], tmp_path: Path) -> None:
    outcome = run("--recommenders", "rand", "--seeds", 3)
    folders = sorted((tmp_path / "r" / "runs" / "toy" / "rand").glob("seed*"))
    assert [folder.name[:5] for folder in folders] == ["seed0", "seed1", "seed2"]
    out = " ".join(outcome.out.split())  # the foot is wrapped
    assert "fitted with 3 seeds (0, 1, 2)" in out
    assert "±: standard deviation over seeds" in out


def test_a_plug_in_file_is_one_more_column(run: Callable[..., Any], plugin: Path) -> None:
    outcome = run("--recommenders", "poprank,mine", "--plugin", plugin)
    assert outcome.code == 0
    assert "(i)" in outcome.out
    assert "Mine & Co" in outcome.out


def test_a_failing_recommender_fails_alone(
    run: Callable[..., Any], plugin: Path, tmp_path: Path
) -> None:
    outcome = run("--recommenders", "broken,poprank", "--plugin", plugin)
    assert outcome.code == 1
    assert "ValueError: out of ideas" in outcome.err
    assert "failed: broken on toy, seed 0" in outcome.err
    assert "out of ideas" in outcome.out  # the table's note on the dash
    (trace,) = (tmp_path / "r").rglob("error.txt")
    assert "Traceback" in trace.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recommenders", "vbrp"], "unknown recommender 'vbrp': did you mean 'vbpr'?"),
        (["--dataset", "toyy"], "unknown data set 'toyy': did you mean 'toy'?"),
        (["--device", "gpu"], "unknown device 'gpu'"),
        (["--set", "vbpr.factrs=1"], "did you mean 'factors'?"),
        (["--plugin", "missing.py"], "no such file"),
        (["--seed", "-1"], "seeds must not be negative"),
        (["--seeds", "0"], "'--seeds': 0 is not in the range x>=1"),
        (["--seeds", "2", "--seed", "4"], "--seed and --seeds exclude each other"),
        (["--threads", "0"], "--threads must be at least 1"),
    ],
)
def test_bad_input_is_one_line_exit_2_and_nothing_run(
    run: Callable[..., Any], tmp_path: Path, words: list[str], message: str
) -> None:
    outcome = run(*words)
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "synthetic_fashion,toyy"], "unknown data set 'toyy'"),
        (["--dataset", "synthetic_fashion", "--set", "vbpr.factrs=1"], "did you mean 'factors'"),
        (["--dataset", "synthetic_fashion", "--set", "vbpr.factors=x"], "must be of type int"),
        (["--dataset", "synthetic_fashion", "--set", "vpbr.factors=1"], "did you mean 'vbpr'"),
        (["--dataset", "synthetic_fashion", "--set", "vbpr"], "NAME.PARAMETER=VALUE"),
        (["--dataset", "synthetic_fashion", "--recommenders", "rand,vbrp"], "did you mean 'vbpr'"),
        (["--dataset", "synthetic_fashion", "--recommenders", "rand", "--set", "fm.epochs=1"],
         "fm is not among the recommenders"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_before_anything_is_drawn_or_made(
    bench: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    def drawn(*arguments: object) -> None:
        pytest.fail("the data set was drawn")

    monkeypatch.setattr("bench.datasets.synthetic.SyntheticFashion.prepare", drawn)
    outcome = bench("run", "--data", tmp_path / "d", "--results", tmp_path / "r", *words)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_stored_data_set_that_cannot_be_used_is_told_before_another_is_drawn(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: Path
) -> None:
    def drawn(*arguments: object) -> None:
        pytest.fail("the data set was drawn")

    monkeypatch.setattr("bench.datasets.synthetic.SyntheticFashion.prepare", drawn)
    plugin.write_text(PLUGIN + "    needs = frozenset({'prices'})\n")
    words = ["--dataset", "synthetic_fashion", "--recommenders", "broken", "--plugin", plugin]
    outcome = run(*words)
    assert outcome.code == 2
    assert "broken needs prices, which toy does not have" in outcome.err
    assert not (tmp_path / "r").exists()


PARAMETERS = (
    PLUGIN
    + """
from dataclasses import dataclass, field

@dataclass(frozen=True, kw_only=True)
class MineParams:
    weight: float
    sizes: tuple[int, ...] = field(default_factory=lambda: (3, 4))

@dataclass(frozen=True, kw_only=True)
class OddParams:
    odd: object = field(default_factory=object)

class Needy(PopRank):
    name = "needy"
    label = "Needy"
    source = "a test"
    Params = MineParams

class Odd(Needy):
    name = "odd"
    Params = OddParams
"""
)


def test_hyper_parameters_without_or_with_a_made_default(
    run: Callable[..., Any], bench: Callable[..., Any], plugin: Path, tmp_path: Path
) -> None:
    plugin.write_text(PARAMETERS)
    listed = bench("list", "--plugin", plugin)
    assert "weight must be given: --set needy.weight=VALUE" in listed.out
    assert "sizes  = (3, 4)" in listed.out
    described = {d["name"]: d for d in json.loads(bench("list", "--json", "--plugin", plugin).out)}
    weight, sizes = described["needy"]["hyper_parameters"]
    assert (weight["required"], weight["default"]) == (True, None)
    assert (sizes["required"], sizes["default"]) == (False, [3, 4])
    call = ["--recommenders", "needy", "--plugin", plugin]
    without = run(*call)
    assert without.code == 2
    assert without.err == (
        "error: needy.weight has no default: give it with --set needy.weight=VALUE\n"
    )
    outcome = run(*call, "--set", "needy.weight=0.5")
    assert outcome.code == 0
    (record,) = (tmp_path / "r").rglob("result.json")
    assert json.loads(record.read_text())["key"]["params"] == {"weight": 0.5, "sizes": [3, 4]}
    assert run(*call, "--set", "needy.weight=0.5").err.count("skipped 1 finished") == 1
    odd = run("--recommenders", "odd", "--plugin", plugin)
    assert odd.code == 2
    assert "error: odd.odd = <object object" in odd.err
    assert "cannot be stored with the results" in odd.err
    kit = bench("check-plugin", "needy", "--plugin", plugin, "--set", "needy.weight=1")
    assert kit.code == 0
    assert bench("check-plugin", "needy", "--plugin", plugin).code == 2


def test_a_best_epoch_that_was_the_last_allowed_is_told(run: Callable[..., Any]) -> None:
    outcome = run("--recommenders", "vbpr,poprank", "--set", "vbpr.epochs=1")
    assert "(the last allowed: training may not have converged; --set vbpr.epochs=N" in outcome.err
    assert "may not have converged: VBPR on Toy (seed 0)" in " ".join(outcome.out.split())


def test_results_that_are_a_file_are_told_before_anything_runs(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "r").write_text("a file")
    outcome = run()
    assert outcome.code == 2
    assert outcome.err.startswith("error: cannot store results")


def test_unwritable_results_are_told_before_anything_runs(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tests may run as root, whom no permission stops: the refusal is played.
    def refused(**arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    outcome = run()
    assert outcome.code == 2
    assert "permission denied; choose a folder you may write to" in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_disk_that_fills_up_ends_the_run_and_leaves_nothing_half_done(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bench.experiment.store.pq.write_table", full)
    outcome = run("--recommenders", "poprank")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("error: cannot write at")
    assert "the disk is full" in outcome.err
    assert not [path for path in (tmp_path / "r").rglob("*") if path.is_file()]


def test_intervals_and_the_other_tie_rule(run: Callable[..., Any]) -> None:
    outcome = run("--recommenders", "poprank", "--ci", "--ties", "half")
    assert outcome.code == 0
    assert "half" in outcome.out
    assert "95" in outcome.out


def test_a_recommender_that_cannot_be_imported_is_left_out_of_a_run_of_all(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Registry.recommender

    def some(self: Registry, name: str) -> Any:
        if name not in ("rand", "poprank"):
            raise BenchError(f"{name!r} cannot be imported: ImportError: no such library")
        return real(self, name)

    monkeypatch.setattr(Registry, "recommender", some)
    outcome = run()
    assert outcome.code == 0
    assert "left out: 'warp' cannot be imported" in outcome.err
    assert "2 made, 0 failed" in outcome.err
    assert run("--recommenders", "warp").code == 2
