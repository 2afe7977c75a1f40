"""The GAN's presets: what the paper and the released code state, and single settings."""

import dataclasses

import pytest

from dvbpr.gan_presets import PRESETS, GanParams


def test_the_paper_and_the_released_code() -> None:
    paper, release = PRESETS["paper"], PRESETS["release"]
    stated = ("pixels", "code_dims", "training_prior", "batch_size", "epochs")
    assert [getattr(paper, name) for name in stated] == [128, 100, "uniform", 64, 25]
    assert [getattr(release, name) for name in stated] == [64, 256, "normal", 16, 30]
    assert (paper.discriminator_weight, release.discriminator_weight) == (1.0, 0.5)
    for preset in (paper, release):
        assert (preset.beta1, preset.beta2) == (0.5, 0.99)
        assert preset.generator_rate == preset.discriminator_rate == 1e-4
        assert (preset.average, preset.decay, preset.shift) == (0.0, 0.0, 0)
        assert (preset.draw, preset.architecture) == ("replacement", "deep")


def test_every_preset_draws_codes_of_the_paper_where_it_is_free_to() -> None:
    assert PRESETS["slim"].training_prior == "uniform"


def test_auto_goes_by_the_device_and_is_written_out() -> None:
    params = GanParams(epochs=3)
    assert (params.chosen("cpu"), params.chosen("cuda")) == ("slim", "paper")
    resolved = params.resolved("cuda")
    assert resolved.preset == "paper"
    assert None not in dataclasses.asdict(resolved).values()
    assert resolved.settings("cpu") == dataclasses.replace(PRESETS["paper"], epochs=3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pixels": 40}, "multiple of 16"),
        ({"pixels": 0}, "multiple of 16"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"code_dims": 0}, "code_dims"),
        ({"generator_rate": 0.0}, "generator_rate"),
        ({"discriminator_rate": -1.0}, "discriminator_rate"),
        ({"discriminator_weight": 0.0}, "discriminator_weight"),
        ({"beta1": 1.0}, "beta1"),
        ({"average": 1.0}, "average"),
        ({"decay": 1.5}, "decay"),
        ({"shift": -1}, "shift"),
        ({"shift": 64}, "shift"),
    ],
)
def test_impossible_values_are_told_at_once(given: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GanParams(preset="slim", **given)  # type: ignore[arg-type]
