r"""The language of claims, and the verdict of the results on one.

    side  relation  side  in  task        joined by ` and ` where a sentence claims several things
    side:      model.metric (its mean over seeds on the test split), min(model.metric), max(model.metric), or a number
    relation:  >  <  >=  <=   as they say
               ~              the test does not tell the two models apart

`>` or `<` between two models is tested by the exact paired sign-flip test, one-sided in the claim's direction; p-values
of all tested comparisons of the text are corrected by Holm. Below six seeds, or where a side does not vary with the
seed, the sign of the mean difference decides, and the claim counts as not tested. A comparison of minima, maxima and
numbers alone is counted: there is nothing to test. `~` holds where the two-sided p, uncorrected, is above the level.
"""

import re
from dataclasses import dataclass, replace

import pandas as pd

from gmvae import evidence
from gmvae.errors import Refused

COMPARISON = re.compile(r"(?P<left>\S+)\s+(?P<relation>>=|<=|>|<|~)\s+(?P<right>\S+)")
SIDE = re.compile(r"(?:(?P<of>min|max)\()?(?P<model>[a-z][a-z0-9_]*)\.(?P<metric>[a-z][a-z0-9_]*)\)?")
FORM = "model.metric > model.metric in task, with >, <, >=, <= or ~, min(...), max(...) or a number as a side"


@dataclass(frozen=True)
class Verdict:
    """What became of one comparison: whether it holds, both values, p where tested, whether it was only counted."""

    left: float
    right: float
    holds: bool
    p: float | None = None
    corrected: bool = False  # whether p belongs to the family that Holm corrects
    counted: bool = False


def task_of(claim: str) -> str:
    """The task that a claim is about: what follows its last ` in `. Raises `Refused` for a claim of another form."""
    comparisons, separator, task = claim.rpartition(" in ")
    if not separator or not all(COMPARISON.fullmatch(part) for part in comparisons.split(" and ")):
        raise Refused(f"the claim `{claim}` is not of the form {FORM}")
    return task


def comparisons(claim: str) -> list[re.Match]:
    """The comparisons of a claim: left, relation and right of each."""
    return [COMPARISON.fullmatch(part) for part in claim.rpartition(" in ")[0].split(" and ")]


def judged(table: pd.DataFrame, claim: str) -> list[Verdict]:
    """The verdict on each comparison of a claim, before Holm's correction."""
    task = task_of(claim)
    return [
        compared(side(table, match["left"], task), side(table, match["right"], task), match["relation"])
        for match in comparisons(claim)
    ]


def side(table: pd.DataFrame, written: str, task: str) -> pd.Series | float:
    """A side of a comparison: the values by seed, or a number where the side is one, or a minimum or maximum."""
    try:
        return float(written)
    except ValueError:
        match = SIDE.fullmatch(written)
    if not match or (match["of"] is None) == written.endswith(")"):
        raise Refused(f"`{written}` is no side of a claim; allowed: {FORM}")
    by_seed = evidence.values(table, task, match["model"], match["metric"])
    if by_seed.empty:
        known = table[(table.task == task) & (table.metric == match["metric"])].model.unique()
        found = ", ".join(sorted(known)) or "none"
        raise Refused(f"the results have no {written} in {task}; models with {match['metric']}: {found}")
    return float(getattr(by_seed, match["of"])()) if match["of"] else by_seed


def compared(left: pd.Series | float, right: pd.Series | float, relation: str) -> Verdict:
    """The verdict on one comparison: by the paired test where it can be made, else by the sign of the difference."""
    series = [isinstance(each, pd.Series) for each in (left, right)]
    means = [float(each.mean()) if isinstance(each, pd.Series) else each for each in (left, right)]
    pairs = evidence.paired(left, right) if all(series) else None
    if relation == "~":
        if not all(series):
            raise Refused("~ compares two models, not a model and a number")
        p = None if pairs is None else evidence.two_sided_p(pairs)
        return Verdict(*means, holds=p is None or p > evidence.LEVEL, p=p)
    sign = {">": means[0] > means[1], "<": means[0] < means[1], ">=": means[0] >= means[1], "<=": means[0] <= means[1]}
    if pairs is None or relation in (">=", "<="):
        return Verdict(*means, holds=sign[relation], counted=not any(series))
    p = evidence.sign_flip_p(pairs if relation == ">" else -pairs)
    return Verdict(*means, holds=sign[relation], p=p, corrected=True)


def corrected(verdicts: dict[str, list[Verdict]]) -> dict[str, list[Verdict]]:
    """The verdicts, by claim, after Holm's correction over all one-sided tests of the text."""
    family = [verdict.p for each in verdicts.values() for verdict in each if verdict.corrected]
    adjusted = iter(evidence.holm(family).tolist())
    return {claim: [settled(verdict, adjusted) for verdict in each] for claim, each in verdicts.items()}


def settled(verdict: Verdict, adjusted) -> Verdict:
    """The verdict with the next adjusted p in place of its own, if it belongs to the family."""
    if not verdict.corrected:
        return verdict
    p = next(adjusted)
    return replace(verdict, p=p, holds=verdict.holds and p <= evidence.LEVEL)


def state(verdicts: list[Verdict]) -> str:
    """`tested`, `counted`, `untested` (one of the comparisons could not be tested) or `failed`."""
    if not all(verdict.holds for verdict in verdicts):
        return "failed"
    if all(verdict.counted for verdict in verdicts):
        return "counted"
    return "tested" if all(verdict.counted or verdict.p is not None for verdict in verdicts) else "untested"
