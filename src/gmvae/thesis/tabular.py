r"""What the tables of the thesis share: rows, cells, the tabular itself, and the macros that hold them."""

from collections.abc import Iterable

from gmvae.thesis.typeset import format_fixed


def header_line(module: str) -> str:
    """The comment at the top of every generated file.

    Args:
        module: The module that writes the file, with dots.

    Returns:
        A comment line of LaTeX.
    """
    return f"% Written by {module}: a change here is lost."


def centre_cell(text: str) -> str:
    """A cell that is centred in a right-aligned column.

    Args:
        text: LaTeX of the cell.

    Returns:
        LaTeX of the centred cell.
    """
    return rf"\multicolumn{{1}}{{c}}{{{text}}}"


NO_VALUE = centre_cell("--")


def small_spread(sd: float, places: int, width: int = 0) -> str:
    """A standard deviation in small print, to stand after a mean.

    Args:
        sd: The standard deviation.
        places: How many decimals.
        width: Characters of the widest spread in the column: the number is padded on its left to that width.

    Returns:
        LaTeX with the sign and the digits.
    """
    digits = format_fixed(sd, places)
    padding = rf"\phantom{{{'0' * (width - len(digits))}}}" if width > len(digits) else ""
    return rf"\,{{\tiny$\pm$\,{padding}{digits}}}"


def table_row(cells: Iterable[str]) -> str:
    """A row of a table.

    Args:
        cells: LaTeX of each cell, from left to right.

    Returns:
        One line of LaTeX.
    """
    return " & ".join(cells) + r" \\"


def tabular(head: list[str], rows: Iterable[Iterable[str]], above: list[str] | None = None) -> str:
    r"""A tabular of the text's width: the first column left-aligned, all others right-aligned.

    Args:
        head: Cells of the head, one for each column.
        rows: Cells of each row.
        above: Cells of a line above the head, as wide together; None, and there is none.

    Returns:
        LaTeX: \fittedtabular of thesis/preamble-results.tex with booktabs rules.
    """
    columns = "r" * (len(head) - 1)
    body = [table_row(cells) for cells in rows]
    heads = ([table_row(above)] if above else []) + [table_row(head)]
    return "\n".join([rf"\fittedtabular{{{columns}}}{{\toprule", *heads, r"\midrule", *body, r"\bottomrule}"])


def define_macro(name: str, body: str) -> str:
    r"""The lines that define a macro; one without a body is \empty, so that the text can ask for it by \ifx.

    Args:
        name: The macro's name without backslash.
        body: LaTeX that it stands for.

    Returns:
        LaTeX of the definition.
    """
    return f"\\def\\{name}{{%\n{body}\n}}" if body else rf"\let\{name}\empty"
