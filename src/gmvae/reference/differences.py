"""How two tables of metrics of the same runs differ: figure by figure in units of the spread, and digit by digit."""

import math

import pandas as pd

from gmvae.metrics.statistics import values_by_seed

RESPONSE = ("response_r2", "response_change_r2")  # of the metrics of a predicted response, those that stand for all
ERRORS = 3.0  # standard errors of a difference of means beyond which a figure is outside


def run_states(theirs: pd.DataFrame, mine: pd.DataFrame, promise: set[tuple[str, str]]) -> pd.DataFrame:
    """For each run of both: `same` values to the last digit, `other` ones, or `broken` where the same were promised."""
    of_reference, of_user = dict(list(theirs.groupby(["task", "model"]))), dict(list(mine.groupby(["task", "model"])))
    rows = []
    for run in of_reference.keys() & of_user.keys():
        same = row_set(of_reference[run]) == row_set(of_user[run])
        rows.append((*run, "same" if same else "broken" if run in promise else "other"))
    return pd.DataFrame(sorted(rows), columns=["task", "model", "state"])


def row_set(table: pd.DataFrame) -> set[tuple]:
    """The rows of a table as a set."""
    return set(table.itertuples(index=False, name=None))


def compare_metrics(theirs: pd.DataFrame, mine: pd.DataFrame) -> pd.DataFrame:
    """A row per task, model and metric of both, on the test split: means, spreads, difference, whether outside."""
    rows = []
    for task, model, metric in sorted(metric_keys(theirs) & metric_keys(mine)):
        pair = [values_by_seed(table, task, model, metric) for table in (theirs, mine)]
        if any(by_seed.empty for by_seed in pair):
            continue
        row = {"task": task, "model": model, "metric": metric}
        for whose, by_seed in zip(("reference", "yours"), pair, strict=True):
            sd = by_seed.std(ddof=1) if len(by_seed) > 1 else 0.0
            row |= {whose: by_seed.mean(), f"{whose}_sd": sd, f"{whose}_n": len(by_seed)}
        rows.append(row | difference_of_means(*pair))
    return pd.DataFrame(rows)


def metric_keys(table: pd.DataFrame) -> set[tuple[str, str, str]]:
    """Task, model and metric of the rows of the test split."""
    test = table[table.split == "test"]
    return set(zip(test.task, test.model, test.metric, strict=True))


def difference_of_means(one: pd.Series, other: pd.Series) -> dict[str, float | bool]:
    """The difference of the means, in units of the pooled standard deviation, and whether it is outside.

    The pooled variance is the mean of both, weighted by their degrees of freedom; the standard error is the root of the
    sum of the squared errors of both means. Where nothing varies, any difference beyond rounding is outside.
    """
    difference = other.mean() - one.mean()
    freedom = [max(len(each) - 1, 0) for each in (one, other)]
    variance = [each.var(ddof=1) if len(each) > 1 else 0.0 for each in (one, other)]
    pooled = math.sqrt(sum(f * v for f, v in zip(freedom, variance, strict=True)) / max(sum(freedom), 1))
    error = math.sqrt(sum(v / len(each) for v, each in zip(variance, (one, other), strict=True)))
    rounding = 1e-8 * max(abs(one.mean()), abs(other.mean()), 1.0)
    units = difference / pooled if pooled > rounding else 0.0 if abs(difference) <= rounding else math.inf
    return {"units": math.copysign(units, difference), "outside": abs(difference) > max(ERRORS * error, rounding)}
