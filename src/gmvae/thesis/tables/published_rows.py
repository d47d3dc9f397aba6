"""The table of published figures as LaTeX: the body of a longtable of whose figure, the figure, how ours lies to it."""

import pandas as pd

from gmvae.metrics.catalogue import decimals, format_fixed
from gmvae.thesis import typeset
from gmvae.thesis.typeset import labels_in_words

WORDS = {"open": "not measured"}  # verdicts that are not shown as they are
STATISTICS = {  # what an aim asks for
    "mean": "a mean of at least",
    "picked": "in the picked seed at least",
    "min": "in every seed at least",
    "max": "in every seed at most",
}


def published_rows(rows: pd.DataFrame, tasks: dict, names: dict) -> str:
    r"""The macro \publishedrows with a block for each task and measure, empty where there is none."""
    lines = ["% Written by gmvae.thesis.tables.published: a change here is lost."]
    if rows.empty:
        return "\n".join([*lines, r"\let\publishedrows\empty"]) + "\n"
    blocks = [published_block(of_group, tasks, names) for _, of_group in rows.groupby(["task", "measure"], sort=False)]
    return "\n".join([*lines, r"\def\publishedrows{%", *blocks, "}"]) + "\n"


def published_block(rows: pd.DataFrame, tasks: dict, names: dict) -> str:
    """The lines of a task and measure: what is measured and how, ours, the figures of others, the aims."""
    ours = next(rows.sort_values("kind", key=lambda kinds: kinds == "here", kind="stable").itertuples())
    lines = [rf"\publishedhead{{{block_heading(ours, tasks, names)}}} \\*", measured_line(ours, names, "") + r" \\*"]
    order = {"here": 0, "published": 1, "aim": 2}
    for row in rows.sort_values("kind", key=lambda kinds: kinds.map(order), kind="stable").itertuples():
        line = {"here": here_line, "published": published_line, "aim": aim_line}[row.kind]
        lines.append(line(row, names) + r" \\*")
    lines[-1] = lines[-1].removesuffix("*")
    return "\n".join(lines) + r"[3pt]"


def block_heading(row, tasks: dict, names: dict) -> str:
    """Task, measure, split, K and what is seen of the labels."""
    of = rf"\textbf{{{typeset.text(row.title or names.get(row.task, row.task))}}}"
    parts = ["test split"]
    if not pd.isna(row.n_components):
        parts.append(f"$K={int(row.n_components)}$")
    if row.task in tasks:
        parts.append(labels_in_words(tasks[row.task]["labels"]))
    return f"{of}: {lower_first(names.get(row.measure, row.measure))}; {', '.join(parts)}"


def lower_first(name: str) -> str:
    """A metric's display name within a line: its first letter small, abbreviations as they are."""
    return typeset.text(name[0].lower() + name[1:] if name[1:2].islower() else name)


def measured_line(row, names: dict, verdict: str, model: str | None = None) -> str:
    """A line of figures of this study: mean and spread over seeds, the picked seed's figure, how ours lies to it."""
    who = typeset.text(names.get(model or row.ours, model or row.ours)) + ", here"
    if not row.n_seeds:
        return rf"{who} & not measured & "
    places = decimals(row.measure)
    if not pd.isna(row.picked):
        who += f", picked seed {typeset.number(row.picked, places)}"
    spread = "" if pd.isna(row.sd) else rf"\,$\pm$\,{format_fixed(row.sd, places)}"
    return rf"{who} & {typeset.number(row.mean, places)}{spread} & {verdict}"


def here_line(row, names: dict) -> str:
    """The line of another model of this study."""
    line = measured_line(row, names, WORDS.get(row.verdict, row.verdict), row.low)
    return line.replace(", here", f", here: {typeset.text(row.what)}", 1) if row.what else line


def published_line(row, names: dict) -> str:
    """The line of a figure of others, with the digits that it was published with."""
    figure = row.low + (f" to {row.high}" if row.high else "") + (rf"\,$\pm$\,{row.spread}" if row.spread else "")
    cited = rf"~\cite{{{row.source}}}" if row.source else ""
    return f"{typeset.text(row.what)}{cited} & {figure} & {WORDS.get(row.verdict, row.verdict)}"


def aim_line(row, names: dict) -> str:
    """The line of an aim."""
    asked = row.low if row.low not in names else f"that of {typeset.text(names[row.low])}"
    aim = rf"\quad\textit{{aim: {STATISTICS[row.statistic]} {asked}}}"
    return f"{aim} & & {WORDS.get(row.verdict, row.verdict)}"
