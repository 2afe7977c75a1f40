"""Presets, single settings on top of them, and what a record shows."""

import dataclasses
import typing

import pytest

from bench.errors import BenchError
from bench.recommender import Runtime, parse_params
from dvbpr.model import Dvbpr
from dvbpr.presets import PRESETS, DvbprParams, Settings


def test_params_and_settings_have_the_same_fields() -> None:
    of_params, of_settings = typing.get_type_hints(DvbprParams), typing.get_type_hints(Settings)
    assert list(of_params) == ["preset", *of_settings]
    for name, hint in of_settings.items():
        assert of_params[name] == hint | None


def test_the_papers_and_the_releases_numbers() -> None:
    paper, release = PRESETS["paper"], PRESETS["release"]
    assert (paper.factors, paper.batch_size, paper.lambda_theta) == (50, 128, 1.0)
    assert (paper.weight_decay, paper.dropout, paper.backbone) == (1e-3, 0.5, "cnn-f")
    assert (release.factors, release.learning_rate, release.epochs) == (100, 1e-4, 20)
    assert (release.user_start, release.user_scale, release.lambda_theta) == ("uniform", 0.01, 1.0)
    assert (release.convention, release.backbone) == ("release", "cnn-f-same")
    for preset in (paper, release):
        assert (preset.mirror, preset.shift, preset.average) == (False, 0, 0.0)
        assert (preset.sampling, preset.negatives, preset.n_negatives) == ("users", "own", 1)
        assert (preset.optimiser, preset.pixels, preset.start) == ("adam", 224, "random")


def test_a_setting_changes_its_own_field_only() -> None:
    params = parse_params(Dvbpr, {"preset": "release", "factors": "20", "mirror": "true"})
    settings = params.settings("cpu")
    assert settings == dataclasses.replace(PRESETS["release"], factors=20, mirror=True)


def test_auto_is_slim_on_a_cpu_and_fast_on_a_gpu() -> None:
    assert DvbprParams().settings("cpu") == PRESETS["slim"]
    assert DvbprParams().settings("cuda") == PRESETS["fast"]
    assert DvbprParams(preset="paper").settings("cpu") == PRESETS["paper"]


def test_a_backbone_brings_its_pixels() -> None:
    assert DvbprParams(preset="slim", backbone="resnet-18").settings("cpu").pixels == 224
    assert DvbprParams(preset="paper", backbone="slim").settings("cpu").pixels == 64
    assert DvbprParams(preset="slim", backbone="resnet-18", pixels=96).settings("cpu").pixels == 96


def test_what_is_recorded_is_complete_and_the_same_fit() -> None:
    asked = DvbprParams(factors=20)
    settled = Dvbpr.settled(asked, Runtime(device="cpu"))
    assert settled.preset == "slim"
    assert settled.precision in ("bf16", "float32")
    assert None not in dataclasses.asdict(settled).values()
    expected = dataclasses.replace(
        asked.settings("cpu"), precision="bf16" if settled.precision == "bf16" else "float32"
    )
    assert settled.settings("cpu") == expected
    assert Dvbpr.settled(settled, Runtime(device="cpu")) == settled


def test_what_is_no_number_is_told() -> None:
    with pytest.raises(ValueError, match="refit_lambda must be at least 0, got nan"):
        DvbprParams(refit_lambda=float("nan"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("factors", "0", "factors must be at least 1, got 0"),
        ("dropout", "1", r"dropout must be in \[0, 1\), got 1.0"),
        ("learning_rate", "0", "learning_rate must be above 0"),
        ("weight_decay", "-1", "weight_decay must be at least 0"),
        ("refit_lambda", "-1", "refit_lambda must be at least 0"),
        ("backbone", "vgg", "must be one of cnn-f, cnn-f-same, resnet-18, slim"),
        ("preset", "quick", "must be one of auto, paper, release, fast, slim"),
    ],
)
def test_impossible_values_are_told(name: str, value: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        parse_params(Dvbpr, {name: value})
