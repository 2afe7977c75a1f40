"""`bench audit`, `bench export` and `bench evaluate` on the toy data set."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.evaluation.audit import DEFINITIONS


@pytest.fixture(scope="module")
def results(toy_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished cells of three models; VisRank has no factors."""
    from bench.cli.main import main

    folder = tmp_path_factory.mktemp("results")
    words = ["-q", "run", "--dataset", "toy", "--data", str(toy_data_dir), "--results", str(folder)]
    words += ["--recommenders", "poprank,visrank,vbpr", "--device", "cpu"]
    assert main([*words, "--set", "vbpr.epochs=2"]) == 0
    return folder


@pytest.fixture
def on_toy(bench: Callable[..., Any], toy_data_dir: Path, results: Path) -> Callable[..., Any]:
    def run(verb: str, *words: object) -> Any:
        stored = () if verb == "evaluate" else ("--results", results)
        return bench("-q", verb, *words, "--data", toy_data_dir, "--device", "cpu", *stored)

    return run


@pytest.fixture
def audit(on_toy: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *words: on_toy("audit", "--dataset", "toy", "--draws", 2, *words)


def test_both_tables_and_the_figure(audit: Callable[..., Any], tmp_path: Path) -> None:
    outcome = audit("--recommender", "vbpr", "--output", tmp_path / "new" / "curve.pdf")
    assert outcome.code == 0
    assert outcome.out.startswith("AUC of VBPR on Toy under every definition in use.")
    assert "VBPR: the first row is the stored result." in outcome.out
    assert "AUC on Toy against how often the test item was seen in" in outcome.out
    assert (tmp_path / "new" / "curve.pdf").read_bytes().startswith(b"%PDF")


def test_several_models_as_json(audit: Callable[..., Any]) -> None:
    outcome = audit("--recommender", "visrank,poprank", "--format", "json", "--k", 3)
    rows = json.loads(outcome.out)["rows"]
    assert {row["recommender"] for row in rows} == {"visrank", "poprank"}
    assert {row["table"] for row in rows} == {"audit", "cold-curve"}
    by_name = {
        (row["recommender"], row["definition"]): row["value"]
        for row in rows
        if row.get("setting") == "all"
    }
    assert len(by_name) == 2 * len(DEFINITIONS)
    assert by_name["poprank", "half"] > by_name["poprank", "strict"]
    assert by_name["poprank", "limited"] < by_name["poprank", "at-k"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recommender", "vbrp"], "did you mean 'vbpr'?"),
        (["--recommender", "fm"], "no finished cell of fm on toy"),
        (["--recommender", "vbpr", "--seed", "9"], "no finished cell of vbpr on toy with seed 9"),
        (["--recommender", "vbpr", "--output", "curve.svg"], "written as .png or .pdf"),
        (["--recommender", "vbpr", "--draws", "0"], "--draws must be at least 1"),
        (["--recommender", "vbpr", "--set", "vbpr.factor=3"], "did you mean 'factors'?"),
        (["--recommender", "vbpr", "--set", "vbpr.epochs=9"], "no stored cell of vbpr has epochs"),
        (["--recommender", "vbpr", "--set", "fm.epochs=9"], "fm is not among the recommenders"),
        ([], "--recommender"),
    ],
)
def test_bad_input_to_audit(audit: Callable[..., Any], words: list[str], message: str) -> None:
    outcome = audit(*words)
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_figure_that_cannot_be_written_is_told_before_counting(
    audit: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count(*_: object, **__: object) -> None:
        pytest.fail("counted first")

    monkeypatch.setattr("bench.experiment.audit.audit_counts", count)
    (tmp_path / "file").touch()
    outcome = audit("--recommender", "vbpr", "--output", tmp_path / "file" / "x.png")
    assert outcome.code == 2
    assert "cannot write the figure" in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_configuration_is_chosen_by_set(audit: Callable[..., Any]) -> None:
    assert audit("--recommender", "vbpr", "--set", "vbpr.epochs=2").code == 0


def test_out_and_in_again(on_toy: Callable[..., Any], tmp_path: Path) -> None:
    paths = [tmp_path / "new" / f"{name}.bundle" for name in ("vbpr", "visrank")]
    for name, path in zip(("vbpr", "visrank"), paths, strict=True):
        outcome = on_toy("export", f"toy/{name}/0", "--output", path)
        assert outcome.code == 0, outcome.err
        assert f"of {'VBPR' if name == 'vbpr' else 'VisRank'} on toy, seed 0; AUC 0." in outcome.out
    assert (
        "before rounding to half precision"
        in on_toy("export", "toy/vbpr/0", "--output", paths[0]).out
    )
    outcome = on_toy("evaluate", *paths)
    assert outcome.code == 0, outcome.err
    assert "vbpr.bundle: the AUC is the manifest's" in outcome.out
    assert "visrank.bundle: all " in outcome.out
    assert "VisRank (seed 0)  VBPR (seed 0)" in outcome.out
    assert "by Holm's method over the 2 pairs" in outcome.out
    rows = json.loads(on_toy("evaluate", paths[1], "--format", "json").out)["rows"]
    assert {row["n_users"] for row in rows if row["setting"] == "all"} == {39}


def test_the_bundles_numbers_are_the_stored_ones(
    on_toy: Callable[..., Any], results: Path, tmp_path: Path
) -> None:
    path = tmp_path / "poprank.bundle"
    on_toy("export", "toy/poprank/0", "--output", path)
    rows = json.loads(on_toy("evaluate", path, "--format", "json").out)["rows"]
    (file,) = (results / "runs" / "toy" / "poprank").glob("*/result.json")
    stored = json.loads(file.read_text())["metrics"]
    for row in rows:
        name = f"{row['metric']}_{row['ties']}.{row['setting']}"
        assert row["value"] == pytest.approx(stored[name], abs=1e-12)
    assert len(rows) == len(stored)


def test_the_same_cell_gives_the_same_bytes(on_toy: Callable[..., Any], tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert on_toy("export", "toy/vbpr/0", "--output", tmp_path / name).code == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_ranks_need_no_data_set(bench: Callable[..., Any], results: Path, tmp_path: Path) -> None:
    path, nowhere = tmp_path / "ranks", tmp_path / "no data"
    words = ("--results", results, "--data", nowhere)
    made = bench("export", "toy/vbpr/0", "--content", "ranks", "--output", path, *words)
    assert made.code == 0, made.err
    done = bench("evaluate", path, "--data", nowhere)
    assert done.code == 0, done.err
    assert not nowhere.exists()


def test_forged_numbers_are_exit_code_1(on_toy: Callable[..., Any], tmp_path: Path) -> None:
    import dataclasses

    from bench.experiment.bundle import Bundle, read_bundle, write_bundle

    on_toy("export", "toy/poprank/0", "--content", "ranks", "--output", tmp_path / "a")
    bundle = read_bundle(tmp_path / "a")
    better = {name: min(1.0, value + 0.05) for name, value in bundle.manifest.metrics.items()}
    forged = dataclasses.replace(bundle.manifest, metrics=better)
    write_bundle(tmp_path / "b", Bundle(forged, bundle.arrays))
    outcome = on_toy("evaluate", tmp_path / "b")
    assert outcome.code == 1
    assert "NOT the manifest's" in outcome.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("export", "toy/vbrp/0", "--output", "x"), "did you mean 'vbpr'?"),
        (("export", "toy/vbpr/5", "--output", "x"), "seed or folder of toy/vbpr '5'"),
        (("export", "vbpr", "--output", "x"), "names no cell"),
        (("export", "toy/vbpr/0"), "--output"),
        (("export", "toy/vbpr/0", "--output", "x", "--set", "vbpr.epochs=9"), "has epochs=9"),
        (("export", "toy/vbpr/0", "--output", "x", "--set", "vbpr.epoch=9"), "mean 'epochs'?"),
        (("export", "toy/visrank/0", "--content", "factors", "--output", "x"), "has no factors"),
        (("evaluate", "no such file"), "no such file"),
        (("evaluate",), "BUNDLE"),
    ],
)
def test_bad_input_to_the_bundles_verbs(
    on_toy: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = on_toy(*words)
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_data_set_for_ranks_is_refused(on_toy: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "ranks"
    assert on_toy("export", "toy/visrank/0", "--output", path).code == 0
    outcome = on_toy("evaluate", path, "--dataset", "nope")
    assert outcome.code == 2
    assert "error: --dataset is for bundles of factors" in outcome.err
    assert outcome.err.count("\n") == 1


def test_sampled_bundles_are_marked_and_not_compared(
    bench: Callable[..., Any], tmp_path: Path
) -> None:
    from stored_cells import add_cell

    from bench.experiment.store import ResultStore

    store = ResultStore(tmp_path / "results")
    add_cell(store, "visrank", [9] * 4)
    add_cell(store, "visrank", [8] * 4, sampled=100, made="2030-01-01")
    add_cell(store, "poprank")
    words = ("--content", "ranks", "--results", store.root)
    exact = bench("-q", "export", "clothing/visrank/0", "--output", tmp_path / "exact", *words)
    assert "seed 0; AUC 0.900000;" in exact.out
    sampled = ("--set", "visrank.protocol.sampled=100", "--output", tmp_path / "sampled")
    outcome = bench("export", "clothing/visrank/0", *sampled, *words)
    assert "SAMPLED against 100 items, not comparable with exact results; AUC 0.80" in outcome.out
    done = bench("evaluate", tmp_path / "exact", tmp_path / "sampled")
    assert done.code == 0
    assert done.err == (
        "Not compared: VisRank (seed 0) [exact] with VisRank (seed 0) [sampled]: ranked exactly "
        "and against 100 SAMPLED items.\n"
    )


def test_factors_that_overflow_are_no_matter_of_the_learning_rate(
    on_toy: Callable[..., Any], tmp_path: Path
) -> None:
    import dataclasses

    from bench.experiment.bundle import Bundle, read_bundle, write_bundle

    assert on_toy("export", "toy/vbpr/0", "--output", tmp_path / "a").code == 0
    bundle = read_bundle(tmp_path / "a")
    scales = {"user": -200, "item": -200}
    forged = dataclasses.replace(bundle.manifest, scale_exponents=scales)
    write_bundle(tmp_path / "b", Bundle(forged, bundle.arrays))
    outcome = on_toy("evaluate", tmp_path / "b")
    assert outcome.code == 2
    assert "b: its factors give scores beyond single precision" in outcome.err
    assert "learning rate" not in outcome.err
    assert outcome.err.count("\n") == 1


def test_factors_on_another_data_set(
    on_toy: Callable[..., Any], toy_data_dir: Path, bench: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "vbpr.bundle"
    assert on_toy("export", "toy/vbpr/0", "--output", path).code == 0
    own = tmp_path / "own"
    own.mkdir()
    rows = [f"u{user},{(user + 3 * k) % 20:02d}" for user in range(30) for k in range(6)]
    (own / "interactions.csv").write_text("user,item\n" + "\n".join(rows))
    place = ("--data", tmp_path / "data")
    assert bench("-q", "datasets", "import", own, "--name", "bare", *place).code == 0
    outcome = bench("evaluate", path, "--dataset", "bare", "--device", "cpu", *place)
    assert outcome.code == 2
    assert "vbpr.bundle: the bundle was made on another split than bare" in outcome.err
    missing = bench("evaluate", path, *place)
    assert missing.code == 2
    assert "unknown data set 'toy'" in missing.err
    assert np.load(path)["item_bias"].dtype == np.float32
