"""Which values of two models mean the same, so that a sentence may compare them."""

import pandas as pd

from gmvae.metrics.catalogue import BOUNDS, DIVERGENCE, NOT_IN_ELBO
from gmvae.pipeline.errors import Refused

GIVEN_CONDITION = ("cvae", "cgmdvae")  # kinds whose density is that of a row given its condition
OF_DENSITIES = (*BOUNDS, DIVERGENCE)
OTHER_VARIANCE = ("scgen",)  # kinds trained for a variance near zero, and counted with one


def add_divergences(table: pd.DataFrame) -> pd.DataFrame:
    """The metrics with a whole divergence for every run that has an ELBO: the sum of all its divergences.

    A model splits it in its own way: what one calls the divergence of z, another divides between z, the component, its
    weights and the style. Only the sums can be compared.

    Args:
        table: The collected metrics.

    Returns:
        The same rows, and after them those of the metric `divergence`.
    """
    keys = ["task", "model", "seed", "split"]
    parts = table[table.metric.str.startswith("kl_") & ~table.metric.isin(NOT_IN_ELBO)]
    sums = parts.groupby(keys).value.sum()
    of_elbos = table[table.metric == "elbo"].set_index(keys).index
    added = sums[sums.index.isin(of_elbos)].reset_index().assign(metric=DIVERGENCE)
    return pd.concat([table, added[table.columns]], ignore_index=True)


def check_comparable(table: pd.DataFrame, task: str, metric: str, models: list[str], kinds: dict[str, str]) -> None:
    """Check that a metric means the same for two models.

    Args:
        table: The collected metrics.
        task: A task.
        metric: The metric of both models.
        models: The models.
        kinds: By model, the file of the package that makes it.

    Raises:
        Refused: It is a part of an objective that the models divide differently, an objective of different models, or
            a bound on the density of different things, or under a variance that one was not trained for.
    """
    if len({kinds.get(model, model) for model in models}) == 1:
        return
    names = " and ".join(models)
    if metric == "objective":
        raise Refused(f"{metric} is another quantity in {names}; compare bound")
    if metric == "reconstruction":
        raise Refused(f"{metric} is a part of what {names} optimise, under variances of their own; compare bound")
    if metric.startswith("kl_"):
        rows = table[(table.task == task) & table.metric.str.startswith("kl_")]
        if len({frozenset(rows[rows.model == model].metric) for model in models}) > 1:
            raise Refused(f"{metric} is a part of what {names} divide differently; compare {DIVERGENCE}")
    if metric in BOUNDS and any(kinds.get(model, model) in OTHER_VARIANCE for model in models):
        raise Refused(f"{metric} of one of {names} is counted under a variance that it was not trained for")
    if metric in OF_DENSITIES and len({kinds.get(model, model) in GIVEN_CONDITION for model in models}) > 1:
        raise Refused(f"{metric} is that of a row given its condition in one of {names}, and of the row in the other")
