"""`bench generate`: training once, samples, and one line for every mistake."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.datasets.dataset import Dataset
from bench.datasets.store import write_dataset


def small(epochs: int) -> list[str]:
    """Give the settings of networks that train in no time."""
    settings = ("pixels=16", "code_dims=4", "batch_size=16", f"epochs={epochs}")
    return [word for setting in settings for word in ("--set", f"lsgan.{setting}")]


@pytest.fixture
def generate(bench: Callable[..., Any], toy_data_dir: Path, tmp_path: Path) -> Callable[..., Any]:
    def run(verb: str, *words: object, data: Path = toy_data_dir, dataset: str = "toy") -> Any:
        where = ("--data", data, "--results", tmp_path / "results", "--threads", 1)
        return bench("generate", verb, "--dataset", dataset, *where, "--device", "cpu", *words)

    return run


@pytest.fixture
def train(generate: Callable[..., Any]) -> Callable[..., Any]:
    def run(*words: object, epochs: int = 2, **given: Any) -> Any:
        return generate("train", *small(epochs), *words, **given)

    return run


def test_train_and_sample(
    train: Callable[..., Any], generate: Callable[..., Any], tmp_path: Path
) -> None:
    done = train()
    assert done.code == 0, done.err
    assert done.out.startswith("LSGAN (slim, seed 0): trained now, 60 images, 2 epochs in ")
    assert "discriminator loss" in done.out
    folder = Path(done.out.splitlines()[-1].removeprefix("stored: "))
    assert sorted(path.name for path in folder.iterdir()) == [
        "curve.csv",
        "result.json",
        "samples",
        "state.npz",
    ]
    assert "was trained already, 60 images" in train().out
    pictures = []
    for name, words in {
        "a": ("--category", "green"),
        "b": ("--category", "GREEN"),
        "c": ("--category", "green", "--seed", 5),
        "d": ("--category", "red"),
    }.items():
        output = tmp_path / "new" / f"{name}.png"
        done = generate("sample", *words, "--count", 10, "--output", output)
        assert done.code == 0, done.err
        assert done.out == (
            f"10 images of {words[1].lower()} by LSGAN (trained with seed 0): {output}\n"
        )
        pictures.append(np.asarray(Image.open(output)))
    first, same, other_seed, other_category = pictures
    assert first.shape == (2 * 16, 8 * 16, 3)  # two rows of eight, the second not full
    assert (first[16:, 2 * 16 :] == 255).all()
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other_seed)
    assert not np.array_equal(first, other_category)


def test_one_image(train: Callable[..., Any], generate: Callable[..., Any], tmp_path: Path) -> None:
    assert train("--seed", 4).code == 0
    output = tmp_path / "one.png"
    done = generate("sample", "--category", "blue", "--count", 1, "--output", output)
    assert done.out == f"1 image of blue by LSGAN (trained with seed 4): {output}\n"
    with Image.open(output) as image:
        assert image.size == (16, 16)


def weights(results: Path) -> dict[str, np.ndarray]:
    (path,) = results.glob("generators/toy/lsgan/*/state.npz")
    with np.load(path) as stored:
        return dict(stored.items())


def test_killed_training_ends_with_the_weights_of_an_undisturbed_one(
    train: Callable[..., Any], toy_data_dir: Path, tmp_path: Path
) -> None:
    words = ["generate", "train", "--dataset", "toy", "--data", str(toy_data_dir), *small(30)]
    words += ["--threads", "1", "--device", "cpu", "--checkpoint-seconds", "0"]
    killed = tmp_path / "killed"
    call = "import sys; from bench.cli.main import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", call, *words, "--results", str(killed)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not list(killed.glob("unfinished/*/samples/epoch-003.png")):
        assert process.poll() is None, "the training ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert list(killed.glob("unfinished/*/checkpoint.npz"))
    assert not (killed / "generators").exists()
    resumed = train("--results", killed, epochs=30)
    assert resumed.code == 0
    assert "lsgan goes on after epoch" in resumed.err
    assert train(epochs=30).code == 0
    one, other = weights(killed), weights(tmp_path / "results")
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert not list(killed.glob("unfinished/*"))


def test_mistakes_are_one_line(
    train: Callable[..., Any], generate: Callable[..., Any], tmp_path: Path
) -> None:
    output = tmp_path / "out.png"

    def told(verb: str, *words: object, **given: Any) -> str:
        done = generate(verb, *words, **given)
        assert done.code == 2
        assert done.out == ""
        (line,) = done.err.splitlines()
        return str(line)

    sample = ("--category", "red", "--output", output)
    assert told("sample", *sample) == (
        f"error: no trained generator lsgan on toy under {tmp_path / 'results'}; "
        "`bench generate train --dataset toy` trains it"
    )
    assert "unknown category 'grene': did you mean 'green'?" in told(
        "sample", "--category", "grene", "--output", output
    )
    assert "did you mean 'lsgan'" in told("train", "--generator", "lsgam")
    assert "--set vbpr.…: the generator is lsgan" in told("train", "--set", "vbpr.factors=1")
    assert "did you mean 'epochs'" in told("train", "--set", "lsgan.epoch=1")
    assert "pixels must be a multiple of 16" in told("train", "--set", "lsgan.pixels=20")
    assert "must be one of auto, paper, release, slim" in told("train", "--set", "lsgan.preset=big")
    assert "unknown device 'gpu'" in told("train", "--device", "gpu")
    assert "did you mean 'toy'" in told("train", dataset="tou")
    assert "x<=10000" in told("sample", *sample, "--count", 0)
    assert not output.exists()
    assert not (tmp_path / "results" / "generators").exists()


def test_data_that_cannot_be_learnt_from(
    train: Callable[..., Any], toy_dataset: Dataset, tmp_path: Path
) -> None:
    training = toy_dataset.training
    assert training.images is not None
    encoded = [training.images.encoded(item) for item in range(training.n_items)]
    each = tuple(f"c{item}" for item in range(training.n_items))
    for name, given, message in (
        ("plain", {}, "lsgan needs categories and images, which plain does not have"),
        ("uncategorised", {"images": encoded}, "lsgan needs categories, which"),
        (
            "single",
            {
                "images": encoded,
                "categories": np.zeros(training.n_items, dtype=np.int16),
                "category_names": ("all", "none"),
            },
            "it needs items of two at least, single has 60 of one",
        ),
        (
            "lonely",
            {
                "images": encoded,
                "categories": np.arange(training.n_items, dtype=np.int16),
                "category_names": each,
            },
            "lonely has one image per category",
        ),
        (
            "broken",
            {
                "images": [*encoded[:-1], encoded[-1][:200]],
                "categories": training.categories,
                "category_names": training.category_names,
            },
            "the image of item 59 (rows from 0) cannot be decoded",
        ),
    ):
        write_dataset(
            tmp_path / "data" / name,
            name=name,
            title=name,
            source="the tests",
            licence="none",
            train=training.train,
            validation=toy_dataset.validation,
            test=toy_dataset.test,
            user_ids=toy_dataset.user_ids,
            item_ids=toy_dataset.item_ids,
            split_rule="by hand",
            split_seed=None,
            **given,
        )
        done = train(data=tmp_path / "data", dataset=name)
        assert done.code == 2
        assert message in done.err
        assert "Traceback" not in done.err
        assert not (tmp_path / "results" / "generators").exists()
