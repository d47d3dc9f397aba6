"""Step: the README's tables of results, written from results/reference between two marks, `make readme`."""

import json
from pathlib import Path

import pandas as pd

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_text
from gmvae.metrics.catalogue import decimals, format_fixed
from gmvae.metrics.statistics import picked_seed, values_by_seed
from gmvae.pipeline import plan
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.reference.differences import RESPONSE
from gmvae.reference.wall_times import format_duration

BEGIN, END = "<!-- results: written by `make readme` -->", "<!-- end of results -->"
OURS = ("gmdvae", "cgmdvae")  # the models that the thesis is about; the first that has the measure stands in the row
MEASURES = ("accuracy", "purity")  # a task's row has the first of them that one of OURS has
CONTROLS = ("truth", "random")


def write_overview(readme: Path, reference: Path) -> None:
    """Put the tables of all references between the marks of the readme, whose other lines stay.

    readme: README.md; reference: the folder with a folder per study, as the step `reference` leaves them.
    """
    write_text(replace_block(readme.read_text(encoding="utf-8"), tables(reference), readme), readme)


def replace_block(text: str, block: str, path: Path) -> str:
    """The text with the block between its marks. Raises Refused where the marks are not there once each, in order."""
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended or BEGIN in rest or END in after:
        raise Refused(f"{path}: the lines {BEGIN} and {END} are not there once each; put them where the tables go")
    return f"{before}{BEGIN}\n{block}{END}{after}"


def tables(reference: Path) -> str:
    """The tables of every study that has a reference, in alphabetical order, as Markdown; empty where there is none."""
    folders = sorted(path.parent for path in reference.glob("*/provenance.json"))
    return "".join(f"\n{study_section(folder)}\n" for folder in folders)


def study_section(folder: Path) -> str:
    """A study's sentence on how it was made, and its table: a row per task and measure."""
    known = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    config, table = known["config"], read_metrics(folder / "metrics.csv", "check out results/reference again")
    names = plan.display_names(config)
    rows = [
        row(table, config, names, task, measure)
        for task in plan.tasks(config)
        for measure in task_measures(table[table.task == task])
    ]
    head = "| task | K | measure | ours | mean ± sd | picked seed | best other | mean ± sd |"
    return "\n".join([sentence(known), "", head, "|---|---|---|---|---|---|---|---|", *rows])


def sentence(known: dict) -> str:
    """How the study was made, in a sentence."""
    study, machine, wall = plan.study_entry(known["config"]), known["machine"], known["wall"]
    said = [
        f"**{study['title']}** (study `{known['config']['study']}`): {len(study['seeds'])} seeds",
        f"{format_duration(wall['seconds'])} from raw data to the PDF with at most {wall['jobs_at_once']} jobs at once",
        f"{machine['cpu']} with {machine['cores']} cores",
        f"trained on {' and '.join(known['devices'])}",
        f"commit {' and '.join(f'`{commit[:12]}`' for commit in known['commits'])}",
    ]
    return f"{', '.join(said)}."


def task_measures(table: pd.DataFrame) -> list[str]:
    """The measures that a task has rows for: agreement with the classes, and the predicted response."""
    found = set(table[table.model.isin(OURS) & (table.split == "test")].metric)
    return [measure for measure in MEASURES if measure in found][:1] + [each for each in RESPONSE if each in found]


def row(table: pd.DataFrame, config: dict, names: dict, task: str, measure: str) -> str:
    """A task's row: our model with all seeds and with the seed picked by its objective, and the best of the others."""
    by_model = {model: values_by_seed(table, task, model, measure) for model in plan.models(config, task)}
    by_model = {model: by_seed for model, by_seed in by_model.items() if len(by_seed) and model not in CONTROLS}
    ours = next(model for model in OURS if model in by_model)
    others = {model: by_seed for model, by_seed in by_model.items() if model != ours}
    best = max(others, key=lambda model: others[model].mean(), default=None)
    picked = picked_seed(table, task, ours)
    cells = [
        names[task],
        str(plan.n_components(config, task, ours)),
        names.get(measure, measure),
        names[ours],
        spread(by_model[ours], measure),
        format_fixed(by_model[ours][picked], decimals(measure)) if picked in by_model[ours] else "",
        names[best] if best else "",
        spread(others[best], measure) if best else "",
    ]
    return f"| {' | '.join(cells)} |"


def spread(by_seed: pd.Series, measure: str) -> str:
    """Mean and standard deviation over seeds."""
    places = decimals(measure)
    sd = f" ± {format_fixed(by_seed.std(ddof=1), places)}" if len(by_seed) > 1 else ""
    return format_fixed(by_seed.mean(), places) + sd


if __name__ == "__main__":
    run_step(write_overview)
