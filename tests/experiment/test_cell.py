"""Fit, best epoch, evaluation, failure and interruption of one cell."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import Crashing, NanLoss, NanScores, Scripted, ScriptParams

from baselines.poprank import PopRank
from bench.datasets.dataset import Dataset
from bench.errors import BenchError, StorageError
from bench.experiment.cell import run_cell
from bench.experiment.plan import Cell, RunOptions
from bench.experiment.store import ResultStore, StoredCell

OPTIONS = RunOptions(threads=1, patience=3, checkpoint_seconds=0.0)


@pytest.fixture
def run(
    toy_dataset: Dataset, make_cell: Callable[..., Cell], tmp_path: Path
) -> Callable[..., StoredCell]:
    def run(recommender: Any, params: Any = None, options: RunOptions = OPTIONS) -> StoredCell:
        return run_cell(
            make_cell(recommender, params, options=options),
            toy_dataset,
            title="Toy",
            facts={"n_users": 40},
            options=options,
            store=ResultStore(tmp_path),
        )

    return run


def brute_force(dataset: Dataset, scores: np.ndarray, targets: np.ndarray, ties: float) -> list:
    """AUC of each user who has a target, by the definition of section IV-A."""
    values = []
    for user in np.flatnonzero(targets >= 0):
        negatives = np.setdiff1d(np.arange(dataset.n_items), dataset.known.of(user))
        target = scores[user, targets[user]]
        less, equal = (scores[user, negatives] < target), (scores[user, negatives] == target)
        values.append((less.sum() + ties * equal.sum()) / len(negatives))
    return values


def test_metrics_equal_brute_force(run: Callable[..., StoredCell], toy_dataset: Dataset) -> None:
    record = run(PopRank).record
    scores = PopRank().fit(toy_dataset.training).score(np.arange(toy_dataset.n_users))
    for ties, credit in (("strict", 0.0), ("half", 0.5)):
        values = np.array(brute_force(toy_dataset, scores, toy_dataset.test, credit))
        assert record.metrics[f"auc_{ties}.all"] == pytest.approx(values.mean(), abs=1e-12)
        counts = toy_dataset.training.train.item_counts[toy_dataset.test[toy_dataset.test >= 0]]
        cold = counts < 5
        assert 0 < cold.sum() < len(cold)
        assert record.metrics[f"auc_{ties}.cold"] == pytest.approx(values[cold].mean(), abs=1e-12)
        assert record.n_users == {"all": len(values), "cold": int(cold.sum())}


def test_the_best_validation_epoch_is_reported(
    run: Callable[..., StoredCell], toy_dataset: Dataset
) -> None:
    stored = run(Scripted)
    record = stored.record
    assert record.status == "finished"
    assert (record.epochs, record.best_epoch) == (6, 3)
    aucs = [entry["validation_auc"] for entry in record.history]
    assert max(aucs) == aucs[2] > aucs[3]
    assert [entry["loss"] for entry in record.history] == [1 / n for n in range(1, 7)]
    model = Scripted().load(stored.folder, toy_dataset.training)
    assert model._strength == 3.0
    scores = model.score(np.arange(toy_dataset.n_users))
    expected = brute_force(toy_dataset, scores, toy_dataset.test, 0.0)
    assert record.metrics["auc_strict.all"] == pytest.approx(np.mean(expected), abs=1e-12)


def test_patience_stops_a_fit_and_zero_does_not(run: Callable[..., StoredCell]) -> None:
    falling = ScriptParams(epochs=6, script=(3.0, 2.0, 1.0, 0.5, 0.4, 0.3))
    assert run(Scripted, falling, RunOptions(patience=2)).record.epochs == 3
    assert run(Scripted, falling, RunOptions(patience=0)).record.epochs == 6


def test_validation_is_as_often_as_asked_and_always_at_the_end(
    run: Callable[..., StoredCell],
) -> None:
    params = ScriptParams(epochs=5)
    history = run(Scripted, params, RunOptions(validate_every=3)).record.history
    validated = [entry["epoch"] for entry in history if entry["validation_auc"] is not None]
    assert validated == [3, 5]


def test_per_user_counts_give_the_metrics_again(
    run: Callable[..., StoredCell], toy_dataset: Dataset
) -> None:
    stored = run(Scripted)
    users = stored.per_user()
    assert stored.record.metrics["auc_half.all"] == pytest.approx(
        float(np.mean((users.n_less + 0.5 * users.n_equal) / users.n_negatives))
    )
    assert np.array_equal(users.test_item, toy_dataset.test[users.user])
    assert (users.n_less + users.n_equal <= users.n_negatives).all()
    best = max(e["validation_auc"] for e in stored.record.history)
    validation = users.validation_n_less / users.n_negatives
    assert float(validation.mean()) == pytest.approx(best)


def test_a_nan_score_fails_the_cell_and_names_recommender_and_user(
    run: Callable[..., StoredCell],
) -> None:
    stored = run(NanScores)
    assert stored.record.status == "failed"
    assert stored.record.error is not None
    assert stored.record.error.startswith("nan-scores gave NaN or infinite scores to user 5 ")
    assert stored.record.metrics == {}
    assert not (stored.folder / "per_user.parquet").exists()


def test_a_nan_loss_fails_the_cell(run: Callable[..., StoredCell]) -> None:
    error = run(NanLoss).record.error
    assert error is not None
    assert error.startswith("nan-loss: the training loss of epoch 1 is nan")


def test_a_crash_is_one_line_in_the_record_and_a_traceback_beside_it(
    run: Callable[..., StoredCell],
) -> None:
    stored = run(Crashing)
    assert stored.record.error == "ZeroDivisionError: division by zero"
    assert "Traceback" in (stored.folder / "error.txt").read_text()


def test_an_interrupted_fit_goes_on_from_its_checkpoint(
    run: Callable[..., StoredCell], tmp_path: Path
) -> None:
    undisturbed = run(Scripted).record
    with pytest.raises(KeyboardInterrupt):
        run(Scripted, ScriptParams(crash_at=5))
    assert len(list(tmp_path.glob("unfinished/*/checkpoint.npz"))) == 1
    # The same cell but for the crash: its checkpoint must carry best epoch, history and patience.
    (crashed,) = tmp_path.glob("unfinished/*")
    resumed: list[int] = []

    class Watched(Scripted):
        def _fit(self, dataset: Any, watch: Any) -> None:
            super()._fit(dataset, watch)
            resumed.append(self.resumed_from)

    first = run(Watched, ScriptParams())
    first_folder = tmp_path / "unfinished" / first.folder.name.partition("-")[2]
    crashed.rename(first_folder)
    record = run(Watched, ScriptParams()).record
    assert resumed == [0, 4]
    assert record.history == undisturbed.history
    assert (record.best_epoch, record.metrics) == (undisturbed.best_epoch, undisturbed.metrics)
    assert not first_folder.exists()


def test_an_interruption_writes_what_the_last_finished_epoch_left(
    run: Callable[..., StoredCell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However rare checkpoints are, and also where the interruption comes amid a validation."""
    rarely = RunOptions(threads=1, patience=3, checkpoint_seconds=3600.0)
    undisturbed = run(Scripted, ScriptParams(), rarely)
    resumed: list[int] = []

    class Watched(Scripted):
        interrupt_in_validation = False

        def _fit(self, dataset: Any, watch: Any) -> None:
            super()._fit(dataset, watch)
            resumed.append(self.resumed_from)

        def factors(self) -> Any:
            if self.interrupt_in_validation and self._epoch == 4:
                raise KeyboardInterrupt
            return super().factors()

    unfinished = tmp_path / "unfinished" / undisturbed.folder.name.partition("-")[2]
    monkeypatch.setattr(Watched, "interrupt_in_validation", True)
    with pytest.raises(KeyboardInterrupt):
        run(Watched, ScriptParams(), rarely)
    assert (unfinished / "checkpoint.npz").is_file()
    monkeypatch.setattr(Watched, "interrupt_in_validation", False)
    record = run(Watched, ScriptParams(), rarely).record
    assert resumed == [3]
    assert record.history == undisturbed.record.history
    assert record.metrics == undisturbed.record.metrics


