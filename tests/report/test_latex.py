# ruff: noqa: RUF001 - look-alike characters are what is tested
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.report.latex import escape, to_latex
from bench.report.layout import Cell, Column, Row, Table
from bench.report.tables import table2, table3

HOSTILE = (
    r"a_b % c & d # e $ f { g } h ~ i ^ j \ k < l > m | n "
    '"o" `p` ?` [q] *r* -- --- s\'s ±1 × · ≤ ≥ → − – — … ® ™ © '
    "Müller façade Ångström Łódź Øre straße œuvre ąę ğ ı İ ő ṣ αβγ Ωmega ο "
    "中文 日本 🙂 é ʼ \u0301 \x07 \\input{x} \\end{tabular} %"
)


def test_escape_by_hand():
    assert escape("my_model 50% & #1") == r"my\_model 50\% \& \#1"
    assert escape(r"\x{y}$^~") == r"\textbackslash{}x\{y\}\$\textasciicircum{}\textasciitilde{}"
    assert escape("0.1±0.2") == r"0.1$\pm$0.2"
    assert escape("--force") == "-{}-force"
    assert escape("Müller, Łódź") == "M\\\"{u}ller, \\L{}\\'{o}d\\'{z}"
    assert escape("δ(u)") == r"$\delta$(u)"
    assert escape("δ\u0302(u)") == r"$\hat{\delta}$(u)"
    assert escape("a\u0302 b\u0302") == r"\^{a} b\texttt{U+0302}"
    assert escape("[x] *") == "{[}x{]} {*}"
    assert escape("中") == r"\texttt{U+4E2D}"
    assert escape("a\n b\tc") == "a b c"


def test_escape_gives_plain_ascii_only():
    assert escape(HOSTILE).isascii()


def test_layout_of_the_papers_table(add_cell):
    cells = [
        add_cell("bpr-mf", [5] * 4),
        *(add_cell("vbpr", [5 + seed] * 4, seed=seed) for seed in (0, 2)),
        add_cell("fm", None),
        add_cell("bpr-mf", dataset="shoes"),
    ]
    lines = to_latex(table3(cells)).splitlines()
    assert lines[0] == r"% Needs \usepackage{booktabs} and \usepackage{graphicx}."
    assert lines[1] == r"\begin{table*}[t]"
    assert lines[-1] == r"\end{table*}"
    body = lines[lines.index(r"\toprule") : lines.index(r"\bottomrule")]
    assert body == [
        r"\toprule",
        r" &  &  & (d) & (f) & (g) & \multicolumn{2}{c}{Improvement} \\",
        r"\cmidrule(l){7-8}",
        r"Dataset & Setting & Users & BPR-MF & FM & VBPR & g vs. d & g vs. best \\",
        r"\midrule",
        r"Clothing & All Items & 4 & 0.5000 & --\textsuperscript{1} & \textbf{0.6000} & 20.0\% "
        r"& 20.0\% \\",
        r" &  &  &  &  & {\scriptsize $\pm$0.1414} &  &  \\",
        r"\addlinespace",
        r" & Cold Items & 2 & 0.5000 & --\textsuperscript{1} & \textbf{0.6000} & 20.0\% "
        r"& 20.0\% \\",
        r" &  &  &  &  & {\scriptsize $\pm$0.1414} &  &  \\",
        r"\midrule",
        r"Shoes & All Items & 4 & \textbf{0.5000} & --\textsuperscript{2} & "
        r"--\textsuperscript{2} & --\textsuperscript{3} & --\textsuperscript{3} \\",
        r" & Cold Items & 2 & \textbf{0.5000} & --\textsuperscript{2} & "
        r"--\textsuperscript{2} & --\textsuperscript{3} & --\textsuperscript{3} \\",
    ]


def test_every_row_has_as_many_cells(add_cell):
    table = table3([add_cell("vbpr", label="R&D"), add_cell("rand", title="a & b")])
    rows = [
        line
        for line in to_latex(table).splitlines()
        if line.endswith(r"\\") and r"\multicolumn" not in line
    ]
    assert len(rows) == 1 + len(table.rows)
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(table.columns) - 1}


def test_a_negative_number_gets_a_minus():
    row = Row((Cell("-2.5%"),))
    table = Table(name="t", caption="C.", columns=(Column("A"),), rows=(row,))
    assert r"$-$2.5\% \\" in to_latex(table)


def test_table2_fits_one_column(add_cell):
    assert r"\begin{table}[t]" in to_latex(table2([add_cell("rand")]))


def can_compile() -> bool:
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return False
    found = subprocess.run(["kpsewhich", "booktabs.sty", "graphicx.sty"], capture_output=True)
    return found.returncode == 0


@pytest.mark.skipif(
    not can_compile(),
    reason="needs pdflatex with booktabs (Debian: texlive-latex-base texlive-latex-recommended)",
)
def test_compiles_with_hostile_names(add_cell, tmp_path: Path):
    facts = {"features": HOSTILE, "split_rule": HOSTILE, "oracle_auc": {"all": {"strict": 0.9}}}
    cells = [
        add_cell("bpr-mf", [5] * 4, title="[x] * " + HOSTILE[:40], facts=facts),
        *(add_cell("vbpr", [5 + seed] * 4, seed=seed, facts=facts) for seed in (0, 2)),
        add_cell("fm", None, error=HOSTILE),
        *(add_cell(f"mine-{part}", label=HOSTILE[part : part + 30]) for part in (0, 30, 60, 90)),
        add_cell("vbpr", dataset="amazon_men", title="*Amazon Men"),
        add_cell("vbpr", dataset="shoes", title="[Shoes]"),
    ]
    tables = to_latex(table3(cells, ci=True)) + to_latex(table2(cells))
    document = (
        "\\documentclass[twocolumn]{article}\n\\usepackage{booktabs}\n\\usepackage{graphicx}\n"
        f"\\begin{{document}}\nText.\n{tables}\\end{{document}}\n"
    )
    (tmp_path / "paper.tex").write_text(document, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 0
    # The table is shrunk to the page: nothing sticks out of it.
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert "Overfull" not in log
    assert "Missing character" not in log


def test_a_mark_is_raised_beside_the_note():
    columns = (Column("A"), Column("B"), Column("C"))
    cells = (Cell("0.5", mark="†"), Cell("0.6", best=True, mark="†", note=2), Cell("0.7", note=1))
    table = Table(name="t", caption="c", columns=columns, rows=(Row(cells),), foot=("† close",))
    text = to_latex(table)
    assert (
        r"0.5\textsuperscript{$\dagger$} & \textbf{0.6}\textsuperscript{$\dagger$,2} & "
        r"0.7\textsuperscript{1} \\"
    ) in text
    assert r"$\dagger$ close" in text


def test_negative_bounds_of_intervals_have_a_minus():
    cells = (Cell("[-0.0383, -0.0120]", ("[-0.1, +0.2]",)), Cell("-0.5", ("2020-01-01, a-1",)))
    columns = (Column("A"), Column("B"))
    text = to_latex(Table(name="t", caption="c", columns=columns, rows=(Row(cells),)))
    assert r"{[}$-$0.0383, $-$0.0120{]} & $-$0.5 \\" in text
    assert r"{\scriptsize {[}$-$0.1, +0.2{]}} & {\scriptsize 2020-01-01, a-1} \\" in text
