"""`bench tune` and `bench run --tune` on the toy data set."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graded_plugin import fits, write_plugin

Call = Callable[..., Any]


@pytest.fixture
def graded(bench: Call, toy_data_dir: Path, tmp_path: Path) -> Call:
    """Run a verb on the toy data set with the plug-in's model."""
    plugin = write_plugin(tmp_path)

    def call(verb: str, *words: object) -> Any:
        only = ("--no-generate",) if verb == "run" else ()
        return bench(
            *(verb, *only, "--dataset", "toy", "--plugin", plugin, "--device", "cpu"),
            *("--data", toy_data_dir, "--results", tmp_path / "r", *words),
        )

    return call


def test_tune_prints_the_trials_best_first_and_how_to_run_the_winner(
    graded: Call, tmp_path: Path
) -> None:
    outcome = graded("tune", "--recommenders", "graded", "--set", "graded.epochs=5")
    assert outcome.code == 0
    assert "Tuning Graded on Toy: trials, best first." in outcome.out
    rows = [line.split() for line in outcome.out.splitlines() if line[:1].isdigit()]
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    aucs = [float(row[3]) for row in rows]
    assert aucs == sorted(aucs, reverse=True)
    assert rows[0][1] == "4.0"
    text = " ".join(outcome.out.split())
    assert "Tuned on validation: grid of 6 trials, seed 0, " in text
    assert "Test items were not looked at." in text
    assert "Given, not searched: epochs=5." in text
    assert "--set graded.epochs=5 --set graded.quality=4.0 --set graded.noise=" in text
    assert "1 of 1 tuned" in outcome.err
    again = graded("tune", "--recommenders", "graded", "--set", "graded.epochs=5")
    assert again.out == outcome.out
    assert len(fits(tmp_path)) == 6


def test_json_has_every_number(graded: Call) -> None:
    outcome = graded("tune", "--recommenders", "graded", "--json")
    told = json.loads(outcome.out)
    assert len(told["rows"]) == 6
    assert told["winner"] == {key: told["rows"][0][key] for key in ("quality", "noise")}
    assert told["tuning"]["search"] == "grid"


def test_run_fits_the_winner_and_the_table_says_how_it_was_found(
    graded: Call, tmp_path: Path
) -> None:
    words = ("--recommenders", "poprank,graded", "--tune", "--seed", 3, "--seed", 4)
    outcome = graded("run", *words)
    assert outcome.code == 0
    assert "tuned graded on toy: quality=4.0, noise=" in outcome.err
    text = " ".join(outcome.out.split())
    assert "Tuned on validation: Graded on Toy (quality=4.0, noise=" in text
    assert "): grid of 6 trials, seed 3, " in text
    records = [json.loads(p.read_text()) for p in (tmp_path / "r" / "runs").rglob("result.json")]
    by_name = {(r["key"]["recommender"], r["key"]["seed"]): r for r in records}
    assert len(by_name) == 4
    for seed in (3, 4):
        record = by_name["graded", seed]
        assert record["key"]["params"]["quality"] == 4.0
        assert record["tuning"]["n_trials"] == 6
        assert record["tuning"]["seed"] == 3
        assert record["tuning"]["winner"]["quality"] == 4.0
        assert by_name["poprank", seed]["tuning"] is None
    assert len(fits(tmp_path)) == 6 + 2
    again = graded("run", *words)
    assert again.out == outcome.out
    assert "skipped 4 finished cells" in again.err
    assert len(fits(tmp_path)) == 8


def test_a_cell_that_was_there_learns_that_a_search_chose_it(graded: Call, tmp_path: Path) -> None:
    grid = tmp_path / "mine.toml"
    grid.write_text("[graded]\nquality = [4.0, 0.1]\n")
    graded("run", "--recommenders", "graded", "--set", "graded.quality=4.0")
    outcome = graded("run", "--recommenders", "graded", "--tune", "graded", "--grid", grid)
    assert outcome.code == 0
    assert "skipped 1 finished cell" in outcome.err
    assert "grid of 2 trials (mine.toml), seed 0" in " ".join(outcome.out.split())
    (path,) = (tmp_path / "r" / "runs").rglob("result.json")
    assert json.loads(path.read_text())["tuning"]["grid"] == "mine.toml"


