"""Numbers left to the device, and what is refused."""

import pytest

from bench.errors import BenchError
from bench.experiment.generation.options import GenerationOptions, GenerationSettings
from bench.recommender import parse_params


def test_the_papers_numbers_on_a_gpu_and_fewer_on_a_cpu() -> None:
    paper = GenerationOptions().settled("cuda")
    assert (paper.trials, paper.starts, paper.steps, paper.eta, paper.top) == (1000, 64, 50, 1.0, 3)
    slim = GenerationOptions().settled("cpu")
    assert slim.trials is not None
    assert slim.starts is not None
    assert slim.trials < 1000
    assert slim.starts < 64
    assert (slim.steps, slim.eta, slim.eta_trials) == (50, 0.6, 16)
    assert slim.settled("cuda") is slim


def test_what_is_given_stays_and_figure_3_has_no_more_trials_than_there_are() -> None:
    given = GenerationOptions(trials=7, starts=5).settled("cpu")
    assert (given.trials, given.eta_trials, given.starts) == (7, 7, 5)
    assert GenerationOptions(eta=0.0).settled("cpu").eta == 0.0
    assert GenerationOptions(trials=7, eta_trials=2).settled("cpu").eta_trials == 2
    assert GenerationOptions(eta_trials=0).settled("cpu").eta_trials == 0


def test_the_parts_options() -> None:
    options = GenerationOptions(eta=0.5, ssim_size=32).settled("cuda")
    assert options.design().eta == 0.5
    assert options.design().selection == "sample"
    assert options.design(eta=10.0, best=True).eta == 10.0
    assert options.design(best=True).selection == "best"
    assert options.tailoring().iterates == (0, 10, 20, 40, 50)
    assert options.ssim().size == 32
    assert GenerationOptions().ssim().size is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"trials": "0"}, "trials must be at least 1"),
        ({"top": "1"}, "diversity is of pairs"),
        ({"top": "65"}, "top 65 images cannot be drawn from 64 starts"),
        ({"starts": "2"}, "top 3 images cannot be drawn from 2 starts"),
        ({"eta": "-1"}, "eta must be at least 0"),
        ({"eta_trials": "-1"}, "eta_trials must be at least 0"),
        ({"steps": "-1"}, "steps and batch must be at least 0"),
        ({"ssim_size": "5"}, "size must be at least the window's 11 pixels"),
        ({"ssim_window": "round"}, "must be one of gaussian, uniform"),
        ({"nonsense": "1"}, "unknown hyper-parameter of design 'nonsense'"),
        ({"trials": "many"}, "must be of type int"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(text: dict[str, str], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        parse_params(GenerationSettings, text)
