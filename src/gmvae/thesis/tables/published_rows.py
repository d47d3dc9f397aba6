"""The published results as LaTeX. An entry for each task and measure: ours, then who lies below and above it."""

import pandas as pd

from gmvae.metrics.catalogue import decimals
from gmvae.thesis.tabular import define_macro, header_line
from gmvae.thesis.typeset import format_fixed, labels_in_words, latex_number, latex_text, lower_first

RELATIONS = {  # of our mean to a published value, in the order of the sentences
    "above": "Ours is above:",
    "equal": "Ours equals:",
    "within": "Ours is within:",
    "below": "Ours is below:",
    "open": "Not measured here:",
}
AIMS = {  # what an aim demands, by its statistic
    "mean": "a mean of at least",
    "picked": "in the picked seed at least",
    "min": "in every seed at least",
    "max": "in every seed at most",
}


def published_rows(rows: pd.DataFrame, tasks: dict, names: dict) -> str:
    r"""The macro \publishedrows: an entry for each task and measure that is quoted, or that has an aim.

    It is empty where others have published nothing on the study's tasks: what the author drafted or aimed at is not
    enough for a section of its own.

    Args:
        rows: The judged rows of step `published`, a column for each of its columns.
        tasks: The study's tasks, each with `labels`.
        names: Display names by key.

    Returns:
        The lines of a LaTeX file.
    """
    by_measure = rows.groupby(["task", "measure"], sort=False) if (rows.kind == "published").any() else ()
    blocks = [published_block(table, tasks, names) for _, table in by_measure if (table.kind != "here").any()]
    lines = [header_line("gmvae.thesis.tables.published"), define_macro("publishedrows", "\n".join(blocks))]
    return "\n".join(lines) + "\n"


def published_block(rows: pd.DataFrame, tasks: dict, names: dict) -> str:
    """The entry of a task and measure: what is measured and how, our result, the results of others and the aims.

    Other models of this study are in the table of the task, and in the csv.
    """
    ours = next(rows[rows.kind != "here"].itertuples())
    published, sentences = rows[rows.kind == "published"], []
    for verdict, words in RELATIONS.items():
        values = [published_value(row) for row in published[published.verdict == verdict].itertuples()]
        sentences += [f"{words} {'; '.join(values)}."] if values else []
    drafted = [drafted_value(row) for row in rows[rows.kind == "draft"].itertuples()]
    sentences += [rf"\textit{{The author's draft:}} {'; '.join(drafted)}."] if drafted else []
    sentences += [aim_sentence(row, names) for row in rows[rows.kind == "aim"].itertuples()]
    parts = block_heading(ours, tasks, names), our_value(ours, names), " ".join(sentences)
    return r"\publishedentry" + "".join(f"{{{part}}}" for part in parts)


def block_heading(row, tasks: dict, names: dict) -> str:
    """Task, measure, K, and which labels the model may see."""
    title = rf"\textbf{{{latex_text(row.title or names.get(row.task, row.task))}}}"
    parts = [latex_text(lower_first(names.get(row.measure, row.measure)))]
    if not pd.isna(row.n_components):
        parts.append(f"$K={int(row.n_components)}$")
    if row.task in tasks and tasks[row.task]["labels"] not in ("none", None):
        parts.append(labels_in_words(tasks[row.task]["labels"]))
    return f"{title}: {', '.join(parts)}"


def our_value(row, names: dict) -> str:
    """The model, its mean and spread over seeds, and the picked seed's value."""
    name = latex_text(names.get(row.ours, row.ours))
    if not row.n_seeds:
        return f"{name}: not measured"
    places = decimals(row.measure)
    spread = "" if pd.isna(row.sd) else rf"\,$\pm$\,{format_fixed(row.sd, places)}"
    picked = "" if pd.isna(row.picked) else f", picked {latex_number(row.picked, places)}"
    return f"{name}: {latex_number(row.mean, places)}{spread}{picked}"


def published_value(row) -> str:
    """A published value, with the digits that it was published with, its owner and its source."""
    citation = rf"~\cite{{{row.source}}}" if row.source else ""
    return f"{latex_text(row.what)}{citation}, {quoted_value(row)}"


def drafted_value(row) -> str:
    """A value of the author's draft, and what has to be known of it."""
    return quoted_value(row) + (f" ({latex_text(row.what)})" if row.what else "")


def quoted_value(row) -> str:
    """A number or a range with the digits of its source, and the spread where it has one."""
    return row.low + (f" to {row.high}" if row.high else "") + (rf"\,$\pm$\,{row.spread}" if row.spread else "")


def aim_sentence(row, names: dict) -> str:
    """What had been asked of our model, and whether it was reached."""
    threshold = row.low if row.low not in names else f"that of {latex_text(names[row.low])}"
    verdict = "not measured" if row.verdict == "open" else row.verdict
    return rf"\textit{{Aim:}} {AIMS[row.statistic]} {threshold}: {verdict}."