def test_a_failed_trial_is_told_and_the_rest_goes_on(graded: Call, tmp_path: Path) -> None:
    grid = tmp_path / "mine.yaml"
    grid.write_text("graded:\n  quality: [13, 1.0, 77]\n")
    outcome = graded("tune", "--grid", grid)
    assert outcome.code == 1
    assert "trial of graded failed: RuntimeError: out of ideas; traceback in " in outcome.err
    assert "1 trial failed; the same command tries it again" in outcome.err
    assert "[1] failed: RuntimeError: out of ideas" in outcome.out
    assert "[2] diverged: graded: the training loss of epoch 1 is nan" in outcome.out
    run = graded("run", "--recommenders", "graded", "--tune", "--grid", grid)
    assert run.code == 1
    assert "1 made, 0 failed" in run.err
    only = graded("run", "--recommenders", "poprank,graded", "--tune", "--set", "graded.quality=13")
    assert only.code == 1
    assert "no trial of graded on toy finished: nothing was won" in only.err
    assert "PopRank" in only.out


def test_where_nothing_is_won_the_trials_are_shown_and_no_table(graded: Call) -> None:
    words = ("--recommenders", "graded", "--set", "graded.quality=77", "--search", "halving")
    outcome = graded("tune", *words)
    assert outcome.code == 1
    assert "[1] diverged: graded: the training loss of epoch 1 is nan" in outcome.out
    assert "Nothing was won: no whole fit came to an end." in " ".join(outcome.out.split())
    assert "no trial of graded on toy finished: nothing was won" in outcome.err
    assert "0 of 1 tuned" in outcome.err
    run = graded("run", *words, "--tune")
    assert run.code == 1
    assert run.out == ""
    assert "nothing was won" in run.err
    assert "error: " not in run.err.replace("error: no trial of graded", "")


OTHERS = """
from dataclasses import dataclass
from baselines.rand import Rand

@dataclass(frozen=True, kw_only=True)
class Needed:
    factors: int

@dataclass(frozen=True, kw_only=True)
class Plain:
    factors: int = 1

    def __post_init__(self):
        if self.factors > 9:
            raise ValueError("factors must be below 10")

class Needs(Rand):
    name = "needs"
    label = "Needs"
    source = "a test"
    Params = Needed
    grid = {"factors": (1, 2)}

class NoGrid(Rand):
    name = "nogrid"
    label = "NoGrid"
    source = "a test"
    Params = Plain
"""


@pytest.fixture
def others(graded: Call, tmp_path: Path) -> Call:
    """Run a verb with two more models."""
    plugin = tmp_path / "others.py"
    plugin.write_text(OTHERS)
    return lambda verb, *words: graded(verb, "--plugin", plugin, *words)


@pytest.mark.parametrize("verb", [("tune",), ("run", "--tune")])
@pytest.mark.parametrize("name", ["needs", "nogrid"])
def test_both_verbs_take_the_same_grids(
    others: Call, tmp_path: Path, verb: tuple[str, ...], name: str
) -> None:
    """A hyper-parameter without a default from the grid; a grid that only the file has."""
    grid = tmp_path / "mine.toml"
    grid.write_text("[nogrid]\nfactors = [2, 3]\n")
    words = ("--grid", grid) if name == "nogrid" else ()
    outcome = others(*verb, "--recommenders", name, *words)
    assert (outcome.code, outcome.err.count("error: ")) == (0, 0)
    best = {"needs": "factors=1", "nogrid": "factors=2"}[name]
    assert f"tuned {name} on toy: {best}" in outcome.err


