r"""Step: check the sentences that state a finding against the results.

In the text: `\claim{gmdvae.accuracy > pca_kmeans.accuracy in digits}{The mixture finds more of the digits.}` The
language of claims is in verdicts.py.
"""

import re
from pathlib import Path

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_text
from gmvae.metrics.catalogue import decimals
from gmvae.metrics.statistics import LEVEL
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis import typeset
from gmvae.thesis.verdicts import SIDE, Verdict, claim_state, comparisons, correct_verdicts, judge_claim, task_of

CLAIM = re.compile(r"\\claim\s*\{([^{}#]*)\}")  # no `#`: the macro's own definition is no claim
SIGNS = {">": ">", "<": "<", ">=": r"\ge", "<=": r"\le", "~": r"\approx"}
WORDS = {"tested": "holds", "counted": "holds", "untested": "holds; not tested", "failed": "does not hold"}


def claims(metrics: Path, texts: list[Path], names: dict, mode: str, output: Path) -> None:
    r"""Write the verdict on every \claim of the texts, as macros that LaTeX looks up by the claim.

    metrics: results/metrics.csv; texts: .tex files; names: display names; mode: `fail` refuses a claim that the
    results do not bear out, `warn` has it printed struck through, the true figures beside it; output: claims.tex.
    """
    if mode not in ("fail", "warn"):
        raise Refused(f"thesis.claims: found {mode!r}; allowed: fail, warn")
    table = read_metrics(metrics)
    where = find_claims(texts)
    inside = {}
    for claim, path in where.items():
        try:
            if task_of(claim) in set(table.task):
                inside[claim] = judge_claim(table, claim)
        except Refused as refusal:
            raise Refused(f"{path}: in \\claim{{{claim}}}: {refusal}") from refusal
    inside = correct_verdicts(inside)
    failed = [claim for claim in inside if claim_state(inside[claim]) == "failed"]
    if failed and mode == "fail":
        each = "; ".join(f"`{claim}` in {where[claim]}: {describe_claim(claim, inside[claim])}" for claim in failed)
        remedy = "mend the sentence, or set thesis.claims to warn to have it printed struck through"
        raise Refused(f"the results do not bear out {each}; {remedy}")
    lines = ["% Written by gmvae.thesis.claims: a change here is lost."]
    for number, (claim, verdicts) in enumerate(inside.items(), 1):
        lines.append(
            rf"\setclaim{{{claim}}}{{C{number}}}{{{claim_state(verdicts)}}}{{{claim_figures(claim, verdicts, names)}}}"
        )
    lines += [rf"\setclaim{{{claim}}}{{}}{{outside}}{{}}" for claim in where if claim not in inside]
    write_text("\n".join([*lines, appendix_macros(inside, names)]) + "\n", output)


def find_claims(texts: list[Path]) -> dict[str, Path]:
    """The claims of the texts, the texts in order of name, each with the file it stands in; comments do not count."""
    where = {}
    for path in sorted(texts):
        source = re.sub(r"(?<!\\)%.*", "", path.read_text(encoding="utf-8"))
        for match in CLAIM.finditer(source):
            where.setdefault(" ".join(match[1].split()), path)
    return where


def describe_claim(claim: str, verdicts: list[Verdict]) -> str:
    """The figures of a claim for the terminal."""
    parts = []
    for match, verdict in zip(comparisons(claim), verdicts, strict=True):
        p = "not tested" if verdict.p is None else f"p = {verdict.p:.3g} after Holm"
        parts.append(f"{match['left']} = {verdict.left:.4g}, {match['right']} = {verdict.right:.4g}, {p}")
    return ", ".join(parts)


def claim_figures(claim: str, verdicts: list[Verdict], names: dict) -> str:
    """The figures of a claim as LaTeX: for each comparison both sides with their values, and p where tested."""
    parts = []
    for match, verdict in zip(comparisons(claim), verdicts, strict=True):
        left, right = (
            typeset_side(match["left"], verdict.left, names),
            typeset_side(match["right"], verdict.right, names),
        )
        p = "" if verdict.p is None else r", $p<0.001$" if verdict.p < 0.001 else rf", $p={verdict.p:.3f}$"
        parts.append(rf"{left} ${SIGNS[match['relation']]}$ {right}{p}")
    return "; ".join(parts)


def typeset_side(written: str, value: float, names: dict) -> str:
    """A side as LaTeX: the names of model and metric and the value, or the number alone."""
    match = SIDE.fullmatch(written)
    if not match:
        return rf"\num{{{written}}}"
    model, metric = (typeset.text(names.get(match[key], match[key])) for key in ("model", "metric"))
    metric = metric if metric[1:2].isupper() else metric[:1].lower() + metric[1:]
    of = {"min": "smallest ", "max": "largest ", "rank": "rank correlation of objective and ", None: ""}[match["of"]]
    places = 2 if match["of"] == "rank" else decimals(match["metric"])
    return f"{model}, {of}{metric} {typeset.number(value, places)}"


def appendix_macros(inside: dict[str, list[Verdict]], names: dict) -> str:
    """Macros for the appendix: the rows that list all claims of the study with their figures, and the test's terms."""
    rows = []
    for number, (claim, verdicts) in enumerate(inside.items(), 1):
        task = typeset.text(names.get(task_of(claim), task_of(claim)))
        cells = [
            rf"\claimtarget{{C{number}}}",
            task,
            claim_figures(claim, verdicts, names),
            WORDS[claim_state(verdicts)],
        ]
        rows.append(" & ".join(cells) + r" \\")
    size = sum(verdict.kind == "directed" for verdicts in inside.values() for verdict in verdicts)
    return "\n".join(
        [
            rf"\newcommand\claimfamily{{{size}}}",
            rf"\newcommand\claimlevel{{\num{{{LEVEL}}}}}",
            r"\newcommand\claimrows{%",
            *rows,
            "}",
        ]
    )


if __name__ == "__main__":
    run_step(claims)
