r"""Step: the table of what each part of the author's model is worth, and what it says, in words.

It reads the kept results of the studies `ablations` and `ablations_cells`, which are committed with the text: a build
trains none of these variants.
"""

from pathlib import Path

import pandas as pd

from gmvae.formats.metrics_table import COLUMNS, read_metrics
from gmvae.formats.writing import write_text
from gmvae.metrics.catalogue import decimals
from gmvae.metrics.statistics import values_by_seed
from gmvae.pipeline.command import run_step
from gmvae.thesis.tabular import NO_VALUE, centre_cell, define_macro, header_line, small_spread, tabular
from gmvae.thesis.typeset import TABLE_LETTERS, latex_name, latex_number, latex_text

MODEL = "gmdvae"  # what the variants are variants of; the others' names begin with one of FAMILY
FAMILY = ("gmdvae", "gmvae")
ALPHA, SHARED = "gmdvae_alpha", "gmdvae_shared"  # variants of the Dirichlet layer
BLOCKS = {  # heads of the blocks of rows, and the tasks of each set of data
    "Parts of the model and of its training": {"Digits": "digits_ablation", "PBMC 3k": "pbmc3k_ablation"},
    "Numbers of components and of dimensions": {"Digits": "digits_sizes", "PBMC 3k": "pbmc3k_sizes"},
}
SETS = ("Digits", "PBMC 3k")
MEASURES = {"accuracy": "Accuracy", "nmi": "NMI", "bound": "Bound"}


def tabulate_variants(metrics: list[Path], models: list[str], names: dict, margin: float, output: Path) -> None:
    r"""Write \variantpanel, a tabular, and \variantwords, sentences; both are \empty where nothing is kept.

    Args:
        metrics: The kept values, results/reference/ablations*/metrics.csv; no file where they are not checked out.
        models: The models of the configuration; the rows have their order.
        names: Display names of models by key.
        margin: The largest difference of accuracies that counts as none.
        output: The LaTeX file to write, results/tables/variants.tex.
    """
    table = pd.concat(
        [read_metrics(path) for path in metrics] or [pd.DataFrame(columns=COLUMNS).astype({"value": float})]
    )
    table = table[table["model"].astype(str).str.startswith(FAMILY)]
    blocks = {head: rows for head, tasks in BLOCKS.items() if (rows := block_rows(table, tasks, models, names))}
    words = [
        set_words(table, label, BLOCKS["Parts of the model and of its training"][label], names, margin)
        for label in SETS
    ]
    macros = [
        define_macro("variantpanel", variant_panel(blocks) if blocks else ""),
        define_macro("variantwords", "\\par\n".join(filter(None, words))),
    ]
    write_text("\n".join([header_line("gmvae.thesis.tables.variants"), *macros]) + "\n", output)


def block_rows(table: pd.DataFrame, tasks: dict[str, str], models: list[str], names: dict) -> list[list[str]]:
    """The rows of a block: a name and a cell for each measure of each set, the model itself first."""
    kept = set(table.loc[table["task"].isin(tasks.values()), "model"])
    rows = []
    for model in dict.fromkeys(model for model in [MODEL, *models, *sorted(kept)] if model in kept):
        cells = [variant_cell(table, tasks[label], model, measure) for label in SETS for measure in MEASURES]
        rows.append([rf"\quad {latex_name(names.get(model, model), TABLE_LETTERS)}", *cells])
    return rows


def variant_cell(table: pd.DataFrame, task: str, model: str, measure: str) -> str:
    """Mean and spread over seeds, on the test split; a dash where a variant has no such measure."""
    values = values_by_seed(table, task, model, measure)
    if values.empty:
        return NO_VALUE
    places = decimals(measure)
    return latex_number(values.mean(), places) + (small_spread(values.std(ddof=1), places) if len(values) > 1 else "")


def variant_panel(blocks: dict[str, list[list[str]]]) -> str:
    """One tabular with a head for each set of data and a block of rows for each question."""
    above = ["", *(rf"\multicolumn{{{len(MEASURES)}}}{{c}}{{{label}}}" for label in SETS)]
    head = ["", *(centre_cell(word) for _ in SETS for word in MEASURES.values())]
    rows = []
    for title, block in blocks.items():
        rows += [[rf"\textit{{{title}}}", *[""] * (len(head) - 1)], *block]
    return tabular(head, rows, above)


def set_words(table: pd.DataFrame, label: str, task: str, names: dict, margin: float) -> str:
    """How many variants come as near to the model's accuracy as the margin, and which do not."""
    means = {
        model: values.mean()
        for model in names
        if not (values := values_by_seed(table, task, model, "accuracy")).empty and model != MODEL
    }
    own = values_by_seed(table, task, MODEL, "accuracy")
    if own.empty or not means:
        return ""
    outside = {model: mean for model, mean in means.items() if abs(mean - own.mean()) > margin}
    listed = [
        f"{latex_text(names[model])} ({latex_number(mean, decimals('accuracy'))})"
        for model, mean in sorted(outside.items(), key=lambda item: item[1])
    ]
    text = (
        rf"{label}: the model itself has an accuracy of {latex_number(own.mean(), decimals('accuracy'))}, and "
        rf"\num{{{len(means) - len(outside)}}} of \num{{{len(means)}}} variants differ from it by at most {margin:g}"
    )
    text = f"{text}; the others are {', '.join(listed)}." if listed else f"{text}."
    return text + layer_words({MODEL: own.mean(), **means})


def layer_words(means: dict[str, float]) -> str:
    """Between which accuracies the model lies for all concentrations, and what it reaches with one d for all rows."""
    layer = [mean for model, mean in means.items() if model == MODEL or model.startswith(ALPHA)]
    low, high = (latex_number(end, decimals("accuracy")) for end in (min(layer), max(layer)))
    text = rf" For all \(\alpha\) in the table the accuracy lies between {low} and {high}" if len(layer) > 1 else ""
    if text and SHARED in means:
        text += rf", and with one \(\vd\) for all rows it is {latex_number(means[SHARED], decimals('accuracy'))}"
    return f"{text}." if text else ""


if __name__ == "__main__":
    run_step(tabulate_variants)
