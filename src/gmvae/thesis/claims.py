r"""Step: check the sentences that state a finding against the results.

In the text: `\claim{gmdvae.accuracy > pca_kmeans.accuracy in digits}{The mixture finds more of the digits.}` The
language of claims is defined in verdicts.py.
"""

import re
from pathlib import Path

import pandas as pd

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_text
from gmvae.metrics.catalogue import decimals
from gmvae.metrics.statistics import LEVEL
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.tabular import header_line, table_row
from gmvae.thesis.typeset import latex_name, latex_number, latex_text, lower_first
from gmvae.thesis.verdicts import (
    SIDE,
    Verdict,
    claim_state,
    claim_task,
    correct_verdicts,
    judge_claim,
    parse_comparisons,
)

CLAIM = re.compile(r"\\claim\s*\{([^{}#]*)\}")  # no `#`: the macro's own definition is no claim
MODES = ("fail", "warn")
SIGNS = {">": ">", "<": "<", ">=": r"\ge", "<=": r"\le", "~": r"\approx"}
STATISTIC_WORDS = {"min": "smallest ", "max": "largest ", "rank": "rank correlation of objective and ", None: ""}
STATE_WORDS = {
    "tested": "holds",
    "counted": "holds",
    "untested": "holds; not tested",
    "failed": "does not hold",
}


def check_claims(metrics: Path, texts: list[Path], names: dict, mode: str, output: Path) -> None:
    r"""Write the verdict on every \claim of the texts, as macros that LaTeX looks up by the claim.

    Args:
        metrics: The collected metrics, results/metrics.csv.
        texts: The LaTeX files of the thesis.
        names: Display names of tasks, models and metrics by key.
        mode: fail refuses a claim that the results contradict; warn prints it struck through, with the true values.
        output: The LaTeX file to write, results/claims.tex.

    Raises:
        Refused: A claim has another form, or names something that was not measured; with mode fail, a claim does not
            hold.
    """
    if mode not in MODES:
        raise Refused(f"thesis.claims: found {mode!r}; allowed: {', '.join(MODES)}")
    path_of = find_claims(texts)
    verdicts = judge_claims(read_metrics(metrics), path_of)
    failed = [claim for claim in verdicts if claim_state(verdicts[claim]) == "failed"]
    if failed and mode == "fail":
        listed = "; ".join(
            f"`{claim}` in {path_of[claim]}: {describe_claim(claim, verdicts[claim])}" for claim in failed
        )
        remedy = "mend the sentence, or set thesis.claims to warn to have it printed struck through"
        raise Refused(f"the results do not support {listed}; {remedy}")
    lines = [
        header_line("gmvae.thesis.claims"),
        *(claim_macro(number, claim, verdicts[claim], names) for number, claim in enumerate(verdicts, 1)),
        *(rf"\setclaim{{{claim}}}{{}}{{outside}}{{}}" for claim in path_of if claim not in verdicts),
        *appendix_macros(verdicts, names),
    ]
    write_text("\n".join(lines) + "\n", output)


def find_claims(texts: list[Path]) -> dict[str, Path]:
    """The claims of the texts; those in comments do not count.

    Args:
        texts: LaTeX files, searched in the order of their names.

    Returns:
        By claim, with single spaces, the first file that has it.
    """
    path_of = {}
    for path in sorted(texts):
        source = re.sub(r"(?<!\\)%.*", "", path.read_text(encoding="utf-8"))
        for match in CLAIM.finditer(source):
            path_of.setdefault(" ".join(match[1].split()), path)
    return path_of


def judge_claims(table: pd.DataFrame, path_of: dict[str, Path]) -> dict[str, list[Verdict]]:
    """The verdicts after Holm's correction on all claims about tasks of the study."""
    tasks, verdicts = set(table.task), {}
    for claim, path in path_of.items():
        try:
            if claim_task(claim) in tasks:
                verdicts[claim] = judge_claim(table, claim)
        except Refused as refusal:
            raise Refused(f"{path}: in \\claim{{{claim}}}: {refusal}") from refusal
    return correct_verdicts(verdicts)


def describe_claim(claim: str, verdicts: list[Verdict]) -> str:
    """The values of a claim for the terminal."""
    parts = []
    for match, verdict in zip(parse_comparisons(claim), verdicts, strict=True):
        p = "not tested" if verdict.p is None else f"p = {verdict.p:.3g} after Holm"
        parts.append(f"{match['left']} = {verdict.left:.4g}, {match['right']} = {verdict.right:.4g}, {p}")
    return ", ".join(parts)


def claim_macro(number: int, claim: str, verdicts: list[Verdict], names: dict) -> str:
    """The line that sets a claim's number, state and values."""
    return rf"\setclaim{{{claim}}}{{C{number}}}{{{claim_state(verdicts)}}}{{{claim_values(claim, verdicts, names)}}}"


def claim_values(claim: str, verdicts: list[Verdict], names: dict) -> str:
    """The values of a claim as LaTeX: for each comparison both sides with their values, and p where it was tested."""
    parts = []
    for match, verdict in zip(parse_comparisons(claim), verdicts, strict=True):
        left = side_text(match["left"], verdict.left, names)
        right = side_text(match["right"], verdict.right, names)
        p = "" if verdict.p is None else r", $p<0.001$" if verdict.p < 0.001 else rf", $p={verdict.p:.3f}$"
        parts.append(rf"{left} ${SIGNS[match['relation']]}$ {right}{p}")
    return "; ".join(parts)


def side_text(side: str, value: float, names: dict) -> str:
    """A side of a comparison as LaTeX: the names of model and metric and the value, or the number alone."""
    match = SIDE.fullmatch(side)
    if not match:
        return rf"\num{{{side}}}"
    model, metric = (names.get(match[key], match[key]) for key in ("model", "metric"))
    places = 2 if match["statistic"] == "rank" else decimals(match["metric"])
    statistic = STATISTIC_WORDS[match["statistic"]]
    return f"{latex_name(model)}, {statistic}{latex_text(lower_first(metric))} {latex_number(value, places)}"


def appendix_macros(verdicts: dict[str, list[Verdict]], names: dict) -> list[str]:
    """Macros for the appendix: the number of directed tests, the level, and the rows that list all claims."""
    rows = []
    for number, (claim, of_claim) in enumerate(verdicts.items(), 1):
        task = latex_name(names.get(claim_task(claim), claim_task(claim)))
        values, state = claim_values(claim, of_claim, names), STATE_WORDS[claim_state(of_claim)]
        rows.append(table_row([rf"\claimtarget{{C{number}}}", task, values, state]))
    n_directed = sum(verdict.kind == "directed" for of_claim in verdicts.values() for verdict in of_claim)
    return [
        rf"\newcommand\claimfamily{{{n_directed}}}",
        rf"\newcommand\claimlevel{{\num{{{LEVEL}}}}}",
        r"\newcommand\claimrows{%",
        *rows,
        "}",
    ]


if __name__ == "__main__":
    run_step(check_claims)
