r"""Step: check the sentences that state a finding against the results, and set the differences that they quote.

In the text: `\claim{gmdvae.accuracy > pca_kmeans.accuracy in digits}{The mixture finds more of the digits.}` The
language of claims is defined in verdicts.py, that of differences in comparisons.py.
"""

import re
from pathlib import Path

import pandas as pd

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_text
from gmvae.metrics.catalogue import BOUNDS, decimals
from gmvae.metrics.statistics import LEVEL
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.comparable import add_divergences
from gmvae.thesis.comparisons import USE, comparison_macros, difference_text
from gmvae.thesis.sides import Side, paired_by_rival
from gmvae.thesis.tabular import header_line, table_row
from gmvae.thesis.typeset import latex_name, latex_number, latex_text, lower_first
from gmvae.thesis.verdicts import (
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
FUNCTION_WORDS = {"min": "smallest ", "max": "largest "}
STATE_WORDS = {
    "tested": "holds",
    "counted": "holds",
    "untested": "holds; not tested",
    "failed": "does not hold",
}


def check_claims(
    metrics: Path, texts: list[Path], names: dict, mode: str, margins: dict, kinds: dict, output: Path
) -> None:
    r"""Write the verdict on every \claim of the texts, and every difference, as macros that LaTeX looks up by name.

    Args:
        metrics: The collected metrics, results/metrics.csv.
        texts: The LaTeX files of the thesis.
        names: Display names of tasks, models and metrics by key.
        mode: fail refuses a claim that the results contradict; warn prints it struck through, with the true values.
        margins: By metric, the largest difference that counts as none.
        kinds: By model, the file of the package that makes it: its module, baseline or response.
        output: The LaTeX file to write, results/claims.tex.

    Raises:
        Refused: A claim has another form, or names something that was not measured; with mode fail, a claim does not
            hold.
    """
    if mode not in MODES:
        raise Refused(f"thesis.claims: found {mode!r}; allowed: {', '.join(MODES)}")
    table = add_divergences(read_metrics(metrics))
    path_of = find_claims(texts)
    verdicts = judge_claims(table, path_of, margins, kinds)
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
        *comparison_macros(table, find_uses(texts, USE), names, kinds),
        rf"\newcommand\marginsinwords{{{margins_in_words(margins, names)}}}",
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
    return find_uses(texts, CLAIM)


def find_uses(texts: list[Path], macro: re.Pattern) -> dict[str, Path]:
    """The arguments of a macro in the texts, with single spaces, and the first file that has each."""
    path_of = {}
    for path in sorted(texts):
        source = re.sub(r"(?<!\\)%.*", "", path.read_text(encoding="utf-8"))
        for match in macro.finditer(source):
            path_of.setdefault(" ".join(match[1].split()), path)
    return path_of


def judge_claims(table: pd.DataFrame, path_of: dict[str, Path], margins: dict, kinds: dict) -> dict[str, list[Verdict]]:
    """The verdicts after Holm's correction on all claims about tasks of the study."""
    tasks, verdicts = set(table.task), {}
    for claim, path in path_of.items():
        try:
            if claim_task(claim) in tasks:
                verdicts[claim] = judge_claim(table, claim, margins, kinds)
        except Refused as refusal:
            raise Refused(f"{path}: in \\claim{{{claim}}}: {refusal}") from refusal
    return correct_verdicts(verdicts)


def describe_claim(claim: str, verdicts: list[Verdict]) -> str:
    """The values of a claim for the terminal."""
    parts = []
    for verdict in verdicts:
        sides = [f"{side.text} = {side.value:.4g}" for side in (verdict.left, verdict.right)]
        margin = "" if verdict.margin is None else f", margin {verdict.margin:g}"
        p = "not tested" if verdict.p is None else f"p = {verdict.p:.3g} after Holm"
        parts.append(f"{', '.join(sides)}{margin}, {p}")
    return ", ".join(parts)


def claim_macro(number: int, claim: str, verdicts: list[Verdict], names: dict) -> str:
    """The line that sets a claim's number, state and values."""
    return rf"\setclaim{{{claim}}}{{C{number}}}{{{claim_state(verdicts)}}}{{{claim_values(claim, verdicts, names)}}}"


def claim_values(claim: str, verdicts: list[Verdict], names: dict) -> str:
    """The values of a claim as LaTeX: for each comparison both sides, their difference, and p where it was tested."""
    parts = []
    for match, verdict in zip(parse_comparisons(claim), verdicts, strict=True):
        left, right = (side_text(side, names) for side in (verdict.left, verdict.right))
        parts.append(rf"{left} ${SIGNS[match['relation']]}$ {right}{evidence_text(verdict)}")
    return "; ".join(parts)


def evidence_text(verdict: Verdict) -> str:
    """The difference with its interval, the margin and p, as far as a comparison has them."""
    if verdict.kind == "counted":
        return ""
    differences = paired_by_rival(verdict.left, verdict.right)[0]
    text = f"; difference {difference_text(differences, verdict.left.metric)}"
    if verdict.margin is not None:
        text += rf", margin \num{{{verdict.margin:g}}}"
    if verdict.p is None:
        return text
    return text + (r", $p<0.001$" if verdict.p < 0.001 else rf", $p={verdict.p:.3f}$")


def side_text(side: Side, names: dict) -> str:
    """A side of a comparison as LaTeX: the names of model and metric and the value, or the number alone."""
    if not side.runs:
        return rf"\num{{{side.text}}}"
    models = [names.get(model, model) for model, _ in side.runs]
    shown = ", ".join(map(latex_name, models if side.function in FUNCTION_WORDS else models[:1]))
    best = " (the best rival)" if side.function == "best" else ""
    metric = latex_text(lower_first(names.get(side.metric, side.metric)))
    words = FUNCTION_WORDS.get(side.function, "")
    return f"{shown}{best}, {words}{metric} {latex_number(side.value, decimals(side.metric))}"


def margins_in_words(margins: dict[str, float], names: dict) -> str:
    """The margins of all metrics as LaTeX, those of one size together."""
    metrics_of = {}
    for metric, size in margins.items():
        amount = rf"\num{{{size:g}}}{' nats' if metric in BOUNDS else ''}"
        metrics_of.setdefault(amount, []).append(latex_text(lower_first(names.get(metric, metric))))
    return "; ".join(f"{amount} for {', '.join(metrics)}" for amount, metrics in metrics_of.items())


def appendix_macros(verdicts: dict[str, list[Verdict]], names: dict) -> list[str]:
    """Macros for the appendix: the number of tests, the level, and the rows that list all claims."""
    rows = []
    for number, (claim, of_claim) in enumerate(verdicts.items(), 1):
        task = latex_name(names.get(claim_task(claim), claim_task(claim)))
        values, state = claim_values(claim, of_claim, names), STATE_WORDS[claim_state(of_claim)]
        rows.append(table_row([rf"\claimtarget{{C{number}}}", task, values, state]))
    tests = {
        (claim_task(claim), match[0])
        for claim, of_claim in verdicts.items()
        for match, verdict in zip(parse_comparisons(claim), of_claim, strict=True)
        if verdict.p is not None
    }
    return [
        rf"\newcommand\claimfamily{{{len(tests)}}}",
        rf"\newcommand\claimlevel{{\num{{{LEVEL}}}}}",
        r"\newcommand\claimrows{%",
        *rows,
        "}",
    ]


if __name__ == "__main__":
    run_step(check_claims)
