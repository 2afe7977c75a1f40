"""DVBPR as a recommender: what it learns, what it keeps, several processes, interruptions."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from fitting import Recorder, auc, cpu
from PIL import Image

from bench.datasets.dataset import Images, Interactions, TrainingSet
from bench.errors import BenchError
from bench.experiment.tuning.grid import grid_points
from bench.recommender import State
from bench.testing import toy_training_set
from dvbpr.model import Dvbpr
from dvbpr.presets import PRESETS, DvbprParams

COLOURS = ((220, 30, 30), (30, 200, 40), (40, 60, 220))
N_USERS, N_ITEMS = 45, 60


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def coloured(owned: list[list[int]], rng: np.random.Generator) -> TrainingSet:
    """Items 0, 3, 6, ... are reddish, 1, 4, ... greenish, the rest bluish."""
    encoded = []
    for item in range(N_ITEMS):
        noise = rng.integers(-25, 26, size=(12, 12, 3))
        encoded.append(png(np.clip(noise + COLOURS[item % 3], 0, 255).astype(np.uint8)))
    users = np.repeat(np.arange(len(owned)), [len(row) for row in owned])
    items = np.concatenate([np.array(row, dtype=np.int64) for row in owned])
    train = Interactions.from_pairs(users, items, n_users=len(owned), n_items=N_ITEMS)
    return TrainingSet(name="coloured", train=train, images=Images(encoded))


def params(**given: Any) -> DvbprParams:
    values = {"preset": "slim", "pixels": 16, "factors": 6, "batch_size": 32, "n_negatives": 32}
    # Written out, so that what is proved here does not hang on how the preset was tuned.
    values |= {"learning_rate": 1e-3, "user_learning_rate": 1e-2, "weight_decay": 0.01}
    values |= {"lambda_theta": 0.1, "dropout": 0.2}
    return DvbprParams(**(values | {"precision": "float32", "epochs": 12} | given))


def train_auc(model: Dvbpr, data: TrainingSet) -> float:
    """Average over users and their items the share of other users' items that score lower."""
    scores = model.score(np.arange(data.n_users))
    shares = []
    for user in range(data.n_users):
        own = data.train.of(user)
        others = np.setdiff1d(np.arange(data.n_items), own)
        shares.append(float((scores[user, own][:, None] > scores[user, others][None]).mean()))
    return float(np.mean(shares))


def test_learns_every_user_by_heart_where_taste_is_colour(rng: np.random.Generator) -> None:
    """Each user has all items of one colour: a perfect order exists, and is found."""
    owned = [list(range(user % 3, N_ITEMS, 3)) for user in range(N_USERS)]
    data = coloured(owned, rng)
    model = Dvbpr(params(epochs=8), runtime=cpu()).fit(data)
    assert train_auc(model, data) == 1.0


