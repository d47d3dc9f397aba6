"""Step: the appendix that lists every run: module, settings, seeds, versions, state of the code.

Wall times, hosts and dates stay out: with them, two builds of the same results would differ.
"""

import json
from collections import Counter
from pathlib import Path

from gmvae.formats.provenance_reader import read_provenance
from gmvae.formats.writing import write_text
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.tables.choices import choice_lines
from gmvae.thesis.tabular import header_line
from gmvae.thesis.typeset import latex_name, latex_text


def list_runs(provenance: list[Path], names: dict, output: Path, sweeps: list[Path] | None = None) -> None:
    """Write the list of runs as LaTeX: a section for each task, or for several tasks with identical runs.

    Args:
        provenance: results/runs/TASK/MODEL/provenance.json of every run, in the order of tasks and models.
        names: Display names by key.
        output: The LaTeX file to write, results/tables/runs.tex.
        sweeps: results/choices/TASK/components.csv of each task whose number of components was chosen.

    Raises:
        Refused: There are no runs, or a sweep is not readable.
    """
    runs = [(path.parent.parent.name, path.parent.name, read_provenance(path)) for path in provenance]
    if not runs:
        raise Refused("--provenance names no file: the appendix lists at least one run; run the study first")
    records = [record for _, _, record in runs]
    defaults = most_frequent_values(
        [record["settings"].get("training", {}) for record in records if "module" in record["settings"]]
    )
    tasks_by_rows = {}
    for task in dict.fromkeys(task for task, _, _ in runs):
        rows = run_rows([(model, record) for of, model, record in runs if of == task], defaults, names)
        tasks_by_rows.setdefault(tuple(rows), []).append(task)
    lines = [header_line("gmvae.thesis.tables.runs"), *common_description(records, defaults)]
    for rows, tasks in tasks_by_rows.items():
        lines += runs_section(tasks, rows, names)
        lines += [line for path in sweeps or [] if path.parent.name in tasks for line in choice_lines(path)]
    write_text("\n".join(lines) + "\n", output)


def most_frequent_values(entries: list[dict]) -> dict:
    """For each key the value that most of the entries have."""
    keys = dict.fromkeys(key for entry in entries for key in entry)
    return {
        key: json.loads(most_frequent([json.dumps(entry[key]) for entry in entries if key in entry])) for key in keys
    }


def most_frequent(values: list[str]) -> str:
    """The most frequent value, in alphabetical order the first of equally frequent ones."""
    return min(Counter(values).items(), key=lambda pair: (-pair[1], pair[0]))[0]


def common_description(records: list[dict], defaults: dict) -> list[str]:
    """What all runs have in common, as lines of LaTeX: seeds, training, device, code, versions."""
    seeds = sorted({seed for record in records for seed in record["seeds"]})
    lines = [r"\begin{description}[nosep]\footnotesize", rf"\item[Seeds] {', '.join(map(str, seeds))}."]
    if defaults:
        lines.append(rf"\item[Training] unless a run says otherwise: {list_settings(defaults)}.")
    precisions = sorted({record["precision"] for record in records if "precision" in record})
    products = f"; products in {' and '.join(precisions)}" if precisions else ""
    lines.append(rf"\item[Device] {', '.join(sorted({record['device'] for record in records}))}{products}.")
    lines.append(rf"\item[Code] {', '.join(sorted({commit_text(record) for record in records}))}.")
    versions = sorted({pair for record in records for pair in record["versions"].items()})
    listed = ", ".join(f"{latex_text(package)}~{latex_text(version)}" for package, version in versions)
    return [*lines, rf"\item[Versions] {listed}.", r"\end{description}"]


def commit_text(record: dict) -> str:
    """The commit of the code that made a run, as LaTeX."""
    if record["commit"] is None:
        return "no recorded commit"
    return rf"commit \texttt{{{record['commit'][:12]}}}{' with changes of its own' if record['dirty'] else ''}"


def runs_section(tasks: list[str], rows: tuple[str, ...], names: dict) -> list[str]:
    """The section of a task, or of several tasks with identical runs."""
    titles = [latex_name(names.get(task, task)) for task in tasks]
    short = f"{titles[0]} and {len(titles) - 1} more"
    heading = short if len(titles) > 2 else ", ".join(titles)  # a running head has one line
    listed = [rf"\textit{{Tasks}}: {', '.join(titles)}."] if len(titles) > 2 else []
    labels = "".join(rf"\label{{runs:{task}}}" for task in tasks)
    return [rf"\section{{{heading}}}{labels}", r"\begin{runlist}", *listed, *rows, r"\end{runlist}"]


def run_rows(records: list[tuple[str, dict]], defaults: dict, names: dict) -> list[str]:
    r"""The runs of a task: \run{models}{modules}{settings} for all models with the same settings.

    Settings that all networks of the task share stand once, in front.
    """
    settings = {model: run_settings(record["settings"], defaults) for model, record in records}
    trained = {model: record["settings"]["module"] for model, record in records if "module" in record["settings"]}
    shared = shared_settings([settings[model] for model in trained])
    groups = {}
    for model, entries in settings.items():
        own = {key: value for key, value in entries.items() if model not in trained or key not in shared}
        groups.setdefault((model in trained, list_settings(own)), []).append(model)
    lines = [rf"\run{{All networks}}{{}}{{{list_settings(shared)}}}"] if shared else []
    for (is_trained, own), models in groups.items():
        modules = dict.fromkeys(trained[model] for model in models) if is_trained else ["baseline"]
        made_by = ", ".join(rf"\texttt{{{latex_text(module)}}}" if is_trained else module for module in modules)
        titles = ", ".join(latex_name(names.get(model, model)) for model in models)
        lines.append(rf"\run{{{titles}}}{{{made_by}}}{{{own}}}")
    return lines


def run_settings(settings: dict, defaults: dict) -> dict:
    """What the settings of a run are beside the training that most runs have."""
    if "module" not in settings:
        return settings
    training = {key: value for key, value in settings["training"].items() if defaults.get(key) != value}
    return {"K": settings["n_components"]} | settings["settings"] | training


def shared_settings(entries: list[dict]) -> dict:
    """The settings that all of several runs have in common; none of a single run."""
    if len(entries) < 2:
        return {}
    return {key: value for key, value in entries[0].items() if all(other.get(key) == value for other in entries[1:])}


def list_settings(settings: dict) -> str:
    """Settings as LaTeX: name and value, in the order given."""
    return ", ".join(
        rf"{latex_text(name.replace('_', ' '))}~{latex_text(setting_text(value))}" for name, value in settings.items()
    )


def setting_text(value: object) -> str:
    """A setting's value as plain text."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, list):
        return " and ".join(map(setting_text, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    run_step(list_runs)
