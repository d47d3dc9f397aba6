"""Step: the table of a task: mean and spread over seeds on the test split, the picked seed, rank correlation.

Nothing is selected by labels: the picked seed is the one with the largest objective on the training split.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_csv, write_text
from gmvae.metrics.catalogue import decimals, format_fixed
from gmvae.metrics.statistics import (
    LEVEL,
    holm,
    paired_differences,
    picked_seed,
    rank_correlation,
    two_sided_p,
    values_by_seed,
)
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis import typeset

AGREEMENT = [
    "accuracy",
    "purity",
    "purity_coarse",
    "purity_fine",
    "nmi",
    "ari",
]  # with the true classes: larger is better, comparable between models
SPACE = ["silhouette", "occupancy"]  # of every space, and of every partition
SOFT = ["effective_components", "disagreement"]  # of models with terms, before them
LAST = ["elbo", "bound"]  # the order of terms: reconstruction, every kl_*, then these
PLAIN = ["occupancy", "effective_components"]  # without a spread
APART = ["kl_cluster"]  # of IDEC alone, and no term of an ELBO: only in the csv
SHORT = {  # column headings narrower than the display names
    "disagreement": "Disagreem.",
    "effective_components": "Effective",
    "occupancy": "In use",
    "purity_coarse": "(coarse)",
    "purity_fine": "(fine)",
    "reconstruction": "Reconstr.",
}


def tabulate(
    metrics: Path, task: str, models: list[str], controls: list[str], n_components: dict, names: dict, output: Path
) -> None:
    """Write the table of a task as LaTeX (output, .tex) and, beside it, as csv with every number in full.

    metrics: results/metrics.csv; models: in the order of the rows; controls: those of them that bound the measures and
    are never marked best; n_components: K by model; names: display names of models and metrics.
    """
    table = read_metrics(metrics)
    missing = sorted(set(models) - set(table[table.task == task].model))
    if missing:
        absent = ", ".join(missing)
        raise Refused(f"{metrics}: task {task} has no rows of {absent}; run `snakemake --cores all {metrics}`")
    rows = summaries(table, task, models, n_components)
    rows["best"] = False
    for metric in AGREEMENT:
        best = best_model(table, task, [model for model in models if model not in controls], metric)
        rows.loc[(rows.metric == metric) & (rows.model == best), "best"] = True
    write_text(latex(rows, models, n_components, names), output)
    write_csv(rows, output.with_suffix(".csv"))


def summaries(table: pd.DataFrame, task: str, models: list[str], n_components: dict) -> pd.DataFrame:
    """One row per model and metric on the test split: mean, sd, n_seeds, the picked seed and its value, rank."""
    rows = []
    for model in models:
        picked = picked_seed(table, task, model)
        of_model = table[(table.task == task) & (table.model == model) & (table.split == "test")]
        for metric in sorted(of_model.metric.unique()):
            by_seed = values_by_seed(table, task, model, metric)
            if by_seed.empty:
                continue
            row = {"task": task, "model": model, "n_components": int(n_components.get(model, 0)), "metric": metric}
            row |= {"split": "test", "mean": by_seed.mean(), "sd": by_seed.std(ddof=1), "n_seeds": len(by_seed)}
            row |= {"picked_seed": picked, "picked": by_seed.get(picked, np.nan)}
            rows.append(row | {"rank": rank_correlation(table, task, model, metric)})
    return pd.DataFrame(rows).astype({"picked_seed": "Int64"})


def best_model(table: pd.DataFrame, task: str, models: list[str], metric: str) -> str | None:
    """The model with the largest mean, if the exact paired test tells it from every rival (Holm); else None.

    A rival whose value never varies with the seed is not tested, and then nothing is marked.
    """
    by_model = {model: values_by_seed(table, task, model, metric) for model in models}
    by_model = {model: by_seed for model, by_seed in by_model.items() if len(by_seed)}
    if len(by_model) < 2:
        return None
    best = max(by_model, key=lambda model: by_model[model].mean())
    pairs = [paired_differences(by_model[best], by_model[model]) for model in by_model if model != best]
    if any(pair is None for pair in pairs):
        return None
    adjusted = holm([two_sided_p(pair) for pair in pairs])
    return best if adjusted.max() <= LEVEL else None


def latex(rows: pd.DataFrame, models: list[str], n_components: dict, names: dict) -> str:
    """Macros with two panels: agreement with the classes and the space; the terms of the models that have some.

    Without classes there is no first panel, and the second has the use of the components of every model.
    """
    found = set(rows.metric)
    labelled = bool(found & set(AGREEMENT))
    kinds = sorted(metric for metric in found if metric.startswith("kl_") and metric not in APART)
    terms = [metric for metric in ("reconstruction", *kinds, *LAST) if metric in found]
    with_terms = set(rows[rows.metric.isin(terms)].model)
    of_terms = [model for model in models if model in with_terms or not labelled]
    first = [metric for metric in (*AGREEMENT, *SPACE) if metric in found and labelled]
    use = SOFT if labelled else ["occupancy", *SOFT]
    second = [metric for metric in use if metric in set(rows[rows.model.isin(of_terms)].metric)] + terms
    lines = ["% Written by gmvae.thesis.tables.task: a change here is lost."]
    for macro, metrics, shown in (("agreementpanel", first, models), ("termspanel", second, of_terms)):
        made = panel(rows, shown, metrics, n_components, names, selection=macro == "agreementpanel") if metrics else ""
        lines.append(f"\\def\\{macro}{{%\n{made}\n}}" if made else rf"\let\{macro}\empty")
    return "\n".join(lines) + "\n"


def panel(
    rows: pd.DataFrame, models: list[str], metrics: list[str], n_components: dict, names: dict, selection: bool = False
) -> str:
    """One tabular of the text's width: a row per model that has any of the metrics, a mean and a spread per metric.

    With `selection`, K of the models that have clusters and, after the first metric, the picked seed's value and the
    rank correlation.
    """
    rows = rows[rows.metric.isin(metrics)]
    by_key = {(row.model, row.metric): row for row in rows.itertuples()}
    heads = [[centred(heading(metric, names))] for metric in metrics]
    if selection:
        heads[0] += [centred("picked"), centred(r"$r_{\mathrm{s}}$")]
    head = ["", *(["$K$"] if selection else []), *(cell for of_metric in heads for cell in of_metric)]
    body = []
    for model in models:
        if not any((model, metric) in by_key for metric in metrics):
            continue
        cells = [typeset.text(names.get(model, model))]
        if selection:
            divided = any((model, metric) in by_key for metric in AGREEMENT)
            cells.append(str(n_components.get(model) or "--") if divided else "--")
        for position, metric in enumerate(metrics):
            wide = spread_width(rows[rows.metric == metric])
            cells += entry(by_key.get((model, metric)), metric, wide, selection and position == 0)
        body.append(" & ".join(cells) + r" \\")
    columns = "r" * (len(head) - 1)
    lines = [rf"\fittedtabular{{{columns}}}{{\toprule", " & ".join(head) + r" \\", r"\midrule", *body, r"\bottomrule}"]
    return "\n".join(lines)


def entry(row, metric: str, wide: int, selection: bool) -> list[str]:
    """The cells of one metric: mean (bold where marked best) and spread; with `selection` picked value and rank.

    All values of a metric have the same decimals, so that right-aligned columns align at the point; the spread is
    padded on its left to the column's `wide` digits.
    """
    absent = centred("--")
    if row is None:
        return [absent] * (3 if selection else 1)
    places = decimals(metric)
    mean = typeset.number(row.mean, places)
    if row.best:
        mean = rf"\textbf{{{mean}}}"
    if not np.isnan(row.sd) and metric not in PLAIN:
        spread = format_fixed(row.sd, places)
        padding = rf"\phantom{{{'0' * (wide - len(spread))}}}" if wide > len(spread) else ""
        mean += rf"\,{{\tiny$\pm$\,{padding}{spread}}}"
    if not selection:
        return [mean]
    picked = absent if pd.isna(row.picked) else typeset.number(row.picked, places)
    return [mean, picked, absent if np.isnan(row.rank) else typeset.number(row.rank, 2)]


def spread_width(rows: pd.DataFrame) -> int:
    """The characters of a metric's widest spread as printed."""
    return max((len(format_fixed(row.sd, decimals(row.metric))) for row in rows.itertuples()), default=0)


def centred(text: str) -> str:
    """A cell that is centred in a right-aligned column."""
    return rf"\multicolumn{{1}}{{c}}{{{text}}}"


def heading(metric: str, names: dict) -> str:
    """A metric's column heading: short, divergences in mathematics."""
    if metric.startswith("kl_"):
        of = metric.removeprefix("kl_")
        return rf"$\mathrm{{KL}}_{{{of}}}$" if len(of) == 1 else rf"$\mathrm{{KL}}_{{\mathrm{{{of}}}}}$"
    return typeset.text(SHORT.get(metric) or names.get(metric, metric))


if __name__ == "__main__":
    run_step(tabulate)
