"""Command: a user's metrics beside the committed reference of the same study, `make compare`.

Beside each reference mean and spread over seeds stand the user's, and their difference in units of the pooled standard
deviation. A figure is outside where its means differ by more than three standard errors of that difference. Other
processors, devices and versions give other last digits, and a network's training carries those on: such figures should
still lie inside. Where all that decides the digits is the same, so must the digits be.
"""

import json
from pathlib import Path

import pandas as pd

from gmvae.formats.metrics_table import read_metrics_text
from gmvae.metrics.catalogue import decimals, format_fixed
from gmvae.pipeline import plan
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.reference.differences import ERRORS, RESPONSE, compare_metrics, run_states
from gmvae.reference.keep import fingerprint
from gmvae.reference.wall_times import format_duration, processor_name

HEADLINES = ["accuracy", "purity", "nmi", "ari", "elbo", "objective", "silhouette"]  # a run's is the first that it has


def compare(results: Path, reference: Path, every: bool = False) -> None:
    """Print results/metrics.csv beside the reference of the study last run.

    results: the folder results; reference: the folder with a reference per study; every: print all metrics, where
    else a line stands for a run's headline and for each figure that is outside.

    Raises:
        Refused: there are no metrics yet, or no reference of their tasks.
    """
    path = results / "metrics.csv"
    mine = read_metrics_text(path, "run `make` first, or `.venv/bin/snakemake --cores all results/metrics.csv`")
    folder = nearest_reference(reference, mine)
    theirs = read_metrics_text(folder / "metrics.csv", "check out results/reference again")
    known = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    print(comparison_heading(path, folder, known))
    if path.read_bytes() == (folder / "metrics.csv").read_bytes():
        print("The metrics are those of the reference, byte for byte.")
    rows = compare_metrics(with_numbers(theirs), with_numbers(mine)).merge(
        run_states(theirs, mine, runs_promised_equal(results, folder, known))
    )
    print_rows(in_order(rows, known["config"]), plan.display_names(known["config"]), every)
    print(closing(rows, theirs, mine))


def with_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """The same with values as numbers."""
    return table.assign(value=table.value.astype(float))


def nearest_reference(reference: Path, mine: pd.DataFrame) -> Path:
    """The reference that has the most runs in common with the metrics, the smallest of equals."""
    runs, shared = set(zip(mine.task, mine.model, strict=True)), {}
    for folder in sorted(path.parent for path in reference.glob("*/metrics.csv")):
        lines = pd.read_csv(folder / "runs.csv")
        listed = set(zip(lines.task, lines.model, strict=True))
        shared[folder] = (len(listed & runs), -len(listed))
    best = max(shared, key=shared.get, default=None)
    if best is None or not shared[best][0]:
        found = ", ".join(folder.name for folder in shared) or "none"
        raise Refused(f"{reference}: no reference has a run of these tasks; there are references of: {found}")
    return best


def runs_promised_equal(results: Path, folder: Path, known: dict) -> set[tuple[str, str]]:
    """The runs that must have the reference's very digits: same settings, seeds, versions, commit and processor."""
    if known["machine"]["cpu"] != processor_name():
        return set()
    same = set()
    for line in pd.read_csv(folder / "runs.csv").itertuples():
        try:
            made = json.loads(
                (results / "runs" / line.task / line.model / "provenance.json").read_text(encoding="utf-8")
            )
            if line.device == "cpu" and not made["dirty"] and fingerprint(made) == line.fingerprint:
                same.add((line.task, line.model))
        except (OSError, ValueError, KeyError):
            continue  # a run that does not say what made it promises nothing
    return same


def comparison_heading(path: Path, folder: Path, known: dict) -> str:
    """What is compared with what, and how the reference was made."""
    machine, wall = known["machine"], known["wall"]
    made = [
        f"commit {' and '.join(commit[:12] for commit in known['commits'])}{' with changes' if known['dirty'] else ''}",
        f"{' and '.join(known['devices'])}, {machine['cpu']} with {machine['cores']} cores",
        f"{format_duration(wall['seconds'])} with at most {wall['jobs_at_once']} jobs at once",
    ]
    return f"{path} beside {folder} ({'; '.join(made)})\n"


def in_order(rows: pd.DataFrame, config: dict) -> pd.DataFrame:
    """The rows in the order of the study's tasks and of their models."""
    runs = [(task, model) for task in plan.tasks(config) for model in plan.models(config, task)]
    place = [runs.index(run) if run in runs else len(runs) for run in zip(rows.task, rows.model, strict=True)]
    return rows.assign(place=place).sort_values("place", kind="stable")


def print_rows(rows: pd.DataFrame, names: dict[str, str], every: bool) -> None:
    """The table: a block per task, a line per figure. Printed are headlines, what is outside, and with `every` all."""
    for task, of_task in rows.groupby("task", sort=False):
        print(f"\n{names.get(task, task)}")
        head = ("model", "metric", "reference", "yours", "difference / sd")
        print("  {:<24} {:<22} {:>26} {:>26} {:>16}".format(*head))
        for model, of_model in of_task.groupby("model", sort=False):
            shown = {next((metric for metric in HEADLINES if metric in set(of_model.metric)), None)}
            shown |= set(RESPONSE)
            for row in of_model.itertuples():
                if every or row.metric in shown or row.outside:
                    print(comparison_line(row, names.get(model, model), names.get(row.metric, row.metric)))


def comparison_line(row, model: str, metric: str) -> str:
    """A line of the table: means and spreads, difference, and a word where the figure is outside or should be equal."""
    places = decimals(row.metric)
    figures = [
        f"{format_fixed(mean, places)} ± {format_fixed(sd, places)} ({n})"
        for mean, sd, n in ((row.reference, row.reference_sd, row.reference_n), (row.yours, row.yours_sd, row.yours_n))
    ]
    difference = "same" if row.state == "same" else f"{row.units:+.2f}"
    mark = ("  OUTSIDE" if row.outside else "") + ("  OTHER DIGITS" if row.state == "broken" else "")
    return f"  {model:<24} {metric:<22} {figures[0]:>26} {figures[1]:>26} {difference:>16}{mark}"


def closing(rows: pd.DataFrame, theirs: pd.DataFrame, mine: pd.DataFrame) -> str:
    """How many runs are the same, how many figures outside, how many runs one side has alone."""
    runs = [set(zip(table.task, table.model, strict=True)) for table in (theirs, mine)]
    of_runs = rows.drop_duplicates(["task", "model"]).state.value_counts()
    said = [
        f"\n{len(runs[0] & runs[1])} runs of both: {of_runs.get('same', 0)} have the same values to the last digit.",
        f"{int(rows.outside.sum())} of {len(rows)} figures are outside, by more than {ERRORS:g} standard errors.",
    ]
    if of_runs.get("broken", 0):
        said.append(
            f"{of_runs['broken']} runs were made alike, on the same kind of processor, and should have been equal."
        )
    for word, alone in (("The reference alone has", runs[0] - runs[1]), ("You alone have", runs[1] - runs[0])):
        if alone:
            said.append(f"{word} {len(alone)} runs, of {', '.join(sorted({task for task, _ in alone}))}.")
    return "\n".join(said)


if __name__ == "__main__":
    run_step(compare)
