r"""What the means of all predicted responses say, in sentences: \responsewords."""

import pandas as pd

from gmvae.metrics.catalogue import RESPONSE_WAYS, decimals
from gmvae.thesis.typeset import TABLE_LETTERS, latex_name, latex_number

WITHOUT_NETWORK = ("no_change", "mean_shift", "kriging")
REFERENCE = "fitted_combination"  # it uses the cells to be predicted
PLAIN = ("plain", "z")
UNUSED = ("near_fixed", "combined_fixed", "ceiling")  # forms chosen with the held-out types in sight, and no prediction
MEASURE = "change_r2"


def response_words(summaries: pd.DataFrame, names: dict) -> str:
    """How networks stand to expectations without one and to the reference, by the mean r squared of the change.

    Args:
        summaries: A row per model, form (`way`), measure and task, of which task "mean" is the mean of the tasks.
        names: Display names of models by key.

    Returns:
        LaTeX; empty where there is no network or no expectation to compare it with.
    """
    means = summaries[(summaries.task == "mean") & (summaries.measure == MEASURE) & ~summaries.way.isin(UNUSED)]
    simple = means[means.model.isin(WITHOUT_NETWORK)]
    networks = means[~means.model.isin([*WITHOUT_NETWORK, REFERENCE])]
    plain = networks[networks.way.isin(PLAIN)]
    if simple.empty or plain.empty:
        return ""
    floor, best_plain, best = (largest(table) for table in (simple, plain, networks))
    shift = simple[(simple.model == "mean_shift") & (simple.model != floor["model"])]
    beside = "".join(
        f" and {compare_means(best_plain, row)} {prediction_name(row, names)} ({quoted_mean(row)})"
        for _, row in shift.iterrows()
    )
    words = [
        f"Without a network, {prediction_name(floor, names)} predicts the change best, with a mean $r^2$ of "
        f"{quoted_mean(floor)}. Of the networks as they stand, {prediction_name(best_plain, names)} is best, with "
        f"{quoted_mean(best_plain)}: {compare_means(best_plain, floor)} it{beside}.",
        f"With all additions the largest value is that of {prediction_name(best, names)}, {quoted_mean(best)}, "
        f"{compare_means(best, floor)} {prediction_name(floor, names)} alone.",
    ]
    reference = means[means.model == REFERENCE]
    if len(reference):
        bound = largest(reference)
        words.append(f"The combination that is fitted to the truth has {quoted_mean(bound)}: the best prediction is "
                     f"{compare_means(best, bound)} it.")  # fmt: skip
    return "\n".join(words)


def largest(table: pd.DataFrame) -> pd.Series:
    """The row with the largest mean."""
    return table.loc[table["mean"].idxmax()]


def prediction_name(row: pd.Series, names: dict) -> str:
    """The model, with the form of its prediction where it has a name of its own."""
    model = latex_name(names.get(row["model"], row["model"]), TABLE_LETTERS)
    way = RESPONSE_WAYS.get(f"{row['way']}_", "plain")
    return model if way == "plain" else f"{model} {way if way.startswith('with') else f'({way})'}"


def quoted_mean(row: pd.Series) -> str:
    """The mean over types and seeds."""
    return latex_number(row["mean"], decimals("response_r2"))


def compare_means(one: pd.Series, other: pd.Series) -> str:
    """Above or below by more than the seeds scatter, else within their spread."""
    if abs(one["mean"] - other["mean"]) <= pd.Series([one["sd"], other["sd"]]).sum():
        return "within the spread of"
    return "above" if one["mean"] > other["mean"] else "below"
