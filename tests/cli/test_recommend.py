"""`bench recommend` on the toy data set."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.datasets.store import open_dataset


@pytest.fixture(scope="module")
def results(toy_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished cells of two models, one of them with two seeds."""
    from bench.cli.main import main

    folder = tmp_path_factory.mktemp("results")
    words = ["-q", "run", "--dataset", "toy", "--data", str(toy_data_dir), "--results", str(folder)]
    words += ["--recommenders", "poprank,vbpr", "--seed", "0", "--seed", "1"]
    assert main([*words, "--set", "vbpr.epochs=3"]) == 0
    return folder


@pytest.fixture
def recommend(bench: Callable[..., Any], toy_data_dir: Path, results: Path) -> Callable[..., Any]:
    def run(*words: object) -> Any:
        place = ("--data", toy_data_dir, "--results", results)
        return bench("recommend", "--dataset", "toy", *place, *words)

    return run


def test_text_per_model(recommend: Callable[..., Any], toy_data_dir: Path) -> None:
    outcome = recommend("--user", "u5", "--top", 4)
    assert outcome.code == 0
    assert outcome.out.startswith("toy, user u5: bought\n")
    dataset = open_dataset(toy_data_dir / "toy")
    for item in dataset.training.train.of(5):
        assert f"{dataset.item_ids[item]} " in outcome.out
    assert "PopRank (seed 1): test item at rank" in outcome.out
    assert "VBPR (seed 1): test item at rank" in outcome.out
    assert outcome.out.count("\n4   ") == 2
    assert "\n5   " not in outcome.out


def test_one_model_of_one_seed(recommend: Callable[..., Any]) -> None:
    outcome = recommend("--user", "u5", "--recommenders", "vbpr", "--seed", 0)
    assert outcome.code == 0
    assert "VBPR (seed 0)" in outcome.out
    assert "PopRank" not in outcome.out


def test_the_picture(recommend: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "new" / "u5.png"
    outcome = recommend("--user", "u5", "--output", path, "--pixels", 40)
    assert outcome.code == 0
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert image.format == "PNG"
        assert image.width > 10 * 40
        assert image.height > 3 * 40
        assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) > 100


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--user", "u55"], "unknown user 'u55' of toy: did you mean 'u5'?"),
        (["--user", "u5", "--recommenders", "fm"], "no finished cell of fm on toy"),
        (["--user", "u5", "--recommenders", "vbrp"], "did you mean 'vbpr'?"),
        (["--user", "u5", "--seed", "9"], "no finished cell on toy with seed 9"),
        (["--user", "u5", "--device", "gpu"], "unknown device 'gpu'"),
        (["--user", "u5", "--top", "0"], "top"),
        (["--user", "u5", "--output", "u5.txt"], "--output u5.txt: the picture is written as .png"),
        (["--user", "u5", "--set", "vbpr.epochs=7"], "no stored cell of vbpr has epochs=7"),
        (["--user", "u5", "--set", "vbrp.epochs=3"], "did you mean 'vbpr'?"),
        ([], "--user"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    recommend: Callable[..., Any], words: list[str], message: str
) -> None:
    outcome = recommend(*words)
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_data_set_without_images_has_text_only(bench: Callable[..., Any], tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    rows = [f"u{user},{(user + 3 * k) % 20:02d}" for user in range(30) for k in range(6)]
    (own / "interactions.csv").write_text("user,item\n" + "\n".join(rows))
    place = ("--data", tmp_path / "data", "--results", tmp_path / "r")
    assert bench("datasets", "import", own, "--name", "bare", "--data", tmp_path / "data").code == 0
    words = ("run", "--dataset", "bare", "--recommenders", "poprank", *place)
    assert bench(*words).code == 0
    outcome = bench("recommend", "--dataset", "bare", "--user", "u3", *place)
    assert outcome.code == 0
    assert "PopRank (seed 0)" in outcome.out
    assert outcome.out.endswith("bare has no images: nothing to draw\n")
    drawn = bench(
        "recommend", "--dataset", "bare", "--user", "u3", "--output", tmp_path / "x.png", *place
    )
    assert drawn.code == 2
    assert "bare has no images to draw" in drawn.err
    assert not (tmp_path / "x.png").exists()
