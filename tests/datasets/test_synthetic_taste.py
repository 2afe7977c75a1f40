from dataclasses import replace

import numpy as np
import pytest

from bench.datasets.dataset import Interactions
from bench.datasets.synthetic.style import KINDS, PATTERNS, Styles, sample_styles
from bench.datasets.synthetic.taste import (
    TasteOptions,
    embed_styles,
    sample_purchases,
    sample_taste,
)
from bench.errors import BenchError
from bench.recommender import Factors


def _world(n_users: int = 150, n_items: int = 400) -> tuple[Styles, Factors, Interactions]:
    styles = sample_styles(n_items, np.random.default_rng(8))
    utility = sample_taste(embed_styles(styles), n_users, TasteOptions(), 3)
    return styles, utility, sample_purchases(utility, 8.0, 3)


def test_embedding_says_what_the_style_says() -> None:
    styles = sample_styles(300, np.random.default_rng(1))
    embedding = embed_styles(styles)
    assert embedding.shape == (300, 31)
    assert embedding.dtype == np.float32
    for row in (0, 17, 200):
        kind = KINDS[styles.kind[row]]
        np.testing.assert_allclose(embedding[row, :10].sum(), 1, atol=1e-5)
        assert embedding[row, 10:18].tolist() == [
            float(k == styles.pattern[row]) for k in range(len(PATTERNS))
        ]
        np.testing.assert_allclose(
            embedding[row, 18:20], [styles.length[row] - 0.5, styles.cut[row] - 0.5], atol=1e-6
        )
        np.testing.assert_allclose(
            embedding[row, 20:23], [kind.formal, kind.sporty, kind.cosy], atol=1e-6
        )
        assert embedding[row, 23:25].argmax() == styles.category[row] % 2
        assert embedding[row, 25:].argmax() == styles.category[row]


def test_the_second_colour_counts_only_where_it_shows() -> None:
    styles = sample_styles(50, np.random.default_rng(1))
    black = np.tile(np.array([[0.25, 0, 0]], np.float32), (50, 1))
    white = np.tile(np.array([[0.95, 0, 0]], np.float32), (50, 1))
    plain = replace(styles, main=black, second=white, pattern=np.zeros(50, np.int16))
    dotted = replace(plain, pattern=np.full(50, 4, np.int16))
    assert embed_styles(plain)[0, 0] > 0.9  # black, but for its nearness to brown
    shown = embed_styles(dotted)[:, :10] - embed_styles(plain)[:, :10]
    whole = embed_styles(replace(plain, main=white))[:, :10] - embed_styles(plain)[:, :10]
    np.testing.assert_allclose(shown, 0.35 * whole, atol=1e-6)


def test_utility_is_weights_times_style_plus_popularity() -> None:
    _, utility, _ = _world()
    scores = utility.score(np.array([4, 90]))
    for row, user in enumerate((4, 90)):
        for item in (0, 111, 399):
            by_hand = float(utility.item_bias[item])
            for weight, value in zip(
                utility.user_factors[user], utility.item_factors[item], strict=True
            ):
                by_hand += float(weight) * float(value)
            assert scores[row, item] == pytest.approx(by_hand, abs=1e-4)


def test_purchases_are_unique_and_at_least_five() -> None:
    _, utility, bought = _world()
    counts = np.diff(bought.indptr)
    assert counts.min() >= 5
    assert 7 < counts.mean() < 9
    for user in range(bought.n_users):
        assert len(set(bought.of(user).tolist())) == counts[user]
    assert (bought.n_users, bought.n_items) == (150, 400)
    assert len(utility.item_bias) == 400


def test_memory_for_blocks_changes_no_purchase() -> None:
    _, utility, bought = _world()
    again = sample_purchases(utility, 8.0, 3, block_bytes=8 * 400 * 7)
    np.testing.assert_array_equal(again.indices, bought.indices)
    other = sample_purchases(utility, 8.0, 4)
    assert not np.array_equal(other.indices, bought.indices)


def test_purchases_follow_plackett_luce() -> None:
    # Twelve items, two of them wanted: chances to be among 5 bought, against Gumbel noise itself.
    n_users = 4000
    wanted = np.array([2.5, 1.5] + [0.0] * 10, np.float32)
    utility = Factors(np.zeros((n_users, 1), np.float32), np.zeros((12, 1), np.float32), wanted)
    shares = sample_purchases(utility, 5.0, 1).item_counts / n_users
    noise = np.random.default_rng(5).gumbel(size=(40_000, 12)) + wanted
    top = np.argsort(-noise, axis=1)[:, :5]
    expected = np.bincount(top.ravel(), minlength=12) / 40_000
    # Four standard deviations of a share of 4,000.
    np.testing.assert_allclose(shares, expected, atol=4 * 0.5 / np.sqrt(n_users))


def test_the_oracle_beats_popularity_and_looks_alone_help_most() -> None:
    _, utility, bought = _world(300, 600)
    popularity = bought.item_counts.astype(float)
    rng = np.random.default_rng(0)
    oracle, looks, popular = [], [], []
    for user in range(bought.n_users):
        own = bought.of(user)
        test = rng.choice(own)
        others = np.setdiff1d(np.arange(600), own)
        counts = popularity.copy()
        counts[own] -= 1  # what this user bought must not tell on itself
        score = utility.score(np.array([user]))[0]
        visible = score - utility.item_bias
        for values, share in ((score, oracle), (visible, looks), (counts, popular)):
            below = (values[others] < values[test]).mean()
            share.append(below + 0.5 * (values[others] == values[test]).mean())
    assert 0.88 < np.mean(oracle) < 0.96
    assert np.mean(popular) + 0.1 < np.mean(looks) < np.mean(oracle)
    assert 0.55 < np.mean(popular) < 0.8


def test_popularity_is_long_tailed_and_not_visible() -> None:
    styles = sample_styles(4000, np.random.default_rng(8))
    embedding = embed_styles(styles)
    utility = sample_taste(embedding, 10, TasteOptions(), 3)
    odds = np.exp(utility.item_bias)
    assert np.sort(odds)[-400:].sum() > 0.25 * odds.sum()
    visible = embedding.astype(np.float64)
    weights, *_ = np.linalg.lstsq(visible, utility.item_bias, rcond=1e-6)
    fitted = visible @ weights
    assert fitted.var() < 0.02 * utility.item_bias.var()


def test_a_user_mostly_shops_for_one_gender() -> None:
    styles, _, bought = _world(300, 600)
    womens = styles.category % 2
    shares = np.array([womens[bought.of(user)].mean() for user in range(300)])
    assert (np.maximum(shares, 1 - shares) >= 0.75).mean() > 0.6
    assert 0.35 < shares.mean() < 0.65


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mean_purchases": 4.0}, "mean_purchases must be from 5"),
        ({"popularity": -1.0}, "popularity must be from 0"),
        ({"persona": 1.5}, "persona must be from 0 to 1"),
        ({"gender": float("nan")}, "gender must be from 0"),
    ],
)
def test_impossible_taste_is_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(BenchError, match=words):
        TasteOptions(**change)
