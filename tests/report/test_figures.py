"""Figures 3 to 6: what they show, their sizes, and that the same designs give the same bytes."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from stored_designs import add_designs, judged_by, some_parts

from bench.errors import BenchError
from bench.report.figures import FIGURES, write_figure
from bench.report.figures.tiles import score_text, shortened
from bench.report.shown_designs import Shown


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    stored = add_designs(tmp_path / "results", judged_by())
    return Shown(stored, stored.judged(), 0)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts] + [
        text.get_text() for text in figure.texts
    ]


def n_images(figure: Figure) -> int:
    return sum(len(axes.images) for axes in figure.axes)


def test_figure_3_draws_the_three_measures_and_the_line(shown: Shown) -> None:
    figure = FIGURES[3](shown)
    assert len(figure.axes) == 3
    preference, quality, diversity = figure.axes
    points, line = preference.lines[0], preference.lines[-1]
    assert points.get_ydata().tolist() == [4.0, 3.0, 2.5, 0.5]
    assert set(line.get_ydata()) == {2.0}
    assert [label.get_text() for label in preference.get_xticklabels()] == ["0", "0.1", "1", "10"]
    assert quality.get_ylabel() == "classifier score"
    assert np.allclose(quality.lines[0].get_ydata(), [1.1, 1.2, 1.25, 1.45])
    assert diversity.get_title() == "(c) Image diversity"
    assert any("20 trials of top-3" in text for text in texts(figure))


def test_figure_3_prefers_the_inception_score(tmp_path: Path) -> None:
    stored = add_designs(tmp_path, judged_by(), judged_by("inception"))
    figure = FIGURES[3](Shown(stored, stored.judged(), 0))
    assert figure.axes[1].get_ylabel() == "inception score"


def test_figure_3_needs_judged_designs_for_several_eta(tmp_path: Path) -> None:
    stored = add_designs(tmp_path / "a", judged_by(etas=False))
    with pytest.raises(BenchError, match="figure 3 compares several eta"):
        FIGURES[3](Shown(stored, stored.judged(), 0))
    stored = add_designs(tmp_path / "b")
    with pytest.raises(BenchError, match="not judged"):
        FIGURES[3](Shown(stored, {}, 0))


def test_figure_4_has_a_row_per_category(shown: Shown) -> None:
    figure = FIGURES[4](shown)
    # Five samples of three categories; one of them has no neighbour.
    assert n_images(figure) == 2 * 15 - 1
    found = texts(figure)
    assert "trousers & skirts" in found
    assert "shoes_$1^2" in found  # a name is no formula
    assert any("12.2 of 255 levels, between real ones 11.5" in text for text in found)


def test_figure_4_shows_six_of_many_categories(tmp_path: Path) -> None:
    names = tuple(f"a category with the number {number}" for number in range(9))
    stored = add_designs(tmp_path, judged_by(), categories=names)
    figure = FIGURES[4](Shown(stored, stored.judged(), 0))
    assert n_images(figure) == 6 * 10 - 1
    assert any("6 of 9 categories" in text for text in texts(figure))
    assert "a category with t…" in texts(figure)


def test_figure_5_shows_scores_below_images(shown: Shown) -> None:
    figure = FIGURES[5](shown)
    assert n_images(figure) == 36
    found = texts(figure)
    picks = some_parts()["picks"]
    for name in ("scores", "retrieved_scores"):
        for score in picks[name].ravel():
            assert score_text(score) in found


def test_figure_6_shows_the_way(shown: Shown) -> None:
    figure = FIGURES[6](shown)
    assert n_images(figure) == 36
    found = texts(figure)
    assert "(b$_{0}$)" in found
    assert "(b$_{50}$)" in found
    assert found.count("0.00") >= 6  # the prototypes' -0.001 has no sign


@pytest.mark.parametrize(("number", "width"), [(3, 7.16), (4, 7.16), (5, 3.5), (6, 3.5)])
def test_they_are_as_wide_as_a_column_or_a_page(shown: Shown, number: int, width: float) -> None:
    figure = FIGURES[number](shown)
    assert figure.get_size_inches()[0] == pytest.approx(width)
    assert figure.get_size_inches()[1] < 9.0  # fits on a page
    sizes = [text.get_fontsize() for axes in figure.axes for text in axes.texts]
    assert min([*sizes, 5]) >= 5


@pytest.mark.parametrize("number", [3, 4, 5, 6])
def test_files_have_vector_text_and_no_date(shown: Shown, tmp_path: Path, number: int) -> None:
    figure = FIGURES[number](shown)
    for suffix in (".png", ".pdf"):
        write_figure(figure, tmp_path / f"f{suffix}")
    png = (tmp_path / "f.png").read_bytes()
    with Image.open(tmp_path / "f.png") as image:
        assert image.width == pytest.approx(300 * figure.get_size_inches()[0], abs=1)
        assert "Software" not in image.info
    pdf = (tmp_path / "f.pdf").read_bytes()
    assert b"CreationDate" not in pdf
    assert b"/Type3" not in pdf
    assert b"/FontFile2" in pdf or b"/CIDFontType2" in pdf
    write_figure(FIGURES[number](shown), tmp_path / "again.png")
    write_figure(FIGURES[number](shown), tmp_path / "again.pdf")
    assert (tmp_path / "again.png").read_bytes() == png
    assert (tmp_path / "again.pdf").read_bytes() == pdf


def test_another_process_writes_the_same_bytes(shown: Shown, tmp_path: Path) -> None:
    """Hashes of names differ from process to process; the figures' bytes do not."""
    code = """
import sys
from pathlib import Path
from bench.experiment.generation.store import GenerationStore
from bench.report.figures import FIGURES, write_figure
from bench.report.shown_designs import choose_designs
(shown,) = choose_designs(GenerationStore(Path(sys.argv[1])).all())
write_figure(FIGURES[5](shown), Path(sys.argv[2]))
"""
    digests = set()
    for number in range(2):
        path = tmp_path / f"{number}.pdf"
        words = [sys.executable, "-c", code, str(tmp_path / "results"), str(path)]
        subprocess.run(words, check=True)
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_the_users_own_settings_are_left_alone_and_change_nothing(
    shown: Shown, tmp_path: Path
) -> None:
    write_figure(FIGURES[3](shown), tmp_path / "before.png")
    with mpl.rc_context({"font.size": 31.0, "axes.grid": True, "figure.facecolor": "red"}):
        write_figure(FIGURES[3](shown), tmp_path / "after.png")
        assert mpl.rcParams["font.size"] == 31.0
    assert (tmp_path / "before.png").read_bytes() == (tmp_path / "after.png").read_bytes()
    assert "matplotlib.pyplot" not in sys.modules


def test_other_formats_are_refused(shown: Shown, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=re.escape("f.svg: figures are written as .png or .pdf")):
        write_figure(FIGURES[3](shown), tmp_path / "f.svg")
    assert not list(tmp_path.glob("f.*"))


def test_scores_and_names() -> None:
    assert score_text(-1.234) == "\N{MINUS SIGN}1.23"
    assert score_text(-0.004) == "0.00"
    assert score_text(12.999) == "13.00"
    assert shortened("shoes", 5) == "shoes"
    assert shortened("sandals", 5) == "sand…"
