r"""The language of claims, and the verdict of the results on one.

    side  relation  side  in  task        joined by ` and ` where a sentence claims several things
    side:      see sides.py
    relation:  >  <       one mean is larger: tested in the claim's direction
               ~          the two are equal but for a margin: tested against a difference of the margin, both ways
               >= <=      facts about every seed: min(...), max(...) and numbers; > and < too stand between these

The tests are exact paired sign-flip tests. A claim against best(...) has to hold against every one of the rivals; one
that the best rival is ahead pays for the choice among them. The p-values of all tests of the text are corrected
together by Holm, and a small one speaks for the sentence, also for `~`: more claims make none of them easier.

Below eight seeds, or where neither side varies with the seed, a claim holds if every seed bears it out and so does the
interval over rows, as far as there is one; it counts as not tested. A comparison of minima, maxima and numbers is
counted: there is nothing to test. A number stands beside them only: a mean that is larger than some number would be a
threshold of the author's own choice.
"""

import operator
import re
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gmvae.metrics.statistics import LEVEL, equivalence_p, holm, sign_flip_p
from gmvae.pipeline.errors import Refused
from gmvae.thesis.over_rows import Intervals
from gmvae.thesis.sides import SIDE_FORMS, Difference, Side, paired_by_rival, read_sides

COMPARISON = re.compile(r"(?P<left>\S+)\s+(?P<relation>>=|<=|>|<|~)\s+(?P<right>\S+)")
FORM = f"side > side in task, with >, <, >=, <= or ~; a side is {SIDE_FORMS}"
RELATIONS = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Verdict:
    """The outcome of one comparison: both sides, how it was decided, whether it holds, and what for."""

    left: Side
    right: Side
    kind: str  # tested, untested or counted
    holds: bool
    p: float | None = None
    margin: float | None = None
    difference: Difference | None = None  # of two runs, the best where there are several; None where more are counted


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


def judge_claim(
    table: pd.DataFrame, claim: str, margins: dict, kinds: dict[str, str], intervals: Intervals
) -> list[Verdict]:
    """The verdict on each comparison of a claim, before Holm's correction.

    Args:
        table: The collected metrics.
        claim: The claim.
        margins: By metric, the largest difference that counts as none.
        kinds: By model, the file of the package that makes it.
        intervals: The intervals over rows.

    Returns:
        A verdict for each comparison.

    Raises:
        Refused: The claim has another form, a side of it was not measured, or its sides do not mean the same.
    """
    task, verdicts = claim_task(claim), []
    for match in parse_comparisons(claim):
        left, right = read_sides(table, (match["left"], match["right"]), task, kinds)
        alike = left.runs and right.runs
        pairs = paired_by_rival(task, left, right, intervals) if alike else []
        verdicts.append(compare_sides(left, right, match["relation"], margins, pairs))
    return verdicts


def compare_sides(left: Side, right: Side, relation: str, margins: dict, pairs: list[Difference]) -> Verdict:
    """The verdict on one comparison: counted for facts about every seed, else tested where it can be."""
    facts = [not side.runs or side.function in ("min", "max") for side in (left, right)]
    if all(facts) and relation != "~":
        holds = RELATIONS[relation](left.value, right.value)
        return Verdict(left, right, "counted", holds, difference=pairs[0] if len(pairs) == 1 else None)
    if any(facts) or relation in (">=", "<="):
        raise Refused(f"`{left.text} {relation} {right.text}`: numbers, >=, <= stand with min(...), max(...) only")
    if relation == "~":
        return judge_equality(left, right, margins, pairs)
    if left.function and right.function:
        raise Refused(f"`{left.text} {relation} {right.text}`: best(...) is compared with one model")
    return judge_direction(left, right, relation, pairs)


def judge_equality(left: Side, right: Side, margins: dict, pairs: list[Difference]) -> Verdict:
    """The verdict on a claim that two models differ by less than the metric's margin."""
    if left.function or right.function:
        raise Refused(f"`{left.text} ~ {right.text}`: ~ compares two models")
    if left.metric not in margins:
        raise Refused(f"`{left.text} ~ {right.text}`: thesis.margins has no {left.metric}; add how much counts as none")
    margin, difference = margins[left.metric], pairs[0]
    if not difference.is_testable:
        holds = bool(np.all(np.abs([*difference.by_seed, *(difference.over_rows or ())]) < margin))
        return Verdict(left, right, "untested", holds, None, margin, difference)
    holds = abs(float(np.mean(difference.by_seed))) < margin
    return Verdict(left, right, "tested", holds, equivalence_p(difference.by_seed, margin), margin, difference)


def judge_direction(left: Side, right: Side, relation: str, pairs: list[Difference]) -> Verdict:
    """The verdict on a claim that one mean is larger, of or against several rivals where there are any."""
    sign = 1 if relation == ">" else -1
    # `a > best(...)` is about all rivals, `a < best(...)` about the best of them
    against_all = (right.function == "best") == (relation == ">")
    needed = pairs if against_all else pairs[:1]
    if not all(difference.is_testable for difference in pairs):
        borne_out = [[*difference.by_seed, *(difference.over_rows or ())] for difference in needed]
        holds = all(bool(np.all(sign * np.array(values) > 0)) for values in borne_out)
        return Verdict(left, right, "untested", holds, difference=pairs[0])
    holds = all(sign * np.mean(difference.by_seed) > 0 for difference in needed)
    p = [sign_flip_p(sign * difference.by_seed) for difference in pairs]
    p_of_all = max(p) if against_all else min(1.0, p[0] * len(p))
    return Verdict(left, right, "tested", holds, p_of_all, difference=pairs[0])


def correct_verdicts(verdicts: dict[str, list[Verdict]]) -> dict[str, list[Verdict]]:
    """Holm's correction over all tests of the text together; a comparison that several claims share is one test.

    Args:
        verdicts: The verdicts by claim, as `judge_claim` gives them.

    Returns:
        The same with adjusted p-values, and with `holds` decided by them.
    """
    family = {
        (claim_task(claim), match[0]): verdict.p
        for claim, of_claim in verdicts.items()
        for match, verdict in zip(parse_comparisons(claim), of_claim, strict=True)
        if verdict.p is not None
    }
    adjusted = dict(zip(family, holm(list(family.values())).tolist(), strict=True))
    return {
        claim: [
            settle_verdict(verdict, adjusted.get((claim_task(claim), match[0])))
            for match, verdict in zip(parse_comparisons(claim), of_claim, strict=True)
        ]
        for claim, of_claim in verdicts.items()
    }


def settle_verdict(verdict: Verdict, p: float | None) -> Verdict:
    """The verdict by its adjusted p; one that was not tested stays the same."""
    return verdict if p is None else replace(verdict, p=p, holds=verdict.holds and p <= LEVEL)


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
