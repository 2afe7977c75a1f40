"""`bench check` end to end on the toy data set."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.bpr_mf import BprMf
from bench.recommender import Factors

PLUGIN = """
from baselines.visrank import VisRank

class Mine(VisRank):
    name = "mine"
    label = "Mine"
    source = "a test"

    def _score(self, users):
        scores = super()._score(users)
        {change}
        return scores
"""
SAME = "pass"
BAD = "scores = -scores"
BROKEN = "raise ValueError('out of ideas')"
QUICK = ("--set", "bpr-mf.epochs=60")


@pytest.fixture
def check(bench: Callable[..., Any], toy_data_dir: Path, tmp_path: Path) -> Callable[..., Any]:
    def check(*words: object, results: str = "r") -> Any:
        return bench(
            *("-q", "check", "--dataset", "toy", "--data", toy_data_dir, "--threads", 1),
            *("--results", tmp_path / results, *words),
        )

    return check


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[[str], Path]:
    def write(change: str) -> Path:
        file = tmp_path / "my_model.py"
        file.write_text(PLUGIN.format(change=change))
        return file

    return write


def made(check: Callable[..., Any], *words: object) -> Any:
    """Make a golden file of two seeds."""
    outcome = check("--update", "--reason", "first values", "--seed", 0, "--seed", 1, *words)
    assert outcome.code == 0, outcome.err
    return outcome


def rows(outcome: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["recommender"], row["metric"]): row for row in json.loads(outcome.out)["rows"]}


def test_nothing_has_changed(check: Callable[..., Any], tmp_path: Path) -> None:
    outcome = made(check, "--recommenders", "poprank,rand")
    path = tmp_path / "r" / "golden" / "toy.json"
    assert outcome.out == f"golden values of poprank, rand on toy written to {path}\n"
    golden = json.loads(path.read_text())
    assert list(golden["recommenders"]) == ["rand", "poprank"]  # as tables have them
    assert golden["recommenders"]["rand"]["seeds"] == [0, 1]
    (update,) = golden["updates"]
    assert update["reason"] == "first values"
    assert {"numpy", "torch"} <= update["provenance"]["versions"].keys()

    text = check()
    assert text.code == 0
    assert text.out.startswith("Drift of AUC on Toy since the golden values were measured.\n")
    assert "No regression." in text.out
    assert "same" in text.out
    again = rows(check("--format", "json"))
    assert len(again) == 2 * 4
    assert {row["verdict"] for row in again.values()} == {"same"}
    values = golden["recommenders"]["rand"]["metrics"]["auc_strict.all"]["values"]
    row = again["rand", "auc_strict.all"]
    assert row["golden"] == row["now"] == pytest.approx(np.mean(values))
    assert row["seeds"] == [0, 1]
    assert "| PopRank" in check("--format", "markdown").out
    one = rows(check("--format", "json", "--seed", 1, "--recommenders", "rand"))
    assert one["rand", "auc_strict.all"]["golden"] == values[1]
    assert one["rand", "auc_strict.all"]["tolerance"] > row["tolerance"]


def test_a_drop_is_exit_code_1_and_a_rise_is_told(
    check: Callable[..., Any], plugin: Callable[[str], Path]
) -> None:
    words = ("--recommenders", "mine", "--plugin", plugin(SAME))
    made(check, *words)
    assert check(*words).code == 0
    plugin(BAD)
    dropped = check(*words)
    assert dropped.code == 1
    assert "WORSE" in dropped.out
    assert "Regression: Mine." in dropped.out
    broken = check("--recommenders", "mine", "--plugin", plugin(BROKEN))
    assert broken.code == 1
    assert "FAILED" in broken.out
    assert "Mine (seed 0) failed: ValueError: out of ideas" in " ".join(broken.out.split())
    plugin(BAD)
    made(check, *words)
    plugin(SAME)
    risen = check(*words)
    assert risen.code == 0
    assert "better: update?" in risen.out
    assert "No regression." in risen.out


def negative_step(monkeypatch: pytest.MonkeyPatch) -> None:
    new_model = BprMf._new_model

    def uphill(self: BprMf, generator: np.random.Generator) -> Any:
        model = new_model(self, generator)
        model.learning_rate = -model.learning_rate
        return model

    monkeypatch.setattr(BprMf, "_new_model", uphill)


def shuffled_users(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = BprMf.factors

    def shuffled(self: BprMf) -> Factors:
        found = factors(self)
        order = np.random.default_rng(0).permutation(len(found.user_factors))
        return Factors(found.user_factors[order], found.item_factors, found.item_bias)

    monkeypatch.setattr(BprMf, "factors", shuffled)


@pytest.mark.parametrize("breaks", [negative_step, shuffled_users])
def test_a_broken_bpr_mf_is_caught(
    check: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    breaks: Callable[[pytest.MonkeyPatch], None],
) -> None:
    golden = tmp_path / "golden.json"
    words = ("--golden", golden, "--recommenders", "bpr-mf")
    made(check, *words, *QUICK, *("--seed", 2, "--seed", 3, "--seed", 4))
    # Results of their own: a patch in memory is no other code on disk.
    sound = check(*words, results="sound")
    assert (sound.code, "Regression: BPR-MF." in sound.out) == (0, False)
    breaks(monkeypatch)
    caught = check(*words, "--format", "json", results="broken")
    assert caught.code == 1
    row = rows(caught)["bpr-mf", "auc_strict.all"]
    assert row["verdict"] == "worse"
    assert row["now"] < row["golden"] - 0.1


def test_cells_of_this_very_code_are_taken_and_no_table_changes(
    check: Callable[..., Any],
    bench: Callable[..., Any],
    toy_data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def counted(outcome: Any) -> tuple[int, int]:
        value = json.loads(outcome.out)
        return value["cells_fitted"], value["cells_stored"]

    golden = ("--golden", tmp_path / "g.json", "--format", "json")
    made(check, *golden, "--recommenders", "poprank,rand")
    words = ("run", "--no-generate", "--dataset", "toy", "--data", toy_data_dir, "--threads", 1)
    words += ("--results", tmp_path / "new", "--recommenders", "poprank", "--device", "cpu")
    table = bench(*words).out
    assert counted(check(*golden, results="new")) == (3, 1)
    assert counted(check(*golden, results="new")) == (0, 4)
    assert bench("table", 3, "--results", tmp_path / "new").out in table
    assert len(list((tmp_path / "new" / "runs").rglob("result.json"))) == 1
    # Other code of the runner: the key of a cell does not show it.
    monkeypatch.setattr("bench.regression.fresh.suite_code", lambda: "other")
    monkeypatch.setattr("bench.experiment.provenance.suite_code", lambda: "other")
    assert counted(check(*golden, results="new")) == (4, 0)
    assert counted(check(*golden, results="new")) == (0, 4)


def test_an_update_changes_what_it_measures(
    check: Callable[..., Any], tmp_path: Path, plugin: Callable[[str], Path]
) -> None:
    made(check, "--recommenders", "poprank,bpr-mf", *QUICK)
    path = tmp_path / "r" / "golden" / "toy.json"
    before = json.loads(path.read_text())
    assert before["recommenders"]["bpr-mf"]["settings"] == {"epochs": "60"}
    assert "BPR-MF with epochs=60" in " ".join(check().out.split())
    words = ("--recommenders", "rand", "--update", "--reason", "one more")
    assert check(*words).code == 0
    after = json.loads(path.read_text())
    assert list(after["recommenders"]) == ["rand", "poprank", "bpr-mf"]
    assert after["recommenders"]["rand"]["seeds"] == [0, 1, 2, 3, 4]
    assert {n: after["recommenders"][n] for n in ("poprank", "bpr-mf")} == before["recommenders"]
    assert [update["recommenders"] for update in after["updates"]] == [
        ["poprank", "bpr-mf"],
        ["rand"],
    ]


def test_other_defaults_are_told_and_compared(check: Callable[..., Any], tmp_path: Path) -> None:
    made(check, "--recommenders", "bpr-mf", *QUICK)
    path = tmp_path / "r" / "golden" / "toy.json"
    golden = json.loads(path.read_text())
    entry = golden["recommenders"]["bpr-mf"]
    entry["params"]["learning_rate"] = 0.5
    golden["updates"][0]["provenance"]["versions"]["numpy"] = "1.0"
    golden["data_hash"] = "f" * 64
    path.write_text(json.dumps(golden))
    outcome = check()
    told = " ".join(outcome.out.split())
    assert outcome.code == 0
    assert "BPR-MF has other defaults now: learning_rate 0.5 -> 0.1." in told
    assert "numpy 1.0 -> " in told
    assert "features or images are not to the last bit" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recommenders", "popranc"], "did you mean 'poprank'?"),
        (["--recommenders", "vbpr"], "has no values of 'vbpr': "),
        (["--seed", "7"], "has poprank with the seeds 0, 1"),
        (["--golden", "missing.json"], "missing.json: no such file"),
        (["--reason", "because"], "--reason belongs to --update"),
        (["--set", "vbpr.factors=1"], "--set belongs to --update"),
        (["--device", "cpu"], "--device belongs to --update"),
        (["--update"], "--update needs --reason TEXT"),
        (["--update", "--reason", "  "], "--update needs --reason TEXT"),
        (["--update", "--reason", "x", "--seed", "0"], "give --seed twice or more"),
        (["--update", "--reason", "x", "--set", "vbpr.factors=1"], "vbpr is not among"),
        (["--update", "--reason", "x", "--set", "poprank.factors=1"], "hyper-parameter"),
        (["--update", "--reason", "x", "--recommenders", "vbrp"], "did you mean 'vbpr'"),
        (["--update", "--reason", "x", "--device", "gpu"], "unknown device 'gpu'"),
        (["--threads", "0"], "--threads must be at least 1"),
        (["--data", "nowhere"], "unknown data set 'toy'"),
    ],
)
def test_a_mistake_is_one_line_exit_2_and_changes_nothing(
    check: Callable[..., Any], tmp_path: Path, words: list[str], message: str
) -> None:
    made(check, "--recommenders", "poprank")
    path = tmp_path / "r" / "golden" / "toy.json"
    before = path.read_bytes()
    outcome = check(*words)
    assert outcome.code == 2, outcome.out
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""
    assert path.read_bytes() == before


def test_a_golden_file_of_other_data(check: Callable[..., Any], tmp_path: Path) -> None:
    made(check, "--recommenders", "poprank,rand")
    path = tmp_path / "r" / "golden" / "toy.json"
    golden = json.loads(path.read_text())
    path.write_text(json.dumps(golden | {"dataset": "tradesy"}))
    other = check()
    assert (other.code, other.err.count("\n")) == (2, 1)
    assert "is of tradesy, not of toy" in other.err
    path.write_text(json.dumps(golden | {"split_hash": "0" * 64}))
    split = check()
    assert (split.code, split.err.count("\n")) == (2, 1)
    assert "is of another toy: split 000000000000" in split.err
    some = check("--update", "--reason", "x", "--recommenders", "rand")
    assert some.code == 2
    assert "add poprank to --recommenders" in some.err
    assert check("--update", "--reason", "other data").code == 0
    now = json.loads(path.read_text())
    assert now["recommenders"] == golden["recommenders"]
    assert [update["reason"] for update in now["updates"]] == ["other data"]


def test_no_golden_file(check: Callable[..., Any]) -> None:
    outcome = check()
    assert outcome.code == 2
    assert "no golden file for toy" in outcome.err
    assert "`bench check --dataset toy --update --reason TEXT` makes one" in outcome.err


def test_a_fit_that_fails_leaves_the_golden_file(
    check: Callable[..., Any], tmp_path: Path, plugin: Callable[[str], Path]
) -> None:
    words = ("--recommenders", "mine", "--plugin", plugin(BROKEN), "--update", "--reason", "x")
    outcome = check(*words)
    assert outcome.code == 2
    assert "mine (seed 0) failed: ValueError: out of ideas" in outcome.err
    assert not (tmp_path / "r" / "golden").exists()
