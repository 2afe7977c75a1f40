"""Options, settings and the cells they unfold into."""

import pytest

from bench.datasets.dataset import Dataset
from bench.errors import BenchError
from bench.experiment.plan import RunOptions, parse_settings, plan_cells, plan_params
from bench.registry import Registry


def test_every_seed_of_every_recommender_is_a_cell(toy_dataset: Dataset) -> None:
    registry = Registry()
    params = plan_params(["vbpr", "rand"], registry, {"vbpr": {"factors": "7"}})
    cells = plan_cells(toy_dataset, params, registry, RunOptions(seeds=(3, 5)))
    assert [(c.key.recommender, c.key.seed) for c in cells] == [
        ("vbpr", 3),
        ("vbpr", 5),
        ("rand", 3),
        ("rand", 5),
    ]
    assert cells[0].params.factors == cells[0].key.params["factors"] == 7
    assert cells[1].runtime.seed == 5


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["vbpr.factors"], "NAME.PARAMETER=VALUE"),
        (["factors=3"], "NAME.PARAMETER=VALUE"),
        (["vbpr.factors=3", "vbpr.factors=4"], "given twice"),
    ],
)
def test_settings_of_another_form_are_refused(texts: list[str], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        parse_settings(texts)


def test_a_value_may_hold_an_equals_sign() -> None:
    assert parse_settings(["a.b=c=d"]) == {"a": {"b": "c=d"}}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vbpr": {"factrs": "3"}}, "did you mean 'factors'"),
        ({"vbpr": {"factors": "many"}}, "vbpr.factors must be of type int"),
        ({"vbpr": {"factors": "-1"}}, "factors must be >= 0"),
        ({"vbrp": {"factors": "3"}}, "did you mean 'vbpr'"),
        ({"warp": {"factors": "3"}}, "warp is not among the recommenders"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, dict[str, str]], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        plan_params(["vbpr"], Registry(), settings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": ()}, "seeds must be given"),
        ({"seeds": (1, 1)}, "seeds must be given and differ"),
        ({"seeds": (-1,)}, "negative"),
        ({"threads": 0}, "--threads"),
        ({"patience": -1}, "--patience"),
        ({"sampled": 0}, "--sampled"),
        ({"validate_every": 0}, "--validate-every"),
    ],
)
def test_senseless_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        RunOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("epochs", "every"), [(None, 1), (1, 1), (50, 1), (51, 2), (200, 4)])
def test_a_full_fit_is_validated_about_fifty_times(epochs: int | None, every: int) -> None:
    assert RunOptions().epochs_between_validations(epochs) == every
    assert RunOptions(validate_every=7).epochs_between_validations(epochs) == 7


@pytest.mark.parametrize(
    ("epochs", "every", "patience"),
    [
        (None, None, 10),
        (6, None, 10),
        (30, None, 15),
        (50, None, 25),
        (200, None, 25),
        (200, 1, 100),
    ],
)
def test_a_fit_may_stand_still_for_half_of_its_validations(
    epochs: int | None, every: int | None, patience: int
) -> None:
    assert RunOptions(validate_every=every).patience_for(epochs) == patience
    assert RunOptions(patience=3).patience_for(epochs) == 3
    assert RunOptions(patience=0).patience_for(epochs) == 0
    assert RunOptions().protocol()["patience"] == "half"
