r"""The language of claims, and the verdict of the results on one.

    side  relation  side  in  task        joined by ` and ` where a sentence claims several things
    side:      model.metric (its mean over seeds on the test split), a number, min(model.metric), max(model.metric), or
               rank(model.metric), the rank correlation over seeds of training objective and metric
    relation:  >  <  >=  <=   with their usual meaning
               ~              the test does not separate the two models

`>`, `<` and `~` between two models are tested by the exact paired sign-flip test, one-sided in the claim's direction or
two-sided. The p-values are corrected by Holm: those of all `>` and `<` of the text together, and those of all `~`.
Below six seeds, or where a side does not vary with the seed, the sign of the mean difference decides, and the claim
counts as not tested. A comparison without means (minima, maxima, ranks, numbers) is counted: there is nothing to test.
"""

import math
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from gmvae.metrics.statistics import (
    LEVEL,
    holm,
    paired_differences,
    rank_correlation,
    sign_flip_p,
    two_sided_p,
    values_by_seed,
)
from gmvae.pipeline.errors import Refused

COMPARISON = re.compile(r"(?P<left>\S+)\s+(?P<relation>>=|<=|>|<|~)\s+(?P<right>\S+)")
SIDE = re.compile(r"(?:(?P<statistic>min|max|rank)\()?(?P<model>[a-z][a-z0-9_]*)\.(?P<metric>[a-z][a-z0-9_]*)\)?")
FORM = (
    "model.metric > model.metric in task, with >, <, >=, <= or ~, min(...), max(...), rank(...) or a number as a side"
)
RELATIONS = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Verdict:
    """The outcome of one comparison: both values, how it was decided, p where it was tested, and whether it holds."""

    left: float
    right: float
    kind: str  # directed, alike (both tested), untested or counted
    holds: bool
    p: float | None = None


def claim_task(claim: str) -> str:
    """The task that a claim is about: the part after its last ` in `.

    Args:
        claim: The claim.

    Returns:
        The task's name.

    Raises:
        Refused: The claim has another form.
    """
    comparisons, separator, task = claim.rpartition(" in ")
    if not separator or not all(COMPARISON.fullmatch(part) for part in comparisons.split(" and ")):
        raise Refused(f"the claim `{claim}` is not of the form {FORM}")
    return task


def parse_comparisons(claim: str) -> list[re.Match]:
    """The comparisons of a claim.

    Args:
        claim: A claim of the right form.

    Returns:
        For each comparison a match with the groups left, relation and right.
    """
    return [COMPARISON.fullmatch(part) for part in claim.rpartition(" in ")[0].split(" and ")]


def judge_claim(table: pd.DataFrame, claim: str) -> list[Verdict]:
    """The verdict on each comparison of a claim, before Holm's correction.

    Args:
        table: The collected metrics.
        claim: The claim.

    Returns:
        A verdict for each comparison.

    Raises:
        Refused: The claim has another form, or a side of it was not measured.
    """
    task = claim_task(claim)
    verdicts = []
    for match in parse_comparisons(claim):
        left, right = (side_values(table, match[side], task) for side in ("left", "right"))
        verdicts.append(compare_sides(left, right, match["relation"]))
    return verdicts


def side_values(table: pd.DataFrame, side: str, task: str) -> pd.Series | float:
    """The values by seed of a side; of a number, a minimum, a maximum or a rank correlation that number."""
    try:
        return float(side)
    except ValueError:
        match = SIDE.fullmatch(side)
    if not match or (match["statistic"] is None) == side.endswith(")"):
        raise Refused(f"`{side}` is no side of a claim; allowed: {FORM}")
    by_seed = values_by_seed(table, task, match["model"], match["metric"])
    if by_seed.empty:
        models = table[(table.task == task) & (table.metric == match["metric"])].model.unique()
        listed = ", ".join(sorted(models)) or "none"
        raise Refused(f"the results have no {side} in {task}; models with {match['metric']}: {listed}")
    if match["statistic"] == "rank":
        return rank_correlation(table, task, match["model"], match["metric"])
    return float(by_seed.agg(match["statistic"])) if match["statistic"] else by_seed


def compare_sides(left: pd.Series | float, right: pd.Series | float, relation: str) -> Verdict:
    """The verdict on one comparison: by the paired test where it can be made, else by the sign of the difference."""
    with_seeds = [isinstance(side, pd.Series) for side in (left, right)]
    means = [float(side.mean()) if isinstance(side, pd.Series) else side for side in (left, right)]
    if any(math.isnan(mean) for mean in means):  # with one seed there is no rank correlation
        return Verdict(*means, "untested", True)
    differences = paired_differences(left, right) if all(with_seeds) else None
    if relation == "~":
        if not all(with_seeds):
            raise Refused("~ compares two models, not a model and a number")
        if differences is None:
            return Verdict(*means, "untested", True)
        return Verdict(*means, "alike", True, two_sided_p(differences))
    holds = RELATIONS[relation](*means)
    if differences is None or relation in (">=", "<="):
        return Verdict(*means, "untested" if any(with_seeds) else "counted", holds)
    return Verdict(*means, "directed", holds, sign_flip_p(differences if relation == ">" else -differences))


def correct_verdicts(verdicts: dict[str, list[Verdict]]) -> dict[str, list[Verdict]]:
    """Holm's correction: over all directed comparisons of the text together, and over all `~` together.

    Args:
        verdicts: The verdicts by claim, as `judge_claim` gives them.

    Returns:
        The same with adjusted p-values, and with `holds` decided by them.
    """
    adjusted = {}
    for kind in ("directed", "alike"):
        family = [verdict.p for of_claim in verdicts.values() for verdict in of_claim if verdict.kind == kind]
        adjusted[kind] = iter(holm(family).tolist())
    return {claim: [settle_verdict(verdict, adjusted) for verdict in of_claim] for claim, of_claim in verdicts.items()}


def settle_verdict(verdict: Verdict, adjusted: dict[str, Iterator[float]]) -> Verdict:
    """The verdict by the next adjusted p of its kind; one that was not tested stays the same."""
    if verdict.p is None:
        return verdict
    p = next(adjusted[verdict.kind])
    holds = p > LEVEL if verdict.kind == "alike" else verdict.holds and p <= LEVEL
    return replace(verdict, p=p, holds=holds)


def claim_state(verdicts: list[Verdict]) -> str:
    """The state of a claim from the verdicts on its comparisons.

    Args:
        verdicts: A corrected verdict for each comparison.

    Returns:
        tested, counted, untested (a comparison could not be tested) or failed.
    """
    kinds = {verdict.kind for verdict in verdicts}
    if not all(verdict.holds for verdict in verdicts):
        return "failed"
    if kinds == {"counted"}:
        return "counted"
    return "untested" if "untested" in kinds else "tested"
