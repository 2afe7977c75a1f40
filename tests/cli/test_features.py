"""`bench features` on the toy data set."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.datasets.store import open_dataset, read_record, verify
from bench.files import sha256_of_file

LEARNING = """
import numpy as np
from baselines.poprank import PopRank

class Seeing(PopRank):
    name = "seeing"
    label = "Seeing"
    source = "a test"

    def item_features(self, dataset):
        bias = self.factors().item_bias
        return np.stack([bias, 2 * bias, bias + 1], axis=1)
"""


@pytest.fixture
def data(toy_data_dir: Path, tmp_path: Path) -> Path:
    """A data folder of this test's own."""
    shutil.copytree(toy_data_dir / "toy", tmp_path / "data" / "toy")
    return tmp_path / "data"


@pytest.fixture
def features(bench: Callable[..., Any], data: Path, tmp_path: Path) -> Callable[..., Any]:
    def run(*words: object) -> Any:
        place = ("--data", data, "--results", tmp_path / "r", "--device", "cpu", "--threads", 1)
        return bench("features", "--dataset", "toy", *place, *words)

    return run


CLASSIFIER = ("--from", "classifier", "--set", "classifier.epochs=2")


def test_of_a_classifier_as_a_file_and_as_a_data_set(
    features: Callable[..., Any], bench: Callable[..., Any], data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "toy.npy"
    outcome = features(*CLASSIFIER, "--output", path, "--as", "toy-seen", "--seed", 2)
    assert outcome.code == 0, outcome.err
    assert "60 x 256 float16 features" in outcome.out
    values = np.load(path)
    assert values.shape == (60, 256)
    described = json.loads(path.with_suffix(".json").read_text())
    assert described["sha256"] == sha256_of_file(path)
    assert described["data_hash"] == read_record(data / "toy").data_hash
    assert described["how"]["params"]["epochs"] == 2
    assert "trained to name the 3 categories" in described["description"]
    assert "no interactions were used" in described["description"]
    verify(data / "toy-seen")
    made = open_dataset(data / "toy-seen")
    np.testing.assert_array_equal(made.training.features, values)
    assert made.training.feature_info is not None
    assert made.training.feature_info.kind == "classifier"
    assert read_record(data / "toy-seen").title == "Toy, classifier features"
    ran = bench(
        "run", "--dataset", "toy,toy-seen", "--recommenders", "visrank", "--data", data,
        "--results", tmp_path / "r",
    )  # fmt: skip
    assert ran.code == 0
    folded = " ".join(ran.out.split())
    assert "features of VisRank: random features of the conformance kit" in folded
    assert "features of VisRank: 256-d activations of slim, trained to name" in folded


def test_same_call_same_file(features: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    features(*CLASSIFIER, "--output", tmp_path / "a.npy")
    shutil.rmtree(data / ".cache")
    features(*CLASSIFIER, "--output", tmp_path / "b.npy")
    features(*CLASSIFIER, "--output", tmp_path / "c.npy", "--seed", 1)
    assert sha256_of_file(tmp_path / "a.npy") == sha256_of_file(tmp_path / "b.npy")
    assert sha256_of_file(tmp_path / "a.npy") != sha256_of_file(tmp_path / "c.npy")


def test_of_a_recommender_that_learns_them(
    features: Callable[..., Any], bench: Callable[..., Any], data: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "my_model.py"
    plugin.write_text(LEARNING)
    words = ("--from", "seeing", "--plugin", plugin, "--as", "toy-learnt")
    before = features(*words)
    assert before.code == 2
    assert "no finished cell of seeing on toy" in before.err
    place = ("--data", data, "--results", tmp_path / "r")
    run = ("run", "--dataset", "toy", "--recommenders", "seeing", "--plugin", plugin, *place)
    assert bench(*run, "--seed", 5).code == 0
    outcome = features(*words)
    assert outcome.code == 0, outcome.err
    made = open_dataset(data / "toy-learnt")
    counts = made.training.train.item_counts
    np.testing.assert_array_equal(made.training.features[:, 0], counts)
    np.testing.assert_array_equal(made.training.features[:, 1], 2 * counts)
    assert made.training.feature_info is not None
    assert made.training.feature_info.kind == "learnt"
    told = made.training.feature_info.description
    assert "Seeing (seed 5)" in told
    assert "learnt from the training interactions, so not independent of them" in told
    assert features(*words, "--seed", 4).code == 2


def test_of_dvbpr_they_are_what_its_item_factors_are_made_of(
    features: Callable[..., Any], bench: Callable[..., Any], data: Path, tmp_path: Path
) -> None:
    place = ("--data", data, "--results", tmp_path / "r", "--device", "cpu", "--threads", 1)
    words = ("--set", "dvbpr.preset=slim", "--set", "dvbpr.epochs=1")
    words += ("--set", "dvbpr.precision=float32")
    ran = bench(
        *("run", "--no-generate", "--dataset", "toy", "--recommenders", "dvbpr"), *words, *place
    )
    assert ran.code == 0, ran.err
    path = tmp_path / "fc7.npy"
    outcome = features("--from", "dvbpr", "--output", path)
    assert outcome.code == 0, outcome.err
    assert "learnt from the training interactions, so not independent" in outcome.out
    (folder,) = (tmp_path / "r" / "runs" / "toy" / "dvbpr").iterdir()
    with np.load(folder / "state.npz") as state:
        weight, bias = state["network.last.weight"], state["network.last.bias"]
        by_hand = np.load(path).astype(np.float32) @ weight.T + bias
        np.testing.assert_allclose(by_hand, state["items"], rtol=0.01, atol=0.01)
        assert np.ptp(state["items"], axis=0).max() > 0.05


def test_of_a_file(features: Callable[..., Any], data: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.npy"
    values = np.random.default_rng(0).random((60, 5), dtype=np.float32)
    np.save(path, values)
    outcome = features("--from", path, "--as", "toy-mine")
    assert outcome.code == 0, outcome.err
    record = read_record(data / "toy-mine")
    assert record.title == "Toy, mine features"
    assert record.feature_info is not None
    assert record.feature_info.kind == "own"
    assert record.feature_info.description == "own features, 5-d, given as mine.npy"
    assert record.report["features"]["sha256"] == sha256_of_file(path)
    np.testing.assert_array_equal(open_dataset(data / "toy-mine").training.features, values)


def test_of_a_file_this_command_wrote_what_it_said_is_kept(
    features: Callable[..., Any], data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "seen.npy"
    assert features(*CLASSIFIER, "--output", path).code == 0
    assert features("--from", path, "--as", "toy-seen").code == 0
    info = read_record(data / "toy-seen").feature_info
    assert info is not None
    assert info.kind == "classifier"
    assert "trained to name the 3 categories" in info.description
    np.save(path, np.ones((60, 5), np.float32))
    outcome = features("--from", path, "--as", "toy-other")
    assert outcome.code == 2
    assert "describes another seen.npy" in outcome.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "classifier"], "--output FILE.npy, --as NEW, or both"),
        (["--from", "classifier", "--output", "x.bin"], "let the name end so"),
        (["--from", "classifier", "--as", "Toy"], "only lower-case letters"),
        (["--from", "classifier", "--as", "toy"], "data set 'toy' exists"),
        (["--from", "classifier", "--as", "toy", "--force"], "another name"),
        (["--from", "clasifier", "--as", "n"], "did you mean 'classifier'?"),
        (["--from", "poprank", "--as", "n"], "poprank learns no features of images"),
        (["--from", "missing.npy", "--as", "n"], "no such file"),
        ([*CLASSIFIER, "--as", "n", "--set", "vbpr.epochs=2"], "the features come from classifier"),
        (["--from", "classifier", "--as", "n", "--set", "classifier.x=2"], "unknown hyper"),
        (["--from", "classifier", "--as", "n", "--set", "classifier.epochs=0"], "at least 1"),
        (["--from", "classifier", "--as", "n", "--set", "classifier.backbone=slin"], "'slim'?"),
        (["--from", "x.npy", "--as", "n", "--set", "x.npy.epochs=1"], "--set"),
    ],
)
def test_bad_input_is_one_line_and_nothing_written(
    features: Callable[..., Any], data: Path, words: list[str], message: str
) -> None:
    outcome = features(*words)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.splitlines()[-1].startswith("error: ")
    assert sorted(p.name for p in data.iterdir() if not p.name.startswith(".")) == ["toy"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((59, 4), np.float32), "59 rows, toy has 60 items"),
        (np.full((60, 4), np.inf, np.float32), "not finite"),
        (np.ones(60, np.float32), "must be a matrix"),
    ],
)
def test_files_that_do_not_fit(
    features: Callable[..., Any], data: Path, tmp_path: Path, values: np.ndarray, message: str
) -> None:
    np.save(tmp_path / "mine.npy", values)
    outcome = features("--from", tmp_path / "mine.npy", "--as", "toy-mine")
    assert outcome.code == 2
    assert message in outcome.err
    assert not (data / "toy-mine").exists()
