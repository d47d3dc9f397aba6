"""How claims and their verdicts are printed: their macros, their values, and the list of all in the appendix."""

from gmvae.metrics.catalogue import BOUNDS, decimals
from gmvae.metrics.statistics import LEVEL
from gmvae.thesis.comparisons import difference_places, difference_text, range_text
from gmvae.thesis.sides import Side
from gmvae.thesis.tabular import table_row
from gmvae.thesis.typeset import latex_name, latex_number, latex_text, lower_first
from gmvae.thesis.verdicts import Verdict, claim_state, claim_task, parse_comparisons

SIGNS = {">": ">", "<": "<", ">=": r"\ge", "<=": r"\le", "~": r"\approx"}
FUNCTION_WORDS = {"min": "smallest ", "max": "largest "}
STATE_WORDS = {
    "tested": "holds",
    "counted": "holds",
    "untested": "holds; not tested",
    "failed": "does not hold",
}


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
    """The difference with its intervals, the margin and p, as far as a comparison has them."""
    difference = verdict.difference
    if difference is None:
        return ""
    text = f"; difference {difference_text(difference, verdict.left.metric)}"
    if difference.over_seeds and difference.over_rows:
        text += f", over the rows {range_text(difference.over_rows, difference_places(verdict.left.metric))}"
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
        (claim_task(claim), match[0]): verdict
        for claim, of_claim in verdicts.items()
        for match, verdict in zip(parse_comparisons(claim), of_claim, strict=True)
        if verdict.p is not None
    }
    directed = [verdict.difference.over_rows for verdict in tests.values() if verdict.margin is None and verdict.holds]
    over_rows = [interval for interval in directed if interval]
    return [
        rf"\newcommand\claimfamily{{{len(tests)}}}",
        rf"\newcommand\wheretested[1]{{{'#1' if over_rows else ''}}}",
        rf"\newcommand\claimsoverrows{{{len(over_rows)}}}",
        rf"\newcommand\claimsclearoverrows{{{sum(low > 0 or high < 0 for low, high in over_rows)}}}",
        rf"\newcommand\claimlevel{{\num{{{LEVEL}}}}}",
        r"\newcommand\claimrows{%",
        *rows,
        "}",
    ]
