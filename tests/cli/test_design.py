"""`bench design` and `bench tailor` on the toy data set."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.datasets.dataset import Dataset
from bench.datasets.store import open_dataset, write_dataset

TINY = {
    "dvbpr": {"pixels": 16, "epochs": 2, "factors": 4, "precision": "float32"},
    "lsgan": {"pixels": 16, "epochs": 2, "code_dims": 8, "batch_size": 20, "precision": "float32"},
}


def settings(name: str) -> list[str]:
    words = ["--set", f"{name}.preset=slim"]
    for key, value in TINY[name].items():
        words += ["--set", f"{name}.{key}={value}"]
    return words


@pytest.fixture(scope="module")
def results(toy_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished cell of DVBPR and a trained generator, as small as they come."""
    from bench.cli.main import main

    folder = tmp_path_factory.mktemp("results")
    place = ["--dataset", "toy", "--data", str(toy_data_dir), "--results", str(folder)]
    place += ["--device", "cpu", "--threads", "1"]
    fit = ["--recommenders", "dvbpr,vbpr", *settings("dvbpr")]
    assert main(["-q", "run", "--no-generate", *place, *fit]) == 0
    assert main(["-q", "generate", "train", *place, *settings("lsgan")]) == 0
    return folder


@pytest.fixture
def toy(bench: Callable[..., Any], toy_data_dir: Path, results: Path) -> Callable[..., Any]:
    """Run a verb on the toy data set, with few starts and steps."""

    def run(verb: str, *words: object) -> Any:
        few = {"design": ("--starts", 6, "--steps", 4), "tailor": ("--starts", 2)}[verb]
        if verb == "tailor":
            few += ("--fit-steps", 5, "--iterates", "0,2,4")
        place = ("--dataset", "toy", "--data", toy_data_dir, "--results", results)
        return bench(verb, *place, "--device", "cpu", "--threads", 1, *few, *words)

    return run


def scores_of(text: str, head: str, column: int) -> list[float]:
    """Read a column of the table below a line that begins with `head`."""
    lines = text.split(head)[1].splitlines()[3:]
    rows = [line.split() for line in lines]
    table = rows[: next(n for n, row in enumerate(rows) if not row)]
    return [float(row[column]) for row in table]


def test_real_and_designed_scores(
    toy: Callable[..., Any], toy_data_dir: Path, results: Path
) -> None:
    outcome = toy("design", "--user", "u5", "--category", "Blue")
    assert outcome.code == 0
    assert outcome.out.startswith(
        "toy, user u5, blue: DVBPR (seed 0), LSGAN (seed 0); eta 1, 6 starts, 4 steps, seed 0\n"
    )
    real = scores_of(outcome.out, "Real items", 2)
    designed = scores_of(outcome.out, "Designed images", 1)
    objective = scores_of(outcome.out, "Designed images", 2)
    assert len(real) == len(designed) == 3
    assert real == sorted(real, reverse=True)
    assert objective == sorted(objective, reverse=True)
    assert all(a > b for a, b in zip(designed, objective, strict=True))
    model = stored_dvbpr(toy_data_dir, results)
    dataset = open_dataset(toy_data_dir / "toy")
    assert dataset.training.categories is not None
    of_category = model.score([5])[0][dataset.training.categories == 2]
    assert real == pytest.approx(np.sort(of_category)[::-1][:3].tolist(), rel=1e-3)
    assert "Mean preference: designed" in outcome.out


def stored_dvbpr(data_dir: Path, results: Path) -> Any:
    from bench.experiment.models import finished_cells, load_model
    from bench.experiment.store import ResultStore
    from bench.registry import Registry

    dataset = open_dataset(data_dir / "toy")
    store = ResultStore(results)
    (cell,) = finished_cells(store, dataset, Registry(), names=["dvbpr"])
    return load_model(cell, dataset, Registry(), device="cpu", threads=1).model


