"""The shared interface: its checks, factors, hyper-parameters from text, saving."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pytest
from fitting import cpu, training_set
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError, NonFiniteScoreError, NotFittedError
from bench.recommender import (
    KEEP_GOING,
    FactorRecommender,
    Factors,
    Recommender,
    Runtime,
    State,
    Watch,
    parse_params,
)

DATA = training_set([[0], [1, 2], []], 4)


@dataclass(frozen=True, kw_only=True)
class TableParams:
    size: int = 3
    rate: float = 0.5
    strict: bool = True
    distance: Literal["near", "far"] = "near"
    power: Literal[1, 2] = 1
    dims: int | None = 64
    label: str = "x"
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError("size must be at least 1")


class Table(Recommender):
    """Scores with a table that the test sets."""

    name: ClassVar[str] = "table"
    label: ClassVar[str] = "Table"
    source: ClassVar[str] = "the tests"
    Params: ClassVar[type[Any]] = TableParams

    table: npt.NDArray[Any] = np.arange(12, dtype=np.float32).reshape(3, 4)

    def state(self) -> State:
        return {"table": self.table.copy()}

    def load_state(self, state: State, dataset: object) -> None:
        self.table = state["table"]

    def _fit(self, dataset: object, watch: Watch) -> None:
        self.watch = watch

    def _score(self, users: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        return self.table[users]


def scoring(table: npt.ArrayLike) -> Table:
    model = Table(runtime=cpu()).fit(DATA)
    model.table = np.asarray(table)
    return model


def test_scores_rows_in_the_order_asked_for() -> None:
    model = Table(runtime=cpu()).fit(DATA)
    assert model.score([2, 0, 2]).tolist() == [[8, 9, 10, 11], [0, 1, 2, 3], [8, 9, 10, 11]]
    assert model.score(np.array([1], dtype=np.uint8)).tolist() == [[4, 5, 6, 7]]
    assert (model.n_users, model.n_items) == (3, 4)


def test_no_users_give_no_rows_without_asking_the_model() -> None:
    model = scoring(np.full((3, 4), np.nan, np.float32))
    assert model.score([]).shape == (0, 4)
    assert model.score([]).dtype == np.float32


@pytest.mark.parametrize("users", [[3], [-1], [0, 99], [[0, 1]], 0])
def test_users_out_of_range_or_shape(users: Any) -> None:
    with pytest.raises(BenchError, match="users must be row numbers below 3 in one dimension"):
        Table(runtime=cpu()).fit(DATA).score(users)


@pytest.mark.parametrize("shape", [(3, 5), (3, 3), (3, 4, 1), (3,)])
def test_scores_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(BenchError, match=r"table gave scores of shape \(2, ?.*expected \(2, 4\)"):
        scoring(np.zeros(shape, np.float32)).score([0, 1])


@pytest.mark.parametrize("dtype", ["f8", "f2", "i4"])
def test_scores_of_another_type(dtype: str) -> None:
    message = f"table gave {np.dtype(dtype)} scores, expected float32"
    with pytest.raises(BenchError, match=message):
        scoring(np.zeros((3, 4), dtype)).score([0, 1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_names_recommender_and_user(bad: float) -> None:
    table = np.zeros((3, 4), np.float32)
    table[1:, 3] = bad
    model = scoring(table)
    with pytest.raises(NonFiniteScoreError, match=r"table gave NaN or infinite .* user 2 \(1 of 2"):
        model.score([0, 2])
    with pytest.raises(NonFiniteScoreError, match=r"to user 1 \(2 of 3 users in this batch\)"):
        model.score([0, 1, 2])
    assert model.score([0]).tolist() == [[0, 0, 0, 0]]


def test_infinities_that_cancel_are_found() -> None:
    with pytest.raises(NonFiniteScoreError, match="user 0"):
        scoring(np.tile(np.array([np.inf, -np.inf, 0, 0], np.float32), (3, 1))).score([0])


def test_large_finite_scores_are_scores() -> None:
    large = np.full((3, 4), np.finfo(np.float32).max)
    np.testing.assert_array_equal(scoring(large).score([0, 1, 2]), large)


def test_not_fitted(tmp_path: Path) -> None:
    model = Table(runtime=cpu())
    for use in (lambda: model.score([0]), lambda: model.save(tmp_path / "m")):
        with pytest.raises(NotFittedError, match=r"table is not fitted: call fit\(dataset\) first"):
            use()
    assert not (tmp_path / "m").exists()


def test_a_fit_that_fails_leaves_no_fitted_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Table(runtime=cpu()).fit(DATA)

    def fail(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "_fit", fail)
    with pytest.raises(KeyboardInterrupt):
        model.fit(DATA)
    with pytest.raises(NotFittedError, match="not fitted"):
        model.score([0])


def test_the_watcher_may_score_during_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Table(runtime=cpu())
    seen = []
    monkeypatch.setattr(model, "_fit", lambda data, watch: seen.append(model.score([0]).shape))
    model.fit(DATA)
    assert seen == [(1, 4)]


def test_nobody_watching_runs_every_epoch() -> None:
    assert Table(runtime=cpu()).fit(DATA).watch is KEEP_GOING
    assert KEEP_GOING(3, loss=0.1)
    assert KEEP_GOING.resume() is None


def test_what_a_data_set_lacks_is_said_before_the_fit() -> None:
    class Looking(Table):
        needs = frozenset({"images", "features"})

    reason = "table needs features and images, which small does not have"
    assert Looking.missing(DATA) == reason
    assert Table.missing(DATA) is None
    with pytest.raises(BenchError, match=reason):
        Looking(runtime=cpu()).fit(DATA)


def test_params_of_another_model() -> None:
    with pytest.raises(BenchError, match="table takes TableParams as params, got dict"):
        Table({"size": 3})


def test_defaults_of_an_untrained_model() -> None:
    model = Table()
    assert model.params == TableParams()
    assert model.runtime == Runtime()
    assert model.max_epochs is None
    assert model.training_state() is None
    assert Table(runtime=Runtime(threads=3)).threads_used == 3


def test_save_and_load(tmp_path: Path) -> None:
    model = scoring(np.ones((3, 4), np.float32))
    model.save(tmp_path / "model")
    loaded = Table(runtime=cpu()).load(tmp_path / "model", DATA)
    np.testing.assert_array_equal(loaded.score([0, 1, 2]), np.ones((3, 4)))
    assert (loaded.n_users, loaded.n_items) == (3, 4)
    model.table = np.full((3, 4), 2, np.float32)
    model.save(tmp_path / "model")  # an existing folder is replaced
    assert Table(runtime=cpu()).load(tmp_path / "model", DATA).score([0])[0, 0] == 2


def test_load_under_another_data_set(tmp_path: Path) -> None:
    scoring(np.ones((3, 4), np.float32)).save(tmp_path / "model")
    other = training_set([[0], [1]], 5)
    model = Table(runtime=cpu())
    message = r"model was fitted on 3 users and 4 items, small has 2 and 5"
    with pytest.raises(BenchError, match=message):
        model.load(tmp_path / "model", other)
    with pytest.raises(NotFittedError, match="not fitted"):
        model.score([0])


def test_load_from_nowhere(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"cannot read the model at .*nowhere: no such file"):
        Table().load(tmp_path / "nowhere", DATA)


def test_a_state_never_holds_pickles(tmp_path: Path) -> None:
    model = scoring(np.array([{}], dtype=object))
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Table().load(tmp_path / "model", DATA)


@settings(deadline=None)  # a busy machine is no failure
@given(
    users=st.lists(st.integers(0, 4), max_size=6),
    n_factors=st.integers(0, 4),
    seed=st.integers(0, 99),
)
def test_factors_score_is_bias_plus_dot_product(
    users: list[int], n_factors: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    u, v, b = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in [(5, n_factors), (7, n_factors), (7,)]
    )
    scores = Factors(u, v, b).score(np.array(users, dtype=np.int64))
    assert scores.dtype == np.float32
    assert scores.shape == (len(users), 7)
    for row, user in enumerate(users):
        for item in range(7):
            expected = float(b[item]) + sum(
                float(u[user, k]) * float(v[item, k]) for k in range(n_factors)
            )
            assert scores[row, item] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("user", "item", "bias", "message"),
    [
        ((3, 2), (4, 3), (4,), r"same width, got \(3, 2\) and \(4, 3\)"),
        ((3,), (4,), (4,), r"must be matrices of the same width, got \(3,\) and \(4,\)"),
        ((3, 2), (4,), (4,), "must be matrices of the same width"),
        ((3, 2, 1), (4, 2, 1), (4,), "must be matrices"),
        ((3, 2), (4, 2), (3,), r"item_bias must have shape \(4,\), got \(3,\)"),
        ((3, 2), (4, 2), (4, 1), r"item_bias must have shape \(4,\), got \(4, 1\)"),
    ],
)
def test_factors_that_do_not_fit_together(
    user: tuple[int, ...], item: tuple[int, ...], bias: tuple[int, ...], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        Factors(*(np.zeros(shape, np.float32) for shape in (user, item, bias)))


@pytest.mark.parametrize("wrong", ["user_factors", "item_factors", "item_bias"])
def test_factors_are_float32(wrong: str) -> None:
    arrays = {
        "user_factors": np.zeros((3, 2), np.float32),
        "item_factors": np.zeros((4, 2), np.float32),
        "item_bias": np.zeros(4, np.float32),
    }
    Factors(**arrays)
    with pytest.raises(BenchError, match=f"{wrong} must be float32, got float64"):
        Factors(**{**arrays, wrong: arrays[wrong].astype(np.float64)})


def test_a_factor_recommender_scores_its_factors() -> None:
    class Fixed(FactorRecommender):
        name, label, source = "fixed", "Fixed", "the tests"

        def factors(self) -> Factors:
            return Factors(
                np.array([[1], [2], [3]], np.float32),
                np.array([[1], [0], [0], [2]], np.float32),
                np.array([0, 0, 5, 1], np.float32),
            )

        def state(self) -> State:
            return {}

        def load_state(self, state: State, dataset: object) -> None: ...

        def _fit(self, dataset: object, watch: Watch) -> None: ...

    assert Fixed().fit(DATA).score([2, 0]).tolist() == [[3, 0, 5, 7], [1, 0, 5, 3]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("size=20", 20),
        ("size=-0", "table: size must be at least 1"),
        ("size=1.5", "table.size must be of type int, got '1.5'"),
        ("size=", "table.size must be of type int, got ''"),
        ("rate=1e-3", 0.001),
        ("rate=2", 2.0),
        ("rate=fast", "table.rate must be of type float, got 'fast'"),
        ("rate=nan", "table.rate must be a finite number, got 'nan'"),
        ("rate=inf", "table.rate must be a finite number, got 'inf'"),
        ("strict=false", False),
        ("strict=True", True),
        ("strict=1", "table.strict must be true or false, got '1'"),
        ("distance=far", "far"),
        ("distance=FAR", "table.distance must be one of near, far, got 'FAR'"),
        ("power=2", 2),
        ("power=3", "table.power must be one of 1, 2, got '3'"),
        ("dims=none", None),
        ("dims=None", None),
        ("dims=12", 12),
        ("dims=few", "table.dims must be of type int, got 'few'"),
        ("label=a b", "a b"),
        ("shape=3", "table.shape cannot be given as text: it is of type tuple[int, ...]"),
        ("sise=3", "unknown hyper-parameter of table 'sise': did you mean 'size'? `bench list`"),
    ],
)
def test_hyper_parameters_from_text(text: str, expected: object) -> None:
    name, _, value = text.partition("=")
    if isinstance(expected, str) and " " in expected and name != "label":
        with pytest.raises(BenchError) as caught:
            parse_params(Table, {name: value})
        assert str(caught.value).startswith(expected)
        assert "\n" not in str(caught.value)
        return
    params = parse_params(Table, {name: value})
    assert params == TableParams(**{name: expected})
    assert type(getattr(params, name)) is type(expected)


def test_several_settings_and_none() -> None:
    assert parse_params(Table, {}) == TableParams()
    assert parse_params(Table, {"size": "2", "rate": "1"}) == TableParams(size=2, rate=1.0)


class Brightness(Table):
    """Likes bright images, user u so many times as `u + 1`."""

    scores_images: ClassVar[bool] = True

    def _score_images(
        self, users: npt.NDArray[np.int64], images: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        return self.answer(((users + 1) * images.mean(axis=(1, 2, 3))).astype(np.float32))

    @staticmethod
    def answer(scores: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        return scores


def bright() -> Brightness:
    return Brightness(runtime=cpu()).fit(DATA)


def grey(*levels: int) -> npt.NDArray[np.uint8]:
    return np.repeat(np.array(levels, dtype=np.uint8), 2 * 5 * 3).reshape(-1, 2, 5, 3)


def test_scores_images_one_per_user() -> None:
    model = bright()
    scores = model.score_images([2, 0, 2], grey(10, 20, 30))
    assert scores.dtype == np.float32
    assert scores.tolist() == [30, 20, 90]
    assert model.score_images([], grey()).tolist() == []


def test_a_recommender_without_eyes_says_so() -> None:
    assert not Recommender.scores_images
    with pytest.raises(BenchError, match="table scores items of the catalogue, not images"):
        Table(runtime=cpu()).fit(DATA).score_images([0], grey(1))
    with pytest.raises(NotFittedError):
        Brightness(runtime=cpu()).score_images([0], grey(1))


@pytest.mark.parametrize(
    ("users", "images", "message"),
    [
        ([3], grey(1), "row numbers below 3"),
        ([-1], grey(1), "row numbers below 3"),
        ([[0]], grey(1), "in one dimension"),
        ([0, 1], grey(1), "1 images for 2 users"),
        ([0], grey(1)[0], r"uint8 \(n, H, W, 3\), got uint8 \(2, 5, 3\)"),
        ([0], grey(1)[..., :2], "uint8"),
        ([0], grey(1).astype(np.float32), "got float32"),
        ([0], grey(1)[:, :0], r"\(0, 5\) pixels show nothing"),
    ],
)
def test_images_that_cannot_be_scored(users: Any, images: Any, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        bright().score_images(users, images)


def test_scores_of_images_that_are_none() -> None:
    model = bright()
    model.answer = lambda scores: np.where(scores > 5, np.nan, scores)  # type: ignore[method-assign]
    with pytest.raises(NonFiniteScoreError, match="1 of 2 images, the first for user 1"):
        model.score_images([0, 1], grey(3, 4))
    model.answer = lambda scores: scores[:, None]  # type: ignore[method-assign]
    with pytest.raises(BenchError, match=r"shape \(2, 1\) to images, expected float32 \(2,\)"):
        model.score_images([0, 1], grey(3, 4))
