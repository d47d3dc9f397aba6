r"""The language of claims, and the verdict of the results on one.

    side  relation  side  in  task        joined by ` and ` where a sentence claims several things
    side:      model.metric (its mean over seeds on the test split), a number, min(model.metric), max(model.metric), or
               rank(model.metric), the rank correlation over seeds of training objective and metric
    relation:  >  <  >=  <=   as they say
               ~              the test does not tell the two models apart

`>`, `<` and `~` between two models are tested by the exact paired sign-flip test, one-sided in the claim's direction or
two-sided; the p-values are corrected by Holm, those of all `>` and `<` of the text together, and those of all `~`.
Below six seeds, or where a side does not vary with the seed, the sign of the mean difference decides, and the claim
counts as not tested. A comparison without means (minima, maxima, ranks,
numbers) is counted: there is nothing to test.
"""

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
SIDE = re.compile(r"(?:(?P<of>min|max|rank)\()?(?P<model>[a-z][a-z0-9_]*)\.(?P<metric>[a-z][a-z0-9_]*)\)?")
FORM = (
    "model.metric > model.metric in task, with >, <, >=, <= or ~, min(...), max(...), rank(...) or a number as a side"
)


@dataclass(frozen=True)
class Verdict:
    """What became of one comparison: both values, how it was decided, p where it was tested, and whether it holds."""

    left: float
    right: float
    kind: str  # directed, alike (both tested), untested or counted
    holds: bool
    p: float | None = None


def task_of(claim: str) -> str:
    """The task that a claim is about: what follows its last ` in `. Raises `Refused` for a claim of another form."""
    comparisons, separator, task = claim.rpartition(" in ")
    if not separator or not all(COMPARISON.fullmatch(part) for part in comparisons.split(" and ")):
        raise Refused(f"the claim `{claim}` is not of the form {FORM}")
    return task


def comparisons(claim: str) -> list[re.Match]:
    """The comparisons of a claim: left, relation and right of each."""
    return [COMPARISON.fullmatch(part) for part in claim.rpartition(" in ")[0].split(" and ")]


def judge_claim(table: pd.DataFrame, claim: str) -> list[Verdict]:
    """The verdict on each comparison of a claim, before Holm's correction."""
    task = task_of(claim)
    return [
        compare_sides(
            side_values(table, match["left"], task), side_values(table, match["right"], task), match["relation"]
        )
        for match in comparisons(claim)
    ]


def side_values(table: pd.DataFrame, written: str, task: str) -> pd.Series | float:
    """A side of a comparison: the values by seed, or a number where the side is one, or a minimum or maximum."""
    try:
        return float(written)
    except ValueError:
        match = SIDE.fullmatch(written)
    if not match or (match["of"] is None) == written.endswith(")"):
        raise Refused(f"`{written}` is no side of a claim; allowed: {FORM}")
    by_seed = values_by_seed(table, task, match["model"], match["metric"])
    if by_seed.empty:
        known = table[(table.task == task) & (table.metric == match["metric"])].model.unique()
        found = ", ".join(sorted(known)) or "none"
        raise Refused(f"the results have no {written} in {task}; models with {match['metric']}: {found}")
    if match["of"] == "rank":
        return rank_correlation(table, task, match["model"], match["metric"])
    return float(getattr(by_seed, match["of"])()) if match["of"] else by_seed


def compare_sides(left: pd.Series | float, right: pd.Series | float, relation: str) -> Verdict:
    """The verdict on one comparison: by the paired test where it can be made, else by the sign of the difference."""
    series = [isinstance(each, pd.Series) for each in (left, right)]
    means = [float(each.mean()) if isinstance(each, pd.Series) else each for each in (left, right)]
    pairs = paired_differences(left, right) if all(series) else None
    if relation == "~":
        if not all(series):
            raise Refused("~ compares two models, not a model and a number")
        return Verdict(*means, *(("untested", True) if pairs is None else ("alike", True, two_sided_p(pairs))))
    holds = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}[relation](*means)
    if pairs is None or relation in (">=", "<="):
        return Verdict(*means, "untested" if any(series) else "counted", holds)
    return Verdict(*means, "directed", holds, sign_flip_p(pairs if relation == ">" else -pairs))


def correct_verdicts(verdicts: dict[str, list[Verdict]]) -> dict[str, list[Verdict]]:
    """The verdicts, by claim, after Holm's correction: over all differences claimed, and over all claims of none."""
    adjusted = {}
    for kind in ("directed", "alike"):
        family = [verdict.p for each in verdicts.values() for verdict in each if verdict.kind == kind]
        adjusted[kind] = iter(holm(family).tolist())
    return {claim: [settle_verdict(verdict, adjusted) for verdict in each] for claim, each in verdicts.items()}


def settle_verdict(verdict: Verdict, adjusted: dict[str, Iterator[float]]) -> Verdict:
    """The verdict by the next adjusted p of its kind, if it was tested."""
    if verdict.p is None:
        return verdict
    p = next(adjusted[verdict.kind])
    holds = p > LEVEL if verdict.kind == "alike" else verdict.holds and p <= LEVEL
    return replace(verdict, p=p, holds=holds)


def claim_state(verdicts: list[Verdict]) -> str:
    """`tested`, `counted`, `untested` (one of the comparisons could not be tested) or `failed`."""
    kinds = {verdict.kind for verdict in verdicts}
    if not all(verdict.holds for verdict in verdicts):
        return "failed"
    if kinds == {"counted"}:
        return "counted"
    return "untested" if "untested" in kinds else "tested"