def test_same_seed_same_text_and_the_category_of_the_test_item(
    toy: Callable[..., Any], toy_data_dir: Path
) -> None:
    dataset = open_dataset(toy_data_dir / "toy")
    assert dataset.training.categories is not None
    number = int(dataset.training.categories[dataset.test[5]])
    name = dataset.training.category_names[number]
    outcome = toy("design", "--user", "u5")
    assert outcome.out == toy("design", "--user", "u5", "--category", name).out
    assert outcome.out != toy("design", "--user", "u5", "--category", name, "--seed", 1).out


def test_more_weight_on_looking_real(toy: Callable[..., Any]) -> None:
    words = ("design", "--user", "u5", "--category", "red", "--steps", 30, "--selection", "best")
    means = []
    for eta in (0, 1000):
        text = toy(*words, "--eta", eta, "--learning-rate", 0.2).out
        means.append(np.mean(scores_of(text, "Designed images", 1)))
    assert means[0] > means[1]


def test_the_picture_of_designs(toy: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "new" / "design.png"
    outcome = toy("design", "--user", "u5", "--top", 2, "--output", path, "--pixels", 48)
    assert outcome.code == 0
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        assert image.format == "PNG"
        assert image.height > 2 * 48
        assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) > 100


def photograph(folder: Path, content: bytes | None = None) -> Path:
    path = folder / "mine.jpg"
    if content is None:
        pixels = np.random.default_rng(1).integers(256, size=(40, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    else:
        path.write_bytes(content)
    return path


def test_an_item_is_tailored(
    toy: Callable[..., Any], toy_data_dir: Path, results: Path, tmp_path: Path
) -> None:
    path = tmp_path / "tailor.png"
    outcome = toy("tailor", "--user", "u5", "--item", "i7", "--output", path, "--pixels", 48)
    assert outcome.code == 0
    assert outcome.out.startswith("toy, user u5, item i7 (green): DVBPR (seed 0), LSGAN (seed 0)")
    for name in ("prototype", "approximation", "after 2 steps", "after 4 steps"):
        assert f"\n{name} " in outcome.out
    # The photograph as it is has the item's score.
    score = float(outcome.out.split("\nprototype")[1].split()[0])
    expected = stored_dvbpr(toy_data_dir, results).score([5])[0, 7]
    assert score == pytest.approx(float(expected), rel=1e-3)
    with Image.open(path) as image:
        assert image.width > 4 * 48


def test_a_photograph_of_ones_own_is_tailored(toy: Callable[..., Any], tmp_path: Path) -> None:
    image = photograph(tmp_path)
    outcome = toy("tailor", "--user", "u5", "--image", image, "--category", "red")
    assert outcome.code == 0
    assert outcome.out.startswith("toy, user u5, mine.jpg (red): DVBPR (seed 0)")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--user", "u55"], "unknown user 'u55' of toy: did you mean 'u5'?"),
        (["--user", "u5", "--category", "rad"], "unknown category 'rad': did you mean 'red'?"),
        (["--user", "u39"], "user u39 has no test item whose category could be taken"),
        (["--user", "u5", "--recommender", "vbpr"], "vbpr scores items of the catalogue, not"),
        (["--user", "u5", "--recommender", "dvpr"], "did you mean 'dvbpr'?"),
        (["--user", "u5", "--generator", "gan"], "unknown generator 'gan'"),
        (["--user", "u5", "--fit-seed", "4"], "`bench run --dataset toy --recommenders dvbpr"),
        (["--user", "u5", "--top", "7"], "top 7 images cannot be drawn from 6 starts"),
        (["--user", "u5", "--eta", "-1"], "eta"),
        (["--user", "u5", "--device", "gpu"], "unknown device 'gpu'"),
        ([], "--user"),
    ],
)
def test_designs_that_cannot_be(
    toy: Callable[..., Any], words: list[str], message: str, tmp_path: Path
) -> None:
    outcome = toy("design", *words, "--output", tmp_path / "x.png")
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("design",), ("tailor", "--item", "i7")])
def test_a_picture_of_another_kind_is_refused_first(
    toy: Callable[..., Any], words: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "x.jpg"
    outcome = toy(*words, "--user", "u5", "--output", path)
    assert outcome.code == 2
    assert outcome.err == f"error: --output {path}: the picture is written as .png\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "either --item ID or --image FILE"),
        (["--item", "i7", "--image", "x.jpg"], "either --item ID or --image FILE"),
        (["--image", "x.jpg"], "give --category NAME, what the photograph shows"),
        (["--item", "i7", "--category", "red"], "an item is of its own category"),
        (["--item", "i77"], "unknown item 'i77' of toy: did you mean 'i7'?"),
        (["--image", "none.jpg", "--category", "red"], "cannot read the photograph"),
        (["--image", "{bad}", "--category", "red"], "the photograph cannot be decoded"),
        (["--image", "{bad}", "--category", "rad"], "did you mean 'red'?"),
        (["--item", "i7", "--iterates", "0,x"], "--iterates takes whole numbers"),
        (["--item", "i7", "--iterates", "10,0"], "iterates must be ascending"),
        (["--item", "i7", "--fit-seed", "4"], "no finished cell of dvbpr on toy with seed 4"),
    ],
)
def test_images_that_cannot_be_tailored(
    toy: Callable[..., Any], words: list[str], message: str, tmp_path: Path
) -> None:
    bad = photograph(tmp_path, b"\xff\xd8\xff\xe0 no image")
    named = [word.replace("{bad}", str(bad)) for word in words]
    outcome = toy("tailor", "--user", "u5", *named, "--output", tmp_path / "x.png")
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [bad]


