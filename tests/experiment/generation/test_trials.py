"""Random users, the categories of their test items, random real images."""

from dataclasses import replace

import numpy as np
import pytest

from bench.datasets.dataset import NO_ITEM, Dataset
from bench.errors import BenchError
from bench.experiment.generation.trials import (
    Trials,
    draw_trials,
    reference_items,
    sample_items,
)


def test_the_category_is_that_of_the_test_item(toy_dataset: Dataset) -> None:
    trials = draw_trials(toy_dataset, trials=1000, top=3, seed=0)
    categories = toy_dataset.training.categories
    assert categories is not None
    tested = np.flatnonzero(toy_dataset.test != NO_ITEM)
    assert sorted(trials.users) == sorted(tested)  # as many as there are, each once
    assert (trials.categories == categories[toy_dataset.test[trials.users]]).all()
    assert (categories[trials.items] == trials.categories[:, None]).all()
    assert all(len(set(row)) == 3 for row in trials.items.tolist())


def test_more_trials_begin_with_the_same_and_another_seed_gives_others(
    toy_dataset: Dataset,
) -> None:
    few = draw_trials(toy_dataset, trials=5, top=3, seed=0)
    more = draw_trials(toy_dataset, trials=20, top=3, seed=0)
    assert len(few) == 5
    for name in ("users", "categories", "items"):
        assert (getattr(few, name) == getattr(more, name)[:5]).all()
    other = draw_trials(toy_dataset, trials=20, top=3, seed=1)
    assert (other.users != more.users).any()


def test_the_test_item_decides_nothing_but_the_category(toy_dataset: Dataset) -> None:
    """Another test item of the same category gives the same trials."""
    categories = toy_dataset.training.categories
    assert categories is not None
    other = toy_dataset.test.copy()
    for user in np.flatnonzero(other != NO_ITEM):
        other[user] = np.flatnonzero(categories == categories[other[user]])[0]
    assert (other != toy_dataset.test).any()
    moved = replace(toy_dataset, test=other)
    before, after = (draw_trials(d, trials=20, top=3, seed=0) for d in (toy_dataset, moved))
    assert (before.users == after.users).all()
    assert (before.items == after.items).all()


def test_real_images_are_drawn_evenly(toy_dataset: Dataset) -> None:
    counts = np.zeros(toy_dataset.n_items)
    for seed in range(60):
        items = draw_trials(toy_dataset, trials=39, top=3, seed=seed).items
        counts += np.bincount(items.ravel(), minlength=toy_dataset.n_items)
    categories = toy_dataset.training.categories
    assert categories is not None
    for kind in range(3):
        of_kind = counts[categories == kind]
        expected = of_kind.mean()  # about 117
        assert np.abs(of_kind - expected).max() < 5 * np.sqrt(expected)


def test_what_cannot_be_asked_is_told(toy_dataset: Dataset) -> None:
    training = toy_dataset.training
    bare = replace(training, categories=None, category_names=())
    with pytest.raises(BenchError, match="toy has no categories"):
        draw_trials(replace(toy_dataset, training=bare), trials=5, top=3, seed=0)
    nobody = np.full_like(toy_dataset.test, NO_ITEM)
    with pytest.raises(BenchError, match="no user has a test item"):
        draw_trials(replace(toy_dataset, test=nobody), trials=5, top=3, seed=0)
    each = replace(
        training,
        categories=np.arange(training.n_items, dtype=np.int16),
        category_names=tuple(map(str, range(training.n_items))),
    )
    with pytest.raises(BenchError, match=r"has 3 images \(the largest has 1\)"):
        draw_trials(replace(toy_dataset, training=each), trials=5, top=3, seed=0)


def test_a_small_category_is_not_asked_for(toy_dataset: Dataset) -> None:
    categories = toy_dataset.training.categories
    assert categories is not None
    few = np.where(np.arange(len(categories)) < 2, 0, 1 + categories % 2).astype(np.int16)
    training = replace(toy_dataset.training, categories=few)
    test = toy_dataset.test.copy()
    test[5] = 0  # someone has a test item of the small category
    dataset = replace(toy_dataset, training=training, test=test)
    trials = draw_trials(dataset, trials=1000, top=3, seed=0)
    assert 0 not in trials.categories
    assert 5 not in trials.users


def by_hand(items: list[list[int]], categories: list[int]) -> Trials:
    return Trials(np.arange(len(items)), np.array(categories), np.array(items))


def test_the_reference_has_other_images_in_the_same_shares() -> None:
    categories = np.repeat([0, 1], [30, 20])
    trials = by_hand([[0, 1], [1, 2], [30, 31]], [0, 0, 1])
    reference = reference_items(categories, trials, seed=0)
    assert len(reference) == len(set(reference.tolist())) == 6
    assert not set(reference.tolist()) & {0, 1, 2, 30, 31}
    assert np.bincount(categories[reference]).tolist() == [4, 2]


def test_where_few_images_are_left_all_categories_have_fewer() -> None:
    categories = np.repeat([0, 1], [30, 3])
    trials = by_hand([[0, 1], [2, 3], [4, 5], [30, 31]], [0, 0, 0, 1])
    reference = reference_items(categories, trials, seed=0)  # one of category 1 is left, of two
    assert np.bincount(categories[reference]).tolist() == [3, 1]
    none_left = by_hand([[0, 1], [30, 31], [31, 32]], [0, 1, 1])
    assert len(reference_items(categories, none_left, seed=0)) == 0


def test_samples_of_each_category() -> None:
    categories = np.array([0, 0, 0, 2, 2])
    items = sample_items(categories, 3, 2, seed=0)
    assert categories[items].tolist() == [0, 0, 2, 2]
    assert len(set(items.tolist())) == 4
