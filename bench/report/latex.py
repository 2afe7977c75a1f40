"""Tables as LaTeX that compiles with pdflatex, in the look of the paper's Table III."""

import itertools
import re
import unicodedata
from collections.abc import Iterable

from bench.report.layout import DASH, Cell, Table

__all__ = ["escape", "to_latex"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "{''}",
    "`": "{`}",
    # A bracket or a star after the end of a row would be read as its argument.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "\N{LEFT SINGLE QUOTATION MARK}": "{`}",
    "\N{RIGHT SINGLE QUOTATION MARK}": "{'}",
    "\N{LEFT DOUBLE QUOTATION MARK}": "{``}",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "{''}",
    "…": r"\ldots{}",
    "±": r"$\pm$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "\N{MINUS SIGN}": "$-$",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "\N{LATIN SMALL LETTER DOTLESS I}": r"\i{}",
    "†": r"$\dagger$",
    "®": r"\textregistered{}",
    "©": r"\copyright{}",
    "™": r"\texttrademark{}",
}

_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0323": "d",
    "\u0327": "c",
}

# Greek letters that LaTeX has under their own names; the others look like Latin ones.
_GREEK_LETTERS = "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ"
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_GREEK = {
    letter: f"$\\{name}$" for letter, name in zip(_GREEK_LETTERS, _GREEK_NAMES.split(), strict=True)
}

_HAT = "\u0302"


def escape(text: str) -> str:
    """Write any text so that pdflatex sets it without a package beyond its own.

    Accented Latin and Greek letters, with hats on the latter, become commands, whatever else is
    not ASCII its code point (``U+4E2D``): visible, and never an error.
    """
    out: list[str] = []
    for char in unicodedata.normalize("NFC", " ".join(text.split())):
        if char == _HAT and out and out[-1] in _GREEK.values():
            out[-1] = f"$\\hat{{{out[-1].strip('$')}}}$"
        elif char in _SPECIAL or char in _GREEK:
            out.append(_SPECIAL.get(char) or _GREEK[char])
        elif " " <= char <= "~":
            # Two hyphens would become a dash.
            out.append("{}-" if char == "-" and out and out[-1].endswith("-") else char)
        else:
            out.append(_letter(char))
    return "".join(out)


def to_latex(table: Table) -> str:
    """Draw a table as a float: as wide as the page if the table is, shrunk if it is wider still."""
    star = "*" if table.wide else ""
    best = " The best performing method in each row is boldfaced."  # as under the paper's
    caption = table.caption + (best if table.has_best else "")
    body = [
        "% Needs \\usepackage{booktabs} and \\usepackage{graphicx}.",
        f"\\begin{{table{star}}}[t]",
        "\\centering",
        f"\\caption{{{escape(caption)}}}",
        f"\\label{{tab:{table.name}}}",
        "\\par\\smallskip",
        # Shrinks what is too wide, leaves alone what is not.
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        f"\\begin{{tabular}}{{@{{}}{''.join(column.align[0] for column in table.columns)}@{{}}}}",
        "\\toprule",
        *_headings(table),
        "\\midrule",
        *_rows(table),
        "\\bottomrule",
        "\\end{tabular}}",
        *_foot(table),
        f"\\end{{table{star}}}",
    ]
    return "\n".join(body) + "\n"


def _letter(char: str) -> str:
    """Write a letter outside ASCII: base and accent if LaTeX has them, else its code point."""
    decomposed = unicodedata.normalize("NFD", char)
    base, marks = decomposed[0], decomposed[1:]
    if marks and "!" <= base <= "~" and all(mark in _ACCENTS for mark in marks):
        for mark in marks:
            base = f"\\{_ACCENTS[mark]}{{{base}}}"
        return base
    return f"\\texttt{{U+{ord(char):04X}}}"


def _headings(table: Table) -> list[str]:
    titles = _line(escape(column.title) for column in table.columns)
    if not any(column.group for column in table.columns):
        return [titles]
    groups, rules, start = [], [], 1
    for group, members in itertools.groupby(column.group for column in table.columns):
        width = len(list(members))
        if not group:
            groups.extend([""] * width)
        elif width == 1:
            groups.append(escape(group))
        else:
            groups.append(f"\\multicolumn{{{width}}}{{c}}{{{escape(group)}}}")
            rules.append(f"\\cmidrule(l){{{start}-{start + width - 1}}}")
        start += width
    return [_line(groups), *rules, titles]


def _rows(table: Table) -> list[str]:
    lines = []
    for number, row in enumerate(table.rows):
        depth_above = table.rows[number - 1].depth if number else 0
        if row.rule_above:
            lines.append("\\midrule")
        elif depth_above:
            lines.append("\\addlinespace")
        lines.append(_line(_value(cell) for cell in row.cells))
        for depth in range(row.depth):
            details = [
                f"{{\\scriptsize {_with_minus(escape(cell.details[depth]))}}}"
                if depth < len(cell.details)
                else ""
                for cell in row.cells
            ]
            lines.append(_line(details))
    return lines


def _value(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.text != DASH:
        text = _with_minus(text)
    if cell.best:
        text = f"\\textbf{{{text}}}"
    raised = [escape(cell.mark)] if cell.mark else []
    if cell.note is not None:
        raised.append(str(cell.note))
    return f"{text}\\textsuperscript{{{','.join(raised)}}}" if raised else text


def _with_minus(text: str) -> str:
    """Set the sign of numbers, alone or as bounds of an interval, as a minus."""
    return re.sub(r"(^|^\{\[\}|, )-(?=\d)", r"\1$-$", text)


def _foot(table: Table) -> list[str]:
    notes = [
        f"\\textsuperscript{{{number}}} {escape(note)}"
        for number, note in enumerate(table.notes, start=1)
    ]
    lines = [*(escape(line) for line in table.foot), *notes]
    if not lines:
        return []
    return [
        "\\par\\medskip",
        "\\begin{minipage}{\\linewidth}\\scriptsize\\raggedright",
        "\\par\n".join(lines),
        "\\end{minipage}",
    ]


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + " \\\\"