def test_a_corrupt_image_of_the_catalogue(
    bench: Callable[..., Any], toy_dataset: Dataset, results: Path, tmp_path: Path
) -> None:
    training = toy_dataset.training
    assert training.images is not None
    encoded = [training.images.encoded(item) for item in range(training.n_items)]
    encoded[7] = encoded[7][:200]
    write_dataset(
        tmp_path / "toy",
        name="toy",
        title="Toy",
        source="the tests",
        licence="none",
        train=training.train,
        validation=toy_dataset.validation,
        test=toy_dataset.test,
        user_ids=toy_dataset.user_ids,
        item_ids=toy_dataset.item_ids,
        split_rule=toy_dataset.split_rule,
        split_seed=None,
        category_names=training.category_names,
        categories=training.categories,
        images=encoded,
    )
    place = ("--dataset", "toy", "--data", tmp_path, "--results", results)
    words = ("--user", "u5", "--item", "i7", "--output", tmp_path / "x.png")
    outcome = bench("tailor", *place, *words)
    assert outcome.code == 2
    assert outcome.err.startswith("error: toy: the image of item i7 cannot be decoded (")
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "x.png").exists()


def test_without_a_generator_the_command_that_trains_one(
    bench: Callable[..., Any], toy_data_dir: Path, results: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(results / "runs", tmp_path / "runs")
    place = ("--dataset", "toy", "--data", toy_data_dir, "--results", tmp_path)
    outcome = bench("design", "--user", "u5", *place)
    assert outcome.code == 2
    assert "`bench generate train --dataset toy` trains it" in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_data_set_without_categories(bench: Callable[..., Any], tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    rows = [f"u{user},{(user + 3 * k) % 20:02d}" for user in range(30) for k in range(6)]
    (own / "interactions.csv").write_text("user,item\n" + "\n".join(rows))
    assert bench("datasets", "import", own, "--name", "bare", "--data", tmp_path / "data").code == 0
    place = ("--dataset", "bare", "--user", "u3", "--data", tmp_path / "data")
    for words in (("design",), ("design", "--category", "red")):
        outcome = bench(*words, *place, "--results", tmp_path / "r")
        assert outcome.code == 2
        assert "bare has no categories" in outcome.err
    outcome = bench("tailor", *place, "--item", "03", "--results", tmp_path / "r")
    assert outcome.code == 2
    assert "bare has no images: nothing to tailor" in outcome.err
