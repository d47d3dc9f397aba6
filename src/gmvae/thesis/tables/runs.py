"""Step: the appendix that lists every run: what made it, settings, seeds, versions, state of the code.

Wall times, hosts and dates stay out: they would give every build other bytes.
"""

import json
from collections import Counter
from pathlib import Path

from gmvae.formats.provenance_reader import read_provenance
from gmvae.formats.writing import write_text
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis import typeset


def list_runs(provenance: list[Path], names: dict, output: Path) -> None:
    """Write the list of runs as LaTeX, a section for each task, or for several whose runs were made alike.

    provenance: results/runs/{task}/{model}/provenance.json of every run, in the order of tasks and models; names:
    display names; output: results/tables/runs.tex.
    """
    runs = [(path.parent.parent.name, path.parent.name, read_provenance(path)) for path in provenance]
    if not runs:
        raise Refused("--provenance names no file: the appendix lists at least one run; run the study first")
    shared = common([made["settings"].get("training", {}) for _, _, made in runs if "module" in made["settings"]])
    lines = [
        "% Written by gmvae.thesis.tables.runs: a change here is lost.",
        *together([made for _, _, made in runs], shared),
    ]
    alike = {}
    for task in dict.fromkeys(task for task, _, _ in runs):
        of_task = run_rows([(model, made) for other, model, made in runs if other == task], shared, names)
        alike.setdefault(tuple(of_task), []).append(task)
    for of_tasks, tasks in alike.items():
        lines += runs_section(tasks, of_tasks, names)
    write_text("\n".join(lines) + "\n", output)


def common(entries: list[dict]) -> dict:
    """For each key the value that most of the entries have."""
    keys = dict.fromkeys(key for entry in entries for key in entry)
    return {key: json.loads(most([json.dumps(entry[key]) for entry in entries if key in entry])) for key in keys}


def most(values: list[str]) -> str:
    """The most frequent value, the first of equals in alphabetical order."""
    return min(Counter(values).items(), key=lambda pair: (-pair[1], pair[0]))[0]


def together(made: list[dict], shared: dict) -> list[str]:
    """What all runs have in common: seeds, training, device, code, versions."""
    seeds = sorted({seed for run in made for seed in run["seeds"]})
    lines = [r"\begin{description}", rf"\item[Seeds] {', '.join(map(str, seeds))}."]
    if shared:
        lines.append(rf"\item[Training] unless a run says otherwise: {settings(shared)}.")
    lines.append(rf"\item[Device] {', '.join(sorted({run['device'] for run in made}))}.")
    lines.append(rf"\item[Code] {', '.join(sorted({code(run) for run in made}))}.")
    versions = sorted({(package, version) for run in made for package, version in run["versions"].items()})
    listed = ", ".join(f"{typeset.text(package)}~{typeset.text(version)}" for package, version in versions)
    return [*lines, rf"\item[Versions] {listed}.", r"\end{description}"]


def code(run: dict) -> str:
    """The commit that a run was made with, as LaTeX."""
    if run["commit"] is None:
        return "no recorded commit"
    return rf"commit \texttt{{{run['commit'][:12]}}}{' with changes of its own' if run['dirty'] else ''}"


def runs_section(tasks: list[str], of_tasks: tuple[str, ...], names: dict) -> list[str]:
    """The section of a task, or of several whose runs were made alike: a table of the rows."""
    title = ", ".join(typeset.text(names.get(task, task)) for task in tasks)
    labels = "".join(rf"\label{{runs:{task}}}" for task in tasks)
    lines = [r"\needspace{6\baselineskip}", rf"\section{{{title}}}{labels}", r"\begin{runlist}"]
    return [*lines, *of_tasks, r"\end{runlist}"]


def run_rows(runs: list[tuple[str, dict]], shared: dict, names: dict) -> list[str]:
    """The rows of a task: one for all runs made by the same thing with the same settings."""
    made_alike = {}
    for model, made in runs:
        asked = made["settings"]
        if "module" in asked:
            kind, own = rf"\texttt{{{typeset.text(asked['module'])}}}", dict(asked["settings"])
            training = {key: value for key, value in asked["training"].items() if shared.get(key) != value}
            own = {"K": asked["n_components"]} | own | training
        else:
            kind, own = "baseline", asked
        made_alike.setdefault((kind, settings(own) or "--"), []).append(typeset.text(names.get(model, model)))
    return [rf"{', '.join(models)} & {kind} & {own} \\" for (kind, own), models in made_alike.items()]


def settings(entries: dict) -> str:
    """Settings as LaTeX: name and value, in the order given."""
    return ", ".join(
        rf"{typeset.text(key.replace('_', ' '))}~{typeset.text(show_setting(value))}" for key, value in entries.items()
    )


def show_setting(value: object) -> str:
    """A setting's value as plain text."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    run_step(list_runs)
