"""The table of published results as LaTeX. Columns: source, published value, our result relative to it."""

import pandas as pd

from gmvae.metrics.catalogue import decimals
from gmvae.thesis.tabular import define_macro, header_line
from gmvae.thesis.typeset import format_fixed, labels_in_words, latex_number, latex_text, lower_first

VERDICT_WORDS = {"open": "not measured"}  # verdicts that are not printed as they are
AIMS = {  # what an aim demands, by its statistic
    "mean": "a mean of at least",
    "picked": "in the picked seed at least",
    "min": "in every seed at least",
    "max": "in every seed at most",
}
ORDER = {"here": 0, "published": 1, "aim": 2}  # of the kinds of rows


def published_rows(rows: pd.DataFrame, tasks: dict, names: dict) -> str:
    r"""The macro \publishedrows with a block for each task and measure.

    Args:
        rows: The judged rows of step `published`, a column for each of its columns.
        tasks: The study's tasks, each with `labels`.
        names: Display names by key.

    Returns:
        The lines of a LaTeX file.
    """
    by_measure = rows.groupby(["task", "measure"], sort=False)
    blocks = [published_block(of_measure, tasks, names) for _, of_measure in by_measure]
    lines = [header_line("gmvae.thesis.tables.published"), define_macro("publishedrows", "\n".join(blocks))]
    return "\n".join(lines) + "\n"


def published_block(rows: pd.DataFrame, tasks: dict, names: dict) -> str:
    """The lines of a task and measure: what is measured and how, our result, the results of others, the aims."""
    ours = next(rows.sort_values("kind", key=lambda kinds: kinds == "here", kind="stable").itertuples())
    lines = [rf"\publishedhead{{{block_heading(ours, tasks, names)}}} \\*", measured_line(ours, names, "") + r" \\*"]
    for row in rows.sort_values("kind", key=lambda kinds: kinds.map(ORDER), kind="stable").itertuples():
        line_of = {"here": here_line, "published": published_line, "aim": aim_line}[row.kind]
        lines.append(line_of(row, names) + r" \\*")
    lines[-1] = lines[-1].removesuffix("*")
    return "\n".join(lines) + r"[3pt]"


def block_heading(row, tasks: dict, names: dict) -> str:
    """Task, measure, split, K, and which labels the model may see."""
    title = rf"\textbf{{{latex_text(row.title or names.get(row.task, row.task))}}}"
    parts = ["test split"]
    if not pd.isna(row.n_components):
        parts.append(f"$K={int(row.n_components)}$")
    if row.task in tasks:
        parts.append(labels_in_words(tasks[row.task]["labels"]))
    return f"{title}: {latex_text(lower_first(names.get(row.measure, row.measure)))}; {', '.join(parts)}"


def measured_line(row, names: dict, verdict: str, model: str | None = None) -> str:
    """A line of this study's results: mean and spread over seeds, the picked seed's value, the verdict."""
    name = latex_text(names.get(model or row.ours, model or row.ours)) + ", here"
    if not row.n_seeds:
        return rf"{name} & not measured & "
    places = decimals(row.measure)
    if not pd.isna(row.picked):
        name += f", picked seed {latex_number(row.picked, places)}"
    spread = "" if pd.isna(row.sd) else rf"\,$\pm$\,{format_fixed(row.sd, places)}"
    return rf"{name} & {latex_number(row.mean, places)}{spread} & {verdict}"


def here_line(row, names: dict) -> str:
    """The line of another model of this study."""
    line = measured_line(row, names, VERDICT_WORDS.get(row.verdict, row.verdict), row.low)
    return line.replace(", here", f", here: {latex_text(row.what)}", 1) if row.what else line


def published_line(row, names: dict) -> str:
    """The line of a published value, with the digits that it was published with."""
    value = row.low + (f" to {row.high}" if row.high else "") + (rf"\,$\pm$\,{row.spread}" if row.spread else "")
    citation = rf"~\cite{{{row.source}}}" if row.source else ""
    return f"{latex_text(row.what)}{citation} & {value} & {VERDICT_WORDS.get(row.verdict, row.verdict)}"


def aim_line(row, names: dict) -> str:
    """The line of an aim."""
    threshold = row.low if row.low not in names else f"that of {latex_text(names[row.low])}"
    aim = rf"\quad\textit{{aim: {AIMS[row.statistic]} {threshold}}}"
    return f"{aim} & & {VERDICT_WORDS.get(row.verdict, row.verdict)}"
