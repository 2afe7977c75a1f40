"""A trial's number, and that it is blind to the test items."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from graded_plugin import write_plugin
from models import Crashing, NanLoss, Scripted, ScriptParams

from baselines.visrank import VisRank
from bench.datasets.dataset import NO_ITEM, Dataset, TuningSet
from bench.errors import DivergedError, HeldOutError
from bench.evaluation.auc import mean_auc
from bench.evaluation.counts import count_ranks
from bench.experiment.provenance import recommender_version
from bench.experiment.tuning import trial as trial_module
from bench.experiment.tuning.record import TrialKey
from bench.experiment.tuning.trial import Fitted, Trial, UnfitWorkerError, fit_trial, run_trial
from bench.recommender import FactorRecommender, Factors, Recommender, Runtime, State, Watch
from bench.registry import Registry

CPU = Runtime(seed=0, device="cpu", threads=1)


def fitted(model: Recommender, dataset: TuningSet, epochs: int | None = None) -> Fitted:
    return fit_trial(model, dataset, epochs=epochs, validate_every=1, patience=0)


def test_the_number_is_the_validation_auc_of_section_iv_a(toy_dataset: Dataset) -> None:
    model = VisRank(runtime=CPU)
    found = fitted(model, toy_dataset.for_tuning())
    scores = model.score(np.arange(toy_dataset.n_users))
    aucs = []
    for user, item in enumerate(toy_dataset.validation):
        if item == NO_ITEM:
            continue
        own = {*toy_dataset.training.train.of(user), item, toy_dataset.test[user]}
        others = [scores[user, j] for j in range(toy_dataset.n_items) if j not in own]
        aucs.append(np.mean([scores[user, item] > score for score in others]))
    assert found.validation_auc == pytest.approx(np.mean(aucs), abs=1e-12)
    assert (found.epochs, found.best_epoch, found.history) == (None, None, ())


def test_of_an_iterative_model_the_best_epoch_counts(toy_dataset: Dataset) -> None:
    dataset = toy_dataset.for_tuning()
    whole = fitted(Scripted(runtime=CPU), dataset)
    assert (whole.epochs, whole.best_epoch) == (6, 3)
    short = fitted(Scripted(runtime=CPU), dataset, epochs=2)
    assert (short.epochs, short.best_epoch) == (2, 2)
    assert short.history == whole.history[:2]
    assert short.validation_auc == whole.history[1]["validation_auc"]


class Poisoned(FactorRecommender):
    """Knows the held-out items, which a test smuggled in, and scores them as it is told."""

    name: ClassVar[str] = "poisoned"
    label: ClassVar[str] = "Poisoned"
    source: ClassVar[str] = "the tests"
    smuggled: ClassVar[Any] = None
    bonus: ClassVar[float] = 0.0

    def factors(self) -> Factors:
        # One factor per user, so that each user's scores are free.
        scores = np.random.default_rng(4).standard_normal((self.n_users, self.n_items))
        present = np.flatnonzero(self.smuggled != NO_ITEM)
        scores[present, self.smuggled[present]] += self.bonus
        items = np.ascontiguousarray(scores.T.astype(np.float32))
        users = np.eye(self.n_users, dtype=np.float32)
        return Factors(users, items, np.zeros(self.n_items, dtype=np.float32))

    def state(self) -> State:
        return {}

    def load_state(self, state: State, dataset: Any) -> None:
        pass

    def _fit(self, dataset: Any, watch: Watch) -> None:
        pass


def test_no_score_of_a_test_item_changes_a_trial(
    toy_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def aucs(smuggled: Any) -> tuple[set[float | None], set[float]]:
        """Validation AUC of a trial, and test AUC, over bonuses for the smuggled items."""
        of_validation, of_test = set(), set()
        monkeypatch.setattr(Poisoned, "smuggled", smuggled)
        for bonus in (-1e6, 0.0, 1e6):
            monkeypatch.setattr(Poisoned, "bonus", bonus)
            model = Poisoned(runtime=CPU)
            of_validation.add(fitted(model, toy_dataset.for_tuning()).validation_auc)
            counts = count_ranks(
                model, [toy_dataset.test], toy_dataset.known, device="cpu", threads=1
            )
            of_test.add(mean_auc(counts[0], "strict").mean)
        return of_validation, of_test

    of_validation, of_test = aucs(toy_dataset.test)
    assert len(of_validation) == 1
    assert len(of_test) == 3  # what the trial is blind to would have been there to see
    of_validation, of_test = aucs(toy_dataset.validation)
    assert len(of_validation) == 3
    assert len(of_test) == 1


def test_what_tuning_gets_has_no_test_items(toy_dataset: Dataset) -> None:
    dataset = toy_dataset.for_tuning()
    with pytest.raises(HeldOutError, match="tuning may not read the test items"):
        _ = dataset.test
    fields = {field.name for field in dataclasses.fields(dataset)}
    assert fields == {"training", "validation", "known"} == set(vars(dataset))
    # In `known` they stand among all others; recommenders get `training` alone.
    users = np.flatnonzero(toy_dataset.test != NO_ITEM)
    tests = toy_dataset.test[users]
    assert dataset.known.contains(users, tests).all()
    assert not dataset.training.train.contains(users, tests).any()
    assert dataset.known.n_pairs == dataset.training.train.n_pairs + 2 * len(users)


def test_whose_items_repeat_is_found_without_the_test_items(toy_dataset: Dataset) -> None:
    first = np.array([toy_dataset.training.train.of(user)[0] for user in range(9)])
    validation, test = toy_dataset.validation.copy(), toy_dataset.test.copy()
    validation[:3] = first[:3]
    test[3:9] = first[3:9]
    repeating = dataclasses.replace(toy_dataset, validation=validation, test=test)
    left = [
        np.flatnonzero(dataset.for_tuning(drop_repeats=True).validation != NO_ITEM).tolist()
        for dataset in (repeating, dataclasses.replace(repeating, test=toy_dataset.test))
    ]
    assert left[0] == left[1] == [u for u in range(3, 40) if validation[u] != NO_ITEM]
    everybody = repeating.for_tuning().validation
    assert (everybody == validation).all()


def key_of(dataset: Dataset, name: str, **changed: Any) -> TrialKey:
    recommender = Registry().recommender(name)
    fields: dict[str, Any] = {
        "dataset": "toy",
        "data_hash": dataset.data_hash,
        "split_hash": dataset.split_hash,
        "recommender": name,
        "recommender_version": recommender_version(recommender),
        "params": dataclasses.asdict(recommender.Params()),
        "seed": 0,
        "deterministic": True,
        "protocol": {"threads": 1, "drop_repeats": False},
        "epochs": None,
    }
    return TrialKey(**(fields | changed))


def trial_of(dataset: Dataset, folder: Path, name: str = "visrank", **changed: Any) -> Trial:
    return Trial(
        number=5,
        key=key_of(dataset, name, **changed),
        folder=folder,
        plugins=(),
        device="cpu",
        validate_every=1,
        patience=0,
    )


@pytest.fixture
def stored_toy(toy_data_dir: Path) -> tuple[Dataset, Path]:
    from bench.datasets.store import open_dataset

    return open_dataset(toy_data_dir / "toy"), toy_data_dir / "toy"


def test_the_data_set_is_opened_by_path_without_test_items(
    stored_toy: tuple[Dataset, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def look(recommender: Recommender, dataset: object, **how: Any) -> Fitted:
        seen.append(dataset)
        return Fitted(0.5, None, None, ())

    monkeypatch.setattr(trial_module, "fit_trial", look)
    dataset, folder = stored_toy
    outcome = run_trial(trial_of(dataset, folder))
    assert outcome.record.error is None
    assert [type(one) for one in seen] == [TuningSet]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data_hash": "0" * 64}, "another data set than the search was started with"),
        ({"recommender_version": "0.0+x"}, "install the same version of the suite"),
        ({"recommender": "visrnk"}, "did you mean 'visrank'"),
    ],
)
def test_a_worker_with_other_data_or_code_is_refused(
    stored_toy: tuple[Dataset, Path], changed: dict[str, Any], message: str
) -> None:
    dataset, folder = stored_toy
    trial = trial_of(dataset, folder)
    with pytest.raises(UnfitWorkerError, match=message):
        run_trial(dataclasses.replace(trial, key=dataclasses.replace(trial.key, **changed)))


def test_a_worker_without_the_data_set_says_so(
    stored_toy: tuple[Dataset, Path], tmp_path: Path
) -> None:
    dataset, _ = stored_toy
    with pytest.raises(UnfitWorkerError, match="the data sets at the same path"):
        run_trial(trial_of(dataset, tmp_path / "elsewhere" / "toy"))


def test_what_a_recommender_raises_is_part_of_the_outcome(
    stored_toy: tuple[Dataset, Path],
) -> None:
    dataset, folder = stored_toy
    outcome = run_trial(trial_of(dataset, folder, params={"dims": -1}))
    assert outcome.number == 5
    assert outcome.record.status == "failed"
    assert outcome.record.validation_auc is None
    assert "dims" in (outcome.record.error or "")
    assert "Traceback" in (outcome.traceback or "")


def test_a_process_keeps_the_code_that_it_has_loaded(
    stored_toy: tuple[Dataset, Path], tmp_path: Path
) -> None:
    """A cluster's worker outlives a change of the code: its numbers must not get the new name."""
    dataset, folder = stored_toy
    plugin = write_plugin(tmp_path)

    def trial() -> Trial:
        version = recommender_version(Registry((plugin,)).recommender("graded"))
        sent = trial_of(dataset, folder, recommender_version=version)
        params = {"quality": 1.0, "noise": 0, "epochs": 2}
        key = dataclasses.replace(sent.key, recommender="graded", params=params)
        return dataclasses.replace(sent, key=key, plugins=(plugin,))

    assert run_trial(trial()).record.status == "finished"
    plugin.write_text(plugin.read_text().replace("default_rng([", "default_rng([7, "))
    for _ in range(2):
        with pytest.raises(UnfitWorkerError, match="restart the workers if the code has changed"):
            run_trial(trial())


def test_divergence_is_an_answer_and_an_error_is_not(toy_dataset: Dataset) -> None:
    with pytest.raises(DivergedError, match="training loss of epoch 1 is nan"):
        fitted(NanLoss(ScriptParams(), runtime=CPU), toy_dataset.for_tuning())
    with pytest.raises(ZeroDivisionError):
        fitted(Crashing(runtime=CPU), toy_dataset.for_tuning())
