"""Command: a user's metrics beside the committed reference of the same study, `make compare`.

Beside each mean and spread over seeds of the reference stand the user's, and their difference in units of the pooled
standard deviation. A metric is outside where its means differ by more than three standard errors of that difference.
Other processors, devices and versions give other last digits, and training carries them on: such metrics should still
lie inside. Where everything that decides the digits is the same, the digits must be the same too.
"""

import json
from pathlib import Path

import pandas as pd

from gmvae.formats.metrics_table import read_metrics_text
from gmvae.metrics.catalogue import HEADLINES, RESPONSE_HEADLINES, decimals
from gmvae.pipeline import plan
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.reference.differences import MAX_ERRORS, compare_metrics, run_states
from gmvae.reference.keep import fingerprint
from gmvae.reference.wall_times import format_duration, processor_name
from gmvae.thesis.typeset import format_fixed

LINE = "  {:<24} {:<22} {:>26} {:>26} {:>16}"  # model, metric, reference, yours, difference


def compare_with_reference(results: Path, reference: Path, every: bool = False) -> None:
    """Print the metrics of the study last run beside the reference that has most of its runs.

    Args:
        results: The folder results, with metrics.csv and runs/.
        reference: The folder with a reference per study, results/reference.
        every: Print all metrics; else only a run's headline and each metric that is outside.

    Raises:
        Refused: There are no metrics yet, or no reference has a run of them.
    """
    path = results / "metrics.csv"
    mine = read_metrics_text(path, "run `make` first, or `.venv/bin/snakemake --cores all results/metrics.csv`")
    folder = nearest_reference(reference, mine)
    theirs = read_metrics_text(folder / "metrics.csv", "check out results/reference again")
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    print(comparison_heading(path, folder, provenance))
    if path.read_bytes() == (folder / "metrics.csv").read_bytes():
        print("The metrics are those of the reference, byte for byte.")
    states = run_states(theirs, mine, runs_promised_equal(results, folder, provenance))
    rows = compare_metrics(with_numbers(theirs), with_numbers(mine)).merge(states)
    config = provenance["config"]
    print_rows(sort_rows(rows, config), plan.display_names(config), every)
    print(comparison_summary(rows, theirs, mine))


def with_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The same with values as numbers."""
    return table.assign(value=table.value.astype(float))


def run_keys(table: pd.DataFrame) -> set[tuple[str, str]]:
    """Task and model of each run of a table."""
    return set(zip(table.task, table.model, strict=True))


def nearest_reference(reference: Path, mine: pd.DataFrame) -> Path:
    """The reference that has the most runs in common with the metrics, of equals the smallest."""
    runs, shared = run_keys(mine), {}
    for folder in sorted(path.parent for path in reference.glob("*/metrics.csv")):
        listed = run_keys(pd.read_csv(folder / "runs.csv"))
        shared[folder] = (len(listed & runs), -len(listed))
    nearest = max(shared, key=shared.get, default=None)
    if nearest is None or not shared[nearest][0]:
        studies = ", ".join(folder.name for folder in shared) or "none"
        raise Refused(f"{reference}: no reference has a run of these tasks; there are references of: {studies}")
    return nearest


def runs_promised_equal(results: Path, folder: Path, provenance: dict) -> set[tuple[str, str]]:
    """The runs that must have the reference's digits: same settings, seeds, versions, commit and processor."""
    if provenance["machine"]["cpu"] != processor_name():
        return set()
    promised = set()
    for run in pd.read_csv(folder / "runs.csv").itertuples():
        path = results / "runs" / run.task / run.model / "provenance.json"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if run.device == "cpu" and not record["dirty"] and fingerprint(record) == run.fingerprint:
                promised.add((run.task, run.model))
        except (OSError, ValueError, KeyError):
            continue  # a run without a complete record promises nothing
    return promised


def comparison_heading(path: Path, folder: Path, provenance: dict) -> str:
    """What is compared with what, and how the reference was made."""
    machine, wall = provenance["machine"], provenance["wall"]
    commits = " and ".join(commit[:12] for commit in provenance["commits"])
    parts = [
        f"commit {commits}{' with changes' if provenance['dirty'] else ''}",
        f"{' and '.join(provenance['devices'])}, {machine['cpu']} with {machine['cores']} cores",
        f"{format_duration(wall['seconds'])} with at most {wall['jobs_at_once']} jobs at once",
    ]
    return f"{path} beside {folder} ({'; '.join(parts)})\n"


def sort_rows(rows: pd.DataFrame, config: dict) -> pd.DataFrame:
    """The rows in the order of the study's tasks and of their models."""
    runs = [(task, model) for task in plan.tasks(config) for model in plan.models(config, task)]
    place = [runs.index(run) if run in runs else len(runs) for run in zip(rows.task, rows.model, strict=True)]
    return rows.assign(place=place).sort_values("place", kind="stable")


def print_rows(rows: pd.DataFrame, names: dict[str, str], every: bool) -> None:
    """The table: a block per task; a line per headline and per metric that is outside, with `every` per metric."""
    for task, of_task in rows.groupby("task", sort=False):
        print(f"\n{names.get(task, task)}")
        print(LINE.format("model", "metric", "reference", "yours", "difference / sd"))
        for model, of_model in of_task.groupby("model", sort=False):
            headline = next((metric for metric in HEADLINES if metric in set(of_model.metric)), None)
            for row in of_model.itertuples():
                if every or row.metric in (headline, *RESPONSE_HEADLINES) or row.outside:
                    print(comparison_line(row, names.get(model, model), names.get(row.metric, row.metric)))


def comparison_line(row, model: str, metric: str) -> str:
    """A line of the table, with a mark where the metric is outside or where the digits should be equal."""
    places = decimals(row.metric)
    reference, yours = (
        f"{format_fixed(mean, places)} ± {format_fixed(sd, places)} ({n})"
        for mean, sd, n in ((row.reference, row.reference_sd, row.reference_n), (row.yours, row.yours_sd, row.yours_n))
    )
    difference = "same" if row.state == "same" else f"{row.units:+.2f}"
    marks = ("  OUTSIDE" if row.outside else "") + ("  OTHER DIGITS" if row.state == "broken" else "")
    return LINE.format(model, metric, reference, yours, difference) + marks


def comparison_summary(rows: pd.DataFrame, theirs: pd.DataFrame, mine: pd.DataFrame) -> str:
    """How many runs are the same, how many metrics outside, how many runs only one side has."""
    of_reference, of_user = run_keys(theirs), run_keys(mine)
    n_both = len(of_reference & of_user)
    states = rows.drop_duplicates(["task", "model"]).state.value_counts()
    lines = [
        f"\n{n_both} runs of both: {states.get('same', 0)} have the same values to the last digit.",
        f"{int(rows.outside.sum())} of {len(rows)} figures are outside, by more than {MAX_ERRORS:g} standard errors.",
    ]
    if states.get("broken", 0):
        lines.append(
            f"{states['broken']} runs were made alike, on the same kind of processor, and should have been equal."
        )
    only = {"The reference alone has": of_reference - of_user, "You alone have": of_user - of_reference}
    for words, runs in only.items():
        if runs:
            lines.append(f"{words} {len(runs)} runs, of {', '.join(sorted({task for task, _ in runs}))}.")
    return "\n".join(lines)


if __name__ == "__main__":
    run_step(compare_with_reference)
