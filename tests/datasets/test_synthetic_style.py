import numpy as np

from bench.datasets.synthetic.color import oklab_to_rgb, rgb_to_oklab
from bench.datasets.synthetic.style import (
    CATEGORIES,
    KINDS,
    NECKLINES,
    PATTERNS,
    Styles,
    balance_patterns,
    concatenate_styles,
    sample_styles,
)


def _sample(n_garments: int = 3000, seed: int = 4) -> Styles:
    return sample_styles(n_garments, np.random.default_rng(seed))


def _equal(first: Styles, second: Styles) -> bool:
    return all(
        np.array_equal(a, b)
        for a, b in zip(vars(first).values(), vars(second).values(), strict=True)
    )


def test_the_categories_are_the_papers_in_its_order() -> None:
    assert CATEGORIES == (
        "men's tops",
        "women's tops",
        "men's bottoms",
        "women's bottoms",
        "men's shoes",
        "women's shoes",
    )


def test_same_seed_same_styles_and_another_seed_others() -> None:
    assert _equal(_sample(), _sample())
    assert not _equal(_sample(), _sample(seed=5))


def test_kinds_stand_in_their_category() -> None:
    styles = _sample()
    parts = np.array(["top", "top", "bottom", "bottom", "shoe", "shoe"])[styles.category]
    assert parts.tolist() == [KINDS[kind].part for kind in styles.kind]
    assert set(styles.kind.tolist()) == set(range(len(KINDS)))
    assert np.bincount(styles.category, minlength=6).min() > 3000 * 0.08
    womens = {KINDS[k].name for k in styles.kind[styles.category % 2 == 1]}
    assert {"skirt", "pump", "blouse"} <= womens
    assert not {"skirt", "pump", "blouse"} & {
        KINDS[k].name for k in styles.kind[styles.category % 2 == 0]
    }


def test_factors_keep_their_ranges() -> None:
    styles = _sample()
    low, high = np.array([kind.length for kind in KINDS])[styles.kind].T
    assert ((styles.length >= low - 1e-6) & (styles.length <= high + 1e-6)).all()
    for factor in (styles.cut, styles.pattern_size):
        assert 0 <= factor.min() < 0.2
        assert 0.8 < factor.max() <= 1
    necks = {NECKLINES[n] for n in styles.neckline[[KINDS[k].name == "tunic" for k in styles.kind]]}
    assert necks == {"crew", "v-neck", "scoop"}


def test_colours_can_be_shown_and_the_second_one_stands_out() -> None:
    styles = _sample()
    for colors in (styles.main, styles.second):
        np.testing.assert_allclose(rgb_to_oklab(oklab_to_rgb(colors)), colors, atol=0.012)
    assert np.abs(styles.main[:, 0] - styles.second[:, 0]).min() > 0.2


def test_garment_is_one_row_in_words() -> None:
    styles = _sample(50)
    garment = styles.garment(7)
    assert garment.kind == KINDS[styles.kind[7]].name
    assert garment.pattern == PATTERNS[styles.pattern[7]]
    assert garment.womens == (styles.category[7] in (1, 3, 5))
    assert garment.main == tuple(oklab_to_rgb(styles.main[7]).tolist())
    assert garment.length == styles.length[7]


def test_balanced_patterns_leave_plain_types_plain_and_lift_the_rare_ones(
    rng: np.random.Generator,
) -> None:
    styles = _sample()
    balanced = balance_patterns(styles, rng)
    jeans = styles.kind == [kind.name for kind in KINDS].index("jeans")
    assert not balanced.pattern[jeans].any()
    rarest = np.bincount(styles.pattern).min()
    assert np.bincount(balanced.pattern).min() > 1.5 * rarest
    assert 0.35 < (balanced.pattern != styles.pattern).mean() < 0.5


def test_concatenated_styles_follow_each_other() -> None:
    first, second = _sample(5), _sample(7, seed=9)
    both = concatenate_styles(first, second)
    assert len(both) == 12
    assert both.garment(3) == first.garment(3)
    assert both.garment(5 + 6) == second.garment(6)
