"""`bench run` to its end, `bench table 4` and `bench figure` on the toy data set."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cli.main import main
from bench.datasets.dataset import Dataset
from bench.datasets.store import write_dataset


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


TINY = {
    "dvbpr": {"preset": "slim", "pixels": 16, "epochs": 2, "factors": 4, "precision": "float32"},
    "lsgan": {
        "preset": "slim",
        "pixels": 16,
        "epochs": 2,
        "code_dims": 8,
        "batch_size": 20,
        "precision": "float32",
    },
    "design": {
        "eta_trials": 4,
        "starts": 4,
        "steps": 3,
        "fit_starts": 2,
        "fit_steps": 3,
        "samples": 3,
        "splits": 3,
    },
}


def settings(*names: str) -> list[str]:
    return [f"--set={n}.{key}={value}" for n in names for key, value in TINY[n].items()]


CPU = ["--device", "cpu", "--threads", "1"]
WORDS = ["--recommenders", "poprank,dvbpr", "--device", "cpu", "--threads", "1", "--trials", "6"]
WORDS += settings("dvbpr", "lsgan", "design")


@pytest.fixture(scope="module")
def place(toy_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A data folder of its own, for judges are kept beside the data, and a results folder."""
    folder = tmp_path_factory.mktemp("generating")
    shutil.copytree(toy_data_dir / "toy", folder / "data" / "toy")
    return ["--data", str(folder / "data"), "--results", str(folder / "results")]


@pytest.fixture
def run(bench: Callable[..., Any], place: list[str]) -> Callable[..., Any]:
    def call(*words: object) -> Any:
        return bench("run", "--dataset", "toy", *place, *WORDS, *words)

    return call