def test_an_interruption_that_cannot_be_saved_is_still_one(
    run: Callable[..., StoredCell], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def full(*args: object) -> None:
        raise StorageError("cannot write at x: the disk is full")

    monkeypatch.setattr("bench.experiment.checkpoint.atomic_write_bytes", full)
    with pytest.raises(KeyboardInterrupt):
        run(Scripted, ScriptParams(crash_at=3), RunOptions(checkpoint_seconds=3600.0))
    assert "cannot be resumed: cannot write at x: the disk is full" in caplog.text


def test_a_best_epoch_that_is_the_last_allowed_is_noted(run: Callable[..., StoredCell]) -> None:
    rising = ScriptParams(epochs=3, script=(1.0, 2.0, 3.0))
    assert run(Scripted, rising).record.best_is_last
    assert not run(Scripted).record.best_is_last
    assert not run(PopRank).record.best_is_last
    # Stopped early and best where it stopped, but not the last allowed.
    falling = ScriptParams(epochs=6, script=(3.0, 2.0, 1.0, 0.5, 0.4, 0.3))
    assert not run(Scripted, falling, RunOptions(patience=1)).record.best_is_last


def test_the_record_says_whether_a_device_repeats_its_numbers(
    run: Callable[..., StoredCell], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(Scripted).record.provenance["repeatable"]
    monkeypatch.setattr(Scripted, "device_used", "cuda")
    provenance = run(Scripted).record.provenance
    assert (provenance["device_used"], provenance["repeatable"]) == ("cuda", False)


def test_a_broken_checkpoint_is_left_aside(
    run: Callable[..., StoredCell], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = run(Scripted).folder
    broken = tmp_path / "unfinished" / folder.name.partition("-")[2] / "checkpoint.npz"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"PK\x03\x04 not a zip")
    assert run(Scripted).record.epochs == 6
    assert "unreadable" in caplog.text


def test_provenance_says_how_the_numbers_were_made(run: Callable[..., StoredCell]) -> None:
    record = run(Scripted).record
    assert {"numpy", "torch", "lightfm-next"} <= set(record.provenance["versions"])
    assert record.provenance["cpu"]
    assert record.provenance["threads_used"] == 1
    assert record.provenance["started_at"] < record.provenance["finished_at"]
    # The interpreter with NumPy alone takes more than 20 MB.
    assert record.peak_memory_bytes > 20e6


def test_sampled_evaluation_ranks_against_so_many_items(
    run: Callable[..., StoredCell], toy_dataset: Dataset
) -> None:
    options = RunOptions(sampled=20)
    users = run(Scripted, None, options).per_user()
    assert users.n_negatives.max() <= 20
    again = run(PopRank, None, options).per_user()
    assert np.array_equal(users.n_negatives, again.n_negatives)


def test_results_that_cannot_be_stored_are_the_users_error(
    run: Callable[..., StoredCell], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bench.experiment.store.pq.write_table", full)
    with pytest.raises(BenchError, match="the disk is full"):
        run(PopRank)
    assert not list(tmp_path.rglob("result.json"))
    assert not list(tmp_path.rglob(".tmp-*"))


def test_a_checkpoint_that_cannot_be_written_ends_the_run(
    run: Callable[..., StoredCell], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*args: object) -> None:
        raise StorageError("cannot write at x: the disk is full")

    monkeypatch.setattr("bench.experiment.checkpoint.atomic_write_bytes", full)
    with pytest.raises(StorageError, match="the disk is full"):
        run(Scripted)
    assert not list(tmp_path.rglob("result.json"))


class Pausing(Scripted):
    """Pauses within epochs, fails in epoch `crash_at`, tells its speed."""

    def _fit(self, dataset: Any, watch: Any) -> None:
        stored = watch.resume()
        self._strength, self._epoch = 1.0, int(stored["epoch"]) if stored else 0
        self.resumed_from = self._epoch
        while self._epoch < self.params.epochs:
            watch.pause()
            if self._epoch + 1 == self.params.crash_at:
                raise BenchError("no more memory")
            self._epoch += 1
            watch(self._epoch, loss=1.0 / self._epoch, rate=100.0 * self._epoch)


def test_a_failed_fit_keeps_its_checkpoint_and_goes_on_from_it(
    run: Callable[..., StoredCell], tmp_path: Path
) -> None:
    resumed: list[int] = []

    class Recovering(Pausing):
        def _fit(self, dataset: Any, watch: Any) -> None:
            try:
                super()._fit(dataset, watch)
            finally:
                resumed.append(self.resumed_from)

    params = ScriptParams(epochs=4, crash_at=3)
    failed = run(Recovering, params)
    assert failed.record.error == "no more memory"
    (folder,) = tmp_path.glob("unfinished/*")
    run(Recovering, params)
    assert resumed == [0, 2]
    assert folder.exists()


def test_the_time_of_a_resumed_fit_is_that_of_both_parts(
    run: Callable[..., StoredCell],
) -> None:
    class Slow(Pausing):
        def _fit(self, dataset: Any, watch: Any) -> None:
            stored = watch.resume()
            self._strength, self._epoch = 1.0, int(stored["epoch"]) if stored else 0
            for epoch in range(self._epoch, 4):
                watch.pause()
                if epoch == 2 and not stored:
                    raise BenchError("no more memory")
                if epoch < 2:
                    time.sleep(0.1)
                self._epoch = epoch + 1
                watch(self._epoch, loss=1.0)

    run(Slow, ScriptParams(epochs=4))
    record = run(Slow, ScriptParams(epochs=4)).record
    assert record.status == "finished"
    assert record.epochs == 4
    assert record.fit_seconds >= 0.2  # the second part alone sleeps not at all


def test_a_pause_writes_a_checkpoint_only_when_one_is_due(
    run: Callable[..., StoredCell], tmp_path: Path
) -> None:
    params = ScriptParams(epochs=4, crash_at=1)
    run(Pausing, params, RunOptions(threads=1, checkpoint_seconds=3600.0))
    assert not list(tmp_path.glob("unfinished/*"))
    run(Pausing, params)  # before the first epoch is over
    assert len(list(tmp_path.glob("unfinished/*/checkpoint.npz"))) == 1


def test_the_curve_lies_beside_the_record(run: Callable[..., StoredCell]) -> None:
    stored = run(Pausing, ScriptParams(epochs=3))
    lines = (stored.folder / "curve.csv").read_text().splitlines()
    assert lines[0] == "epoch,validation_auc,loss,rate,seconds"
    rows = [[float(cell) for cell in line.split(",")] for line in lines[1:]]
    assert [row[0] for row in rows] == [1, 2, 3]
    assert [row[2] for row in rows] == [1.0, 1 / 2, 1 / 3]
    assert [row[3] for row in rows] == [100.0, 200.0, 300.0]
    assert rows[0][4] <= rows[1][4] <= rows[2][4] < stored.record.fit_seconds + 1
    assert not (run(PopRank).folder / "curve.csv").exists()
    plain = (run(Scripted).folder / "curve.csv").read_text().splitlines()
    assert plain[0] == "epoch,validation_auc,loss"
