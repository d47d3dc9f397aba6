r"""Step: check the sentences that state a finding against the results, and set the differences that they quote.

In the text: `\claim{gmdvae.accuracy > pca_kmeans.accuracy in digits}{The mixture finds more of the digits.}` The
language of claims is defined in verdicts.py, that of differences in comparisons.py.
"""

import re
from pathlib import Path

import pandas as pd

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_text
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.claim_texts import appendix_macros, claim_macro, margins_in_words
from gmvae.thesis.comparable import add_divergences
from gmvae.thesis.comparisons import OVER_ROWS, USE, VERSUS, comparison_macros, row_macros, versus_macros
from gmvae.thesis.over_rows import Intervals, read_intervals
from gmvae.thesis.tabular import header_line
from gmvae.thesis.verdicts import Verdict, claim_state, claim_task, correct_verdicts, judge_claim

CLAIM = re.compile(r"\\claim\s*\{([^{}#]*)\}")  # no `#`: the macro's own definition is no claim
MODES = ("fail", "warn")


def check_claims(
    metrics: Path,
    texts: list[Path],
    names: dict,
    mode: str,
    margins: dict,
    kinds: dict,
    output: Path,
    intervals: list[Path] | None = None,
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
        intervals: The intervals over rows, intervals.csv of each task.

    Raises:
        Refused: A claim has another form, or names something that was not measured; with mode fail, a claim does not
            hold.
    """
    if mode not in MODES:
        raise Refused(f"thesis.claims: found {mode!r}; allowed: {', '.join(MODES)}")
    table = add_divergences(read_metrics(metrics))
    path_of, over_rows = find_claims(texts), read_intervals(intervals or [])
    verdicts = judge_claims(table, path_of, margins, kinds, over_rows)
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
        *comparison_macros(table, find_uses(texts, USE), names, kinds, over_rows),
        *versus_macros(table, find_uses(texts, VERSUS), kinds, over_rows),
        *row_macros(list(find_uses(texts, OVER_ROWS)), over_rows),
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


def find_uses(texts: list[Path], macro: re.Pattern) -> dict[str | tuple[str, ...], Path]:
    """The arguments of a macro in the texts, with single spaces, and the first file that has each.

    A macro of two arguments has tuples.
    """
    path_of = {}
    for path in sorted(texts):
        source = re.sub(r"(?<!\\)%.*", "", path.read_text(encoding="utf-8"))
        for match in macro.finditer(source):
            arguments = tuple(" ".join(argument.split()) for argument in match.groups())
            path_of.setdefault(arguments if len(arguments) > 1 else arguments[0], path)
    return path_of


def judge_claims(
    table: pd.DataFrame, path_of: dict[str, Path], margins: dict, kinds: dict, intervals: Intervals
) -> dict[str, list[Verdict]]:
    """The verdicts after Holm's correction on all claims about tasks of the study."""
    tasks, verdicts = set(table.task), {}
    for claim, path in path_of.items():
        try:
            if claim_task(claim) in tasks:
                verdicts[claim] = judge_claim(table, claim, margins, kinds, intervals)
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


if __name__ == "__main__":
    run_step(check_claims)