@pytest.fixture(scope="module")
def finished(place: list[str]) -> Outcome:
    """What a first run did."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main(["run", "--dataset", "toy", *place, *WORDS])
    return Outcome(code, out.getvalue(), err.getvalue())


def results_of(place: list[str]) -> Path:
    return Path(place[-1])


def test_a_run_trains_designs_judges_and_draws(finished: Any, place: list[str]) -> None:
    assert finished.code == 0, finished.err
    table2, table3, table4 = (
        finished.out.index(caption)
        for caption in ("Data set statistics", "Recommendation performance", "Comparison of top-3")
    )
    assert table2 < table3 < table4
    assert "(6 trials)" in finished.out
    assert "classifier score" in finished.out
    root = results_of(place)
    (folder,) = (root / "designs" / "toy").iterdir()
    assert (folder / "judged-classifier.json").is_file()
    assert len(list((root / "generators").rglob("state.npz"))) == 1
    names = {path.name for path in (root / "figures" / "toy").iterdir()}
    assert names == {f"figure{n}.{kind}" for n in (3, 4, 5, 6) for kind in ("png", "pdf")}
    assert not list((root / "unfinished").rglob("*.npz"))


def test_again_it_only_prints(finished: Any, run: Callable[..., Any], place: list[str]) -> None:
    stored = sorted(results_of(place).rglob("*.npz"))
    times = [path.stat().st_mtime_ns for path in stored]
    again = run()
    assert again.code == 0
    assert again.out == finished.out
    assert "trained in" not in again.err
    assert "to go" not in again.err
    assert [path.stat().st_mtime_ns for path in stored] == times
    assert sorted(results_of(place).rglob("*.npz")) == stored


def test_killed_while_it_designs_it_ends_with_the_same_images(
    finished: Outcome, place: list[str], tmp_path: Path
) -> None:
    """SIGKILL between two stored parts; the second call goes on and ends as if undisturbed."""
    folders = []
    for name in ("undisturbed", "killed"):
        folders.append(tmp_path / name)
        for part in ("runs", "generators"):
            shutil.copytree(results_of(place) / part, folders[-1] / part)
    words = [*WORDS[: WORDS.index("--trials")], "--trials", "28"]
    words += [*settings("dvbpr", "lsgan"), "--set=design.steps=20", "--set=design.starts=8"]
    words += [f"--set=design.{name}=2" for name in ("eta_trials", "fit_starts", "fit_steps")]
    calls = [["run", "--dataset", "toy", *place[:3], str(folder), *words] for folder in folders]
    assert main(["-q", *calls[0]]) == 0
    code = "import sys; from bench.cli.main import main; sys.exit(main(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", code, *calls[1]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        deadline = time.monotonic() + 120
        while not list(folders[1].glob("unfinished/*/designed-000008.npz")):
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not list(folders[1].glob("designs/*/*/designs.json"))
    kept = {path.name: path.stat().st_mtime_ns for path in folders[1].glob("unfinished/*/*.npz")}
    assert {"trials.npz", "designed-000000.npz", "designed-000008.npz"} <= kept.keys()
    with redirect_stderr(io.StringIO()) as err:
        assert main(calls[1]) == 0
    assert "trained in" not in err.getvalue()
    first, second = (next(iter(folder.glob("designs/toy/*"))) for folder in folders)
    assert first.name == second.name
    names = sorted(path.name for path in first.glob("*.npz"))
    assert names == sorted(path.name for path in second.glob("*.npz"))
    for name in names:
        with np.load(first / name) as one, np.load(second / name) as other:
            assert sorted(one) == sorted(other)
            for key in one:
                np.testing.assert_array_equal(one[key], other[key], err_msg=f"{name} {key}")
    sources = [
        json.loads((folder / "judged-classifier.json").read_text())["sources"]
        for folder in (first, second)
    ]
    assert sources[0] == sources[1]
    assert not list(folders[1].glob("unfinished/*/*.npz"))


def test_the_table_in_every_format(
    finished: Any, bench: Callable[..., Any], place: list[str], tmp_path: Path
) -> None:
    results = place[2:]
    printed = finished.out[finished.out.index("Comparison of top-3") :]
    assert bench("table", 4, *results).out == printed
    assert "95% percentile bootstrap" in bench("table", 4, "--ci", *results).out
    assert r"\hat{\delta}" in bench("table", 4, "--format", "latex", *results).out
    assert "**Comparison" in bench("table", 4, "--format", "markdown", *results).out
    value = json.loads(bench("table", 4, "--format", "json", *results).out)
    (experiment,) = value["experiments"]
    assert experiment["record"]["trials"] == 6
    assert experiment["record"]["key"]["options"]["starts"] == 4
    rows = bench("table", 4, "--format", "csv", *results).out.splitlines()
    assert sum(row.startswith("toy,") for row in rows) == 4 * 6 + 3
    path = tmp_path / "table4.tex"
    assert bench("table", 4, "--format", "latex", "--output", path, *results).out == ""
    assert r"\toprule" in path.read_text()
    chosen = bench("table", 4, "--set", "design.trials=6", "--dataset", "toy", *results)
    assert chosen.out == printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--ties", "half"), "--ties is for table 3: table 4 has no such choice"),
        (("--metric", "mrr"), "--metric is for table 3"),
        (("--configurations",), "--configurations is for table 3"),
        (("--set", "vbpr.factors=3"), "--set vbpr.…: designs are chosen by --set design.OPTION"),
        (("--set", "design.trials=7"), "no stored designs have trials=7"),
        (("--dataset", "tey"), "no designs for data set 'tey'"),
    ],
)
def test_table_4_refuses_what_would_mislead(
    finished: Any,
    bench: Callable[..., Any],
    place: list[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    outcome = bench("table", 4, *place[2:], *words)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_figure_where_it_belongs_or_where_it_is_wanted(
    finished: Any, bench: Callable[..., Any], place: list[str], tmp_path: Path
) -> None:
    folder = results_of(place) / "figures" / "toy"
    before = (folder / "figure4.png").read_bytes()
    (folder / "figure4.png").unlink()
    outcome = bench("figure", 4, *place[2:])
    assert outcome.out.splitlines() == [str(folder / "figure4.png"), str(folder / "figure4.pdf")]
    assert (folder / "figure4.png").read_bytes() == before
    path = tmp_path / "mine.PDF"
    outcome = bench("figure", 6, "--dataset", "toy", "--output", path, *place[2:])
    assert outcome.out == f"{path}\n"
    assert path.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((2,), "'2' is not one of '3', '4', '5', '6'"),
        ((3, "--output", "figure.svg"), "figures are written as .png or .pdf"),
        ((3, "--dataset", "women"), "no designs for data set 'women'"),
    ],
)
def test_a_figure_that_cannot_be(
    finished: Any,
    bench: Callable[..., Any],
    place: list[str],
    words: tuple[Any, ...],
    message: str,
) -> None:
    outcome = bench("figure", *words, *place[2:])
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


def test_without_designs_the_command_that_makes_them_is_told(
    bench: Callable[..., Any], tmp_path: Path
) -> None:
    for verb in (("table", 4), ("figure", 3)):
        outcome = bench(*verb, "--results", tmp_path / "none")
        assert outcome.code == 2
        assert "no designs are stored; `bench run` makes them" in outcome.err
    assert not (tmp_path / "none").exists()


def test_figures_of_several_data_sets(bench: Callable[..., Any], tmp_path: Path) -> None:
    from stored_designs import add_designs, judged_by

    add_designs(tmp_path, judged_by())
    add_designs(tmp_path, judged_by(), dataset="women")
    outcome = bench("figure", 5, "--results", tmp_path)
    assert outcome.code == 2
    assert "give --dataset (photos, women)" in outcome.err
    assert bench("figure", 5, "--dataset", "women", "--results", tmp_path).code == 0
    add_designs(tmp_path, judged_by(), dataset="women", data_hash="e" * 64)
    outcome = bench("figure", 5, "--dataset", "women", "--results", tmp_path)
    assert "several contents of women" in outcome.err
    chosen = f"design.data_hash={'e' * 64}"
    outcome = bench("figure", 5, "--dataset", "women", "--set", chosen, "--results", tmp_path)
    assert outcome.code == 0


def test_left_out_if_not_wanted(
    bench: Callable[..., Any], place: list[str], tmp_path: Path
) -> None:
    words = [
        "--recommenders",
        "dvbpr",
        "--device",
        "cpu",
        "--threads",
        "1",
        *settings("dvbpr"),
        "--no-generate",
    ]
    place = [*place[:3], str(tmp_path / "r")]
    outcome = bench("run", "--dataset", "toy", *place, *words)
    assert outcome.code == 0
    assert "Comparison of" not in outcome.out
    assert {path.name for path in (tmp_path / "r").iterdir()} == {"runs", "unfinished"} & {
        path.name for path in (tmp_path / "r").iterdir()
    }
    outcome = bench("run", "--dataset", "toy", *place, *words, "--set", "design.starts=8")
    assert outcome.code == 2
    assert "--no-generate leaves out what it is for" in outcome.err


def test_a_run_without_a_recommender_of_images_designs_nothing(
    bench: Callable[..., Any], place: list[str], tmp_path: Path
) -> None:
    place = [*place[:3], str(tmp_path / "r")]
    words = ("--recommenders", "poprank", "--threads", 1)
    outcome = bench("run", "--dataset", "toy", *place, *words)
    assert outcome.code == 0
    assert "Table IV" not in outcome.err
    assert not (tmp_path / "r" / "generators").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--trials", "0"), "Invalid value for '--trials'"),
        (("--trials", "5", "--set", "design.trials=6"), "say the same: give one of them"),
        (("--set", "design.starts=2"), "top 3 images cannot be drawn from 2 starts"),
        (("--set", "design.strats=2"), "did you mean 'starts'?"),
        (("--set", "lsgan.epochs=0"), "epochs must be at least 1"),
        (("--generator", "lsgna"), "unknown generator 'lsgna': did you mean 'lsgan'?"),
        (("--inception-weights", "no-such-file"), "no-such-file"),
    ],
)
def test_mistakes_are_told_before_anything_is_fitted(
    bench: Callable[..., Any],
    place: list[str],
    tmp_path: Path,
    words: tuple[str, ...],
    message: str,
) -> None:
    place = [*place[:3], str(tmp_path / "r")]
    outcome = bench("run", "--dataset", "toy", *place, "--recommenders", "dvbpr", *words)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "r" / "runs").exists()


def other_dataset(dataset: Dataset, folder: Path, **changes: Any) -> None:
    training = replace(dataset.training, **changes)
    images = training.images
    assert images is not None
    write_dataset(
        folder / "other",
        name="other",
        title="Other",
        source="the tests",
        licence="none",
        train=training.train,
        validation=dataset.validation,
        test=dataset.test,
        user_ids=dataset.user_ids,
        item_ids=dataset.item_ids,
        split_rule=dataset.split_rule,
        split_seed=None,
        category_names=training.category_names,
        categories=training.categories,
        images=(images.encoded(item) for item in range(training.n_items)),
        features=None,
        feature_info=None,
    )


def test_a_data_set_without_categories_has_tables_2_and_3(
    bench: Callable[..., Any], toy_dataset: Dataset, tmp_path: Path
) -> None:
    other_dataset(toy_dataset, tmp_path / "data", categories=None, category_names=())
    place = [
        "--data",
        tmp_path / "data",
        "--results",
        tmp_path / "r",
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    outcome = bench(
        "run", "--dataset", "other", *place, "--recommenders", "dvbpr", *settings("dvbpr")
    )
    assert outcome.code == 0
    assert "no Table IV: lsgan needs categories, which other does not have" in outcome.err
    assert not (tmp_path / "r" / "generators").exists()


def test_too_few_images_per_category_are_told_before_a_generator_is_trained(
    bench: Callable[..., Any], toy_dataset: Dataset, tmp_path: Path
) -> None:
    other_dataset(
        toy_dataset,
        tmp_path / "data",
        categories=(np.arange(60) // 2).astype(np.int16),
        category_names=tuple(f"kind {n}" for n in range(30)),
    )
    place = [
        "--data",
        tmp_path / "data",
        "--results",
        tmp_path / "r",
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    outcome = bench(
        "run", "--dataset", "other", *place, "--recommenders", "dvbpr", *settings("dvbpr")
    )
    assert outcome.code == 0
    assert "no Table IV: other: no category of a test item has 3 images" in outcome.err
    assert not (tmp_path / "r" / "generators").exists()


def test_what_fails_after_the_fits_is_told_and_leaves_their_tables(
    bench: Callable[..., Any],
    place: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from bench.errors import BenchError
    from dvbpr.lsgan import Lsgan

    def diverged(*arguments: object, **named: object) -> None:
        raise BenchError("lsgan: the loss of epoch 1 is nan")

    monkeypatch.setattr(Lsgan, "_fit", diverged)
    words = ["--recommenders", "dvbpr", "--device", "cpu", "--threads", "1", "--trials", "3"]
    words += settings("dvbpr", "lsgan", "design")
    outcome = bench("run", "--dataset", "toy", *place[:3], tmp_path / "r", *words)
    assert outcome.code == 1
    assert "Recommendation performance" in outcome.out
    assert "Comparison" not in outcome.out
    assert "Table IV on toy failed: lsgan: the loss of epoch 1 is nan" in outcome.err