@pytest.mark.parametrize("verb", [("tune",), ("run", "--tune")])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[graded]\nnoise = 1\n[nogrid]\nfactors = 2\n",
         "line 3: nogrid is not tuned in this call; name it, too, or take its section out"),
        ("[[graded]]\nnoise = 1\n[[graded]]\nquality = 1\nepochs = [2,\n-1]\n",
         "line 5: graded: epochs must not be negative"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_grid_is_told_with_its_line(
    others: Call, tmp_path: Path, verb: tuple[str, ...], text: str, message: str
) -> None:
    grid = tmp_path / "mine.toml"
    grid.write_text(text)
    outcome = others(*verb, "--recommenders", "graded", "--grid", grid)
    assert outcome.code == 2
    assert outcome.err == f"error: grid {grid}, {message}\n"
    assert not fits(tmp_path)


def test_several_searches_are_one_json_document(others: Call) -> None:
    outcome = others("tune", "--recommenders", "graded,needs", "--json")
    assert outcome.code == 0
    told = json.loads(outcome.out)
    assert len(told["rows"]) == 6 + 2
    assert {row["table"] for row in told["rows"]} == {"trials-toy-graded", "trials-toy-needs"}
    assert [search["winner"] for search in told["searches"]][1] == {"factors": 1}


def test_the_printed_commands_run_the_winner_and_one_keeps_the_budget(
    graded: Call, bench: Call, toy_data_dir: Path, tmp_path: Path
) -> None:
    grid = tmp_path / "mine.toml"
    grid.write_text("[graded]\nquality = [0.5, 4.0, 1.0]\n")
    words = ("--grid", grid, "--search", "random", "--search-trials", 2, "--seed", 3)
    outcome = graded("tune", *words, "--patience", 0, "--set", "graded.epochs=4")
    text = " ".join(outcome.out.split())
    commands = [piece for piece in text.split("`")[1::2] if piece.startswith("bench run ")]
    assert len(commands) == 2
    where = ("--plugin", tmp_path / "graded_model.py", "--data", toy_data_dir, "--device", "cpu")
    tunings = []
    for command in commands:
        call = [str(grid) if word == "mine.toml" else word for word in shlex.split(command)[1:]]
        assert bench(*call, "--no-generate", *where, "--results", tmp_path / "r").code == 0
        paths = (tmp_path / "r" / "runs").rglob("seed3-*/result.json")
        tunings += [told for p in paths if (told := json.loads(p.read_text())["tuning"])]
    assert len(fits(tmp_path)) == 2 + 1 + 1  # the searches' trials are the same
    assert [(told["search"], told["n_trials"], told["seed"]) for told in tunings] == [
        ("random", 2, 3)
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tune", "--recommenders", "grded"), "unknown recommender 'grded': did you mean 'graded'"),
        (("tune", "--recommenders", "rand"), "rand has nothing to tune: its grid is empty"),
        (("tune", "--set", "graded.qualty=3"), "did you mean 'quality'?"),
        (("tune", "--set", "rand.x=3"), "rand is not tuned in this call"),
        (("tune", "--set", "rnad.x=3"), "did you mean 'rand'"),
        (("tune", "--grid", "missing.toml"), "no such file"),
        (("tune", "--search", "random"), "with --search-trials N"),
        (("tune", "--search", "rndom"), "'rndom' is not one of"),
        (("tune", "--jobs", "0"), "--jobs must be at least 1"),
        (("tune", "--seed", "-1"), "seeds must not be negative"),
        (("tune", "--backend", "dask"), "say where the scheduler is"),
        (("tune", "--threads", "0"), "--threads must be at least 1"),
        (("run", "--jobs", "2"), "--jobs is about tuning: add --tune"),
        (("run", "--search-trials", "2"), "--search-trials is about tuning: add --tune"),
        (("run", "--tune", "vbrp"), "did you mean 'vbpr'?"),
        (("run", "--recommenders", "graded", "--tune", "vbpr"), "vbpr is not among the"),
        (("run", "--recommenders", "rand", "--tune"), "nothing to tune, for rand"),
    ],
)
def test_bad_input_is_one_line_exit_2_and_nothing_run(
    graded: Call, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    outcome = graded(*words)
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "r").exists()
    assert not fits(tmp_path)


def test_torchrun_is_not_for_tuning(graded: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    outcome = graded("tune", "--recommenders", "graded")
    assert outcome.code == 2
    assert "leave torchrun out" in outcome.err
