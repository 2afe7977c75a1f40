"""Figures 3 to 6 of the paper, drawn from stored designs."""

from bench.report.figures.figure3 import figure3
from bench.report.figures.figure4 import figure4
from bench.report.figures.figure5 import figure5
from bench.report.figures.figure6 import figure6
from bench.report.figures.style import write_figure

__all__ = ["FIGURES", "write_figure"]

FIGURES = {3: figure3, 4: figure4, 5: figure5, 6: figure6}
"""What draws each of them: from what is shown (`bench.report.shown_designs.Shown`) to a figure."""