def test_ranks_items_nobody_bought_by_their_colour(rng: np.random.Generator) -> None:
    owned, held_out = [], []
    for user in range(N_USERS):
        chosen = rng.permutation(np.arange(user % 3, N_ITEMS // 2, 3))[:6]
        owned.append(chosen.tolist())
        held_out.append(int(rng.choice(np.arange(N_ITEMS // 2 + user % 3, N_ITEMS, 3))))
    data = coloured(owned, rng)
    model = Dvbpr(params(), runtime=cpu()).fit(data)
    # Colour alone: 40 items of the other colours below, the rest of its own tied on average.
    assert auc(model, data, np.array(held_out)) > (40 + 0.3 * 13) / 53


def test_knows_nothing_of_users_who_buy_at_random(rng: np.random.Generator) -> None:
    owned, held_out = [], []
    n_users = 300
    for _ in range(n_users):
        chosen = rng.permutation(N_ITEMS)[:6]
        owned.append(chosen[:5].tolist())
        held_out.append(int(chosen[5]))
    data = coloured(owned, rng)
    model = Dvbpr(params(epochs=4), runtime=cpu()).fit(data)
    # A uniform rank has a standard deviation of 0.29.
    assert auc(model, data, np.array(held_out)) == pytest.approx(0.5, abs=4 * 0.29 / 300**0.5)


def test_the_grid_is_small_and_lies_around_the_cpu_s_preset() -> None:
    points = grid_points(Dvbpr, pinned={})
    assert len(points) <= 9
    slim = PRESETS["slim"]
    for name, values in Dvbpr.grid.items():
        assert sorted(values)[1:-1] == [getattr(slim, name)]
    # Nothing else is varied.
    assert {point.params.settings("cpu").factors for point in points} == {slim.factors}


def test_scores_between_epochs_are_those_of_the_state(rng: np.random.Generator) -> None:
    data = coloured([[0, 3], [1, 4], [2, 5, 8]], rng)
    kept: list[tuple[State, npt.NDArray[np.float32]]] = []
    model = Dvbpr(params(epochs=3, dropout=0.5), runtime=cpu())
    users = np.arange(3)

    def look() -> None:
        first = model.score(users).copy()
        np.testing.assert_array_equal(first, model.score(users))  # dropout is off
        kept.append((model.state(), first))

    model.fit(data, watch=Recorder(on_epoch=look))
    np.testing.assert_array_equal(model.score(users), kept[2][1])
    for state, scores in kept:
        model.load_state(state, data)
        np.testing.assert_array_equal(model.score(users), scores)
    assert not np.array_equal(kept[0][1], kept[1][1])


def test_interrupted_within_an_epoch_and_resumed(rng: np.random.Generator) -> None:
    owned = [rng.permutation(N_ITEMS)[:8].tolist() for _ in range(20)]
    data = coloured(owned, rng)
    options = params(epochs=3, mirror=True, shift=2)
    undisturbed = Dvbpr(options, runtime=cpu())
    kept: list[State] = []

    def keep() -> None:
        state = undisturbed.training_state()
        assert state is not None
        kept.append(state)

    whole = Recorder(on_pause=keep)
    undisturbed.fit(data, watch=whole)
    assert len(kept) == 3 * 4  # 160 pairs, 32 a step: four pauses an epoch
    for place in (2, 5):
        rest = Recorder(checkpoint=kept[place])
        resumed = Dvbpr(options, runtime=cpu()).fit(data, watch=rest)
        assert rest.losses == whole.losses[place // 4 :]
        for name, value in undisturbed.state().items():
            np.testing.assert_array_equal(resumed.state()[name], value, err_msg=name)


def test_a_classifier_or_a_saved_model_as_the_start(tmp_path: Path) -> None:
    data = toy_training_set()
    shared = {"epochs": 1, "learning_rate": 1e-9, "average": 0.0, "pixels": 64}
    plain = Dvbpr(params(**shared), runtime=cpu()).fit(data)
    classifier = Dvbpr(params(start="classifier", **shared), runtime=cpu()).fit(data)
    weight = "network.convolutions.2.weight"
    assert np.abs(classifier.state()[weight] - plain.state()[weight]).max() > 1e-3
    classifier.save(tmp_path / "saved")
    again = Dvbpr(
        params(start=str(tmp_path / "saved" / "state.npz"), factors=3, **shared), runtime=cpu(3)
    ).fit(data)
    np.testing.assert_allclose(again.state()[weight], classifier.state()[weight], atol=1e-6)
    assert again.factors().item_factors.shape == (data.n_items, 3)
    features = classifier.item_features(data)
    assert features.shape == (data.n_items, 256)
    last = {n: classifier.state()[f"network.last.{n}"] for n in ("weight", "bias")}
    expected = features.astype(np.float32) @ last["weight"].T + last["bias"]
    np.testing.assert_allclose(classifier.factors().item_factors, expected, atol=0.02)


def test_a_start_that_is_none(tmp_path: Path) -> None:
    data = toy_training_set()
    missing = tmp_path / "nothing.npz"
    with pytest.raises(BenchError, match=r"cannot read weights .* no such file"):
        Dvbpr(params(start=str(missing)), runtime=cpu()).fit(data)
    missing.write_bytes(b"something else")
    with pytest.raises(BenchError, match="not a saved model"):
        Dvbpr(params(start=str(missing)), runtime=cpu()).fit(data)
    other = Dvbpr(params(epochs=1, pixels=32), runtime=cpu()).fit(data)
    other.save(tmp_path / "other")
    with pytest.raises(BenchError, match=r"not the weights of this network: full.weight must have"):
        Dvbpr(params(start=str(tmp_path / "other" / "state.npz")), runtime=cpu()).fit(data)


def test_two_processes_learn_as_one(toy_data_dir: Path, tmp_path: Path) -> None:
    """Same seed, same batches: the same loss curve; the leader alone writes and prints."""
    words = ["-m", "bench.cli.main", "run", "--data", str(toy_data_dir), "--dataset", "toy"]
    words += ["--no-generate"]
    words += ["--recommenders", "dvbpr,poprank", "--device", "cpu", "--threads", "1"]
    settings = {"epochs": 3, "pixels": 16, "precision": "float32", "batch_size": 50}
    settings |= {"negatives": "shared", "n_negatives": 33, "learning_rate": 1e-4}
    for name, value in settings.items():
        words += ["--set", f"dvbpr.{name}={value}"]
    histories = []
    for processes in (1, 2):
        results = tmp_path / str(processes)
        start = [sys.executable]
        if processes > 1:
            start += ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
        done = subprocess.run(
            [*start, *words, "--results", str(results)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Recommendation performance") == 1
        assert "2 made, 0 failed" in done.stderr
        (path,) = (results / "runs" / "toy" / "dvbpr").glob("*/result.json")
        record = json.loads(path.read_text())
        assert record["key"]["protocol"].get("processes", 1) == processes
        histories.append(record["history"])
    one, two = histories
    assert len(one) == 3
    for a, b in zip(one, two, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-5)
        assert a["validation_auc"] == pytest.approx(b["validation_auc"], abs=2e-3)
    assert one[0]["loss"] != one[2]["loss"]
