"""How two tables of metrics of the same runs differ: metric by metric in units of the spread, and digit by digit."""

import math

import pandas as pd

from gmvae.metrics.statistics import values_by_seed

MAX_ERRORS = 3.0  # standard errors of a difference of means: a metric that differs by more is outside


def run_states(theirs: pd.DataFrame, mine: pd.DataFrame, promised: set[tuple[str, str]]) -> pd.DataFrame:
    """Whether each run of both tables has the same digits.

    Args:
        theirs: The reference's metrics, values as text.
        mine: The user's metrics, values as text.
        promised: The runs, (task, model), that must have the same digits.

    Returns:
        Columns task, model, state: `same`, `other`, or `broken` where the same digits were promised.
    """
    of_reference, of_user = dict(list(theirs.groupby(["task", "model"]))), dict(list(mine.groupby(["task", "model"])))
    rows = []
    for run in of_reference.keys() & of_user.keys():
        same = row_set(of_reference[run]) == row_set(of_user[run])
        rows.append((*run, "same" if same else "broken" if run in promised else "other"))
    return pd.DataFrame(sorted(rows), columns=["task", "model", "state"])


def row_set(table: pd.DataFrame) -> set[tuple]:
    """The rows of a table as a set."""
    return set(table.itertuples(index=False, name=None))


def compare_metrics(theirs: pd.DataFrame, mine: pd.DataFrame) -> pd.DataFrame:
    """The metrics that both tables have on the test split, beside each other.

    Args:
        theirs: The reference's metrics.
        mine: The user's metrics.

    Returns:
        A row per task, model and metric with mean (`reference`, `yours`), `_sd` and `_n` of both, `units` and `outside`
        of `difference_of_means`.
    """
    rows = []
    for task, model, metric in sorted(metric_keys(theirs) & metric_keys(mine)):
        reference, yours = (values_by_seed(table, task, model, metric) for table in (theirs, mine))
        if reference.empty or yours.empty:
            continue
        row = {"task": task, "model": model, "metric": metric}
        row |= describe_values("reference", reference) | describe_values("yours", yours)
        rows.append(row | difference_of_means(reference, yours))
    return pd.DataFrame(rows)


def describe_values(name: str, by_seed: pd.Series) -> dict[str, float]:
    """Mean, standard deviation (0 of a single seed) and number of the values, by keys that begin with `name`."""
    sd = by_seed.std(ddof=1) if len(by_seed) > 1 else 0.0
    return {name: by_seed.mean(), f"{name}_sd": sd, f"{name}_n": len(by_seed)}


def metric_keys(table: pd.DataFrame) -> set[tuple[str, str, str]]:
    """Task, model and metric of the rows of the test split."""
    test = table[table.split == "test"]
    return set(zip(test.task, test.model, test.metric, strict=True))


def difference_of_means(reference: pd.Series, yours: pd.Series) -> dict[str, float | bool]:
    """The difference of two means, in units of the spread, and whether it is too large to be chance.

    The pooled variance is the mean of both, weighted by their degrees of freedom; the standard error is the root of the
    sum of the squared errors of both means. Where nothing varies, any difference beyond rounding is outside.

    Args:
        reference: Values by seed.
        yours: Values by seed, their number may differ.

    Returns:
        `units`: the difference, yours - reference, divided by the pooled standard deviation; `outside`: whether it
        exceeds MAX_ERRORS standard errors.
    """
    sides = (reference, yours)
    difference = yours.mean() - reference.mean()
    freedom = [max(len(by_seed) - 1, 0) for by_seed in sides]
    variances = [by_seed.var(ddof=1) if len(by_seed) > 1 else 0.0 for by_seed in sides]
    pooled = math.sqrt(sum(f * v for f, v in zip(freedom, variances, strict=True)) / max(sum(freedom), 1))
    error = math.sqrt(sum(v / len(by_seed) for v, by_seed in zip(variances, sides, strict=True)))
    rounding = 1e-8 * max(abs(reference.mean()), abs(yours.mean()), 1.0)
    units = difference / pooled if pooled > rounding else 0.0 if abs(difference) <= rounding else math.inf
    return {"units": math.copysign(units, difference), "outside": abs(difference) > max(MAX_ERRORS * error, rounding)}
