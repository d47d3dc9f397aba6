"""Step: results/reference/README.md, the tables of results of every study that has a reference; `make readme`."""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from gmvae.formats.metrics_table import read_metrics
from gmvae.formats.writing import write_text
from gmvae.metrics.catalogue import RESPONSE_HEADLINES, RESPONSE_WAYS, decimals
from gmvae.metrics.statistics import picked_seed, values_by_seed
from gmvae.pipeline import plan
from gmvae.pipeline.command import run_step
from gmvae.reference.wall_times import format_duration
from gmvae.thesis.typeset import format_fixed

OWN_MODELS = ("gmdvae", "cgmdvae")  # the models that the thesis is about
CONTROLS = ("truth", "random", "fitted_combination")  # what bounds the measures is never the best of the others
MAIN_FORM = "combined_"  # of our models' predicted responses
FORMS = ("residual_", "residual_z_", "global_", "near_", "combined_")  # of the others', beside the plain one
MEASURES = ("accuracy", "purity")  # a task's row has the first of them that one of OWN_MODELS has
HEAD = ("task", "K", "measure", "ours", "mean ± sd", "picked seed", "best other", "mean ± sd")
INTRODUCTION = """\
<!-- Written by `make readme`: a change here is lost. -->

# Results

Measured from raw data to the PDF by `make`, and kept in this folder together with what made them: settings, commit,
versions, machine, and the wall time of each rule. Each value is on the test split, over all seeds; *picked* is the one
seed that its own training objective picks. The *best other* model is the one with the largest mean of all others in the
task, chosen afterwards; of a predicted response it has its best form. `make compare` prints your own run beside these
results.
"""
UNFINISHED = """
The folder `partial` has finished runs of a study that has new settings and is not finished; its table below is still
that of the commit which it names.
"""


def write_readme(reference: Path, output: Path) -> None:
    """Write the tables of all references as Markdown.

    Args:
        reference: The folder with a folder per study, as the step `keep` leaves them, results/reference.
        output: The Markdown file to write, results/reference/README.md.
    """
    write_text(references_page(reference), output)


def references_page(reference: Path) -> str:
    """The page with the tables of every study that has a reference.

    Args:
        reference: The folder with a folder per study.

    Returns:
        Markdown, the studies in alphabetical order.
    """
    folders = sorted(path.parent for path in reference.glob("*/provenance.json"))
    unfinished = UNFINISHED if (reference / "partial").is_dir() else ""
    return INTRODUCTION + unfinished + "".join(f"\n{study_section(folder)}\n" for folder in folders)


def study_section(folder: Path) -> str:
    """A study's heading, the sentence on how it was made, and its table: a row per task and measure."""
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    config, table = provenance["config"], read_metrics(folder / "metrics.csv", "check out results/reference again")
    rows = [
        row
        for task in plan.tasks(config)
        for measure in task_measures(table[table.task == task])
        for row in result_rows(table[table.task == task], config, task, measure)
    ]
    title = f"## {plan.study_entry(config)['title']}"
    return "\n".join([title, "", study_sentence(provenance), "", markdown_row(HEAD), "|---" * len(HEAD) + "|", *rows])


def study_sentence(provenance: dict) -> str:
    """How the study was made, in a sentence."""
    config, machine, wall = provenance["config"], provenance["machine"], provenance["wall"]
    parts = [
        f"Study `{config['study']}`: {len(plan.seeds(config))} seeds",
        f"{format_duration(wall['seconds'])} from raw data to the PDF with at most {wall['jobs_at_once']} jobs at once",
        f"{machine['cpu']} with {machine['cores']} cores",
        f"trained on {' and '.join(provenance['devices'])}",
        f"commit {' and '.join(f'`{commit[:12]}`' for commit in provenance['commits'])}",
    ]
    return f"{', '.join(parts)}."


def task_measures(table: pd.DataFrame) -> list[str]:
    """The measures that a task has rows for: agreement with the classes, and the predicted response."""
    measured = set(table[table.model.isin(OWN_MODELS) & (table.split == "test")].metric)
    agreement = [measure for measure in MEASURES if measure in measured]
    return agreement[:1] + [measure for measure in RESPONSE_HEADLINES if measure in measured]


def result_rows(table: pd.DataFrame, config: dict, task: str, measure: str) -> list[str]:
    """A task's rows, one for each of our models, with the best of the others beside it.

    A predicted response has several forms. Ours is the main form, fixed beforehand; the others have their best.
    """
    by_model = {model: values_by_seed(table, task, model, measure) for model in plan.models(config, task)}
    by_model = {(model, ""): by_seed for model, by_seed in by_model.items() if len(by_seed) and model not in CONTROLS}
    ours = [key for key in by_model if key[0] in OWN_MODELS]
    others = {key: by_seed for key, by_seed in by_model.items() if key not in ours}
    if measure in RESPONSE_HEADLINES:
        others |= response_forms(table, dict.fromkeys(model for model, _ in others), measure)
        main = response_forms(table, OWN_MODELS, measure, [MAIN_FORM])
        by_model, ours = by_model | main, list(main) or ours
    best = max(others, key=lambda key: others[key].mean(), default=None)
    return [result_row(table, config, task, measure, key, by_model[key], best, others.get(best)) for key in ours]


def response_forms(table: pd.DataFrame, models: Iterable[str], measure: str, forms: Iterable[str] = FORMS) -> dict:
    """The values of some models' predicted responses in some forms, by model and form; [S] each."""
    target = measure.removeprefix("response_")
    test = table[(table.split == "test")]
    values = {}
    for model in models:
        for form in forms:
            rows = test[(test.model == model) & (test.metric == f"response_{form}{target}")]
            if len(rows):
                values[model, form] = rows.set_index("seed").value
    return values


def result_row(
    table: pd.DataFrame,
    config: dict,
    task: str,
    measure: str,
    ours: tuple[str, str],
    by_seed: pd.Series,
    best: tuple[str, str] | None,
    of_best: pd.Series | None,
) -> str:
    """The row of one of our models, a pair of name and form, beside the best other one."""
    names, picked = plan.display_names(config), picked_seed(table, task, ours[0])
    cells = [
        names[task],
        str(plan.n_components(config, task, ours[0])),
        names.get(measure, measure),
        name_form(names, ours),
        mean_and_spread(by_seed, measure),
        format_fixed(by_seed[picked], decimals(measure)) if picked in by_seed else "",
        name_form(names, best) if best else "",
        mean_and_spread(of_best, measure) if best else "",
    ]
    return markdown_row(cells)


def name_form(names: dict[str, str], key: tuple[str, str]) -> str:
    """A model's name, with the form of its prediction if it is not the plain one."""
    model, form = key
    return f"{names[model]}, {RESPONSE_WAYS[form]}" if form else names[model]


def markdown_row(cells: list[str]) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def mean_and_spread(by_seed: pd.Series, measure: str) -> str:
    """Mean and standard deviation over seeds."""
    places = decimals(measure)
    sd = f" ± {format_fixed(by_seed.std(ddof=1), places)}" if len(by_seed) > 1 else ""
    return format_fixed(by_seed.mean(), places) + sd


if __name__ == "__main__":
    run_step(write_readme)
