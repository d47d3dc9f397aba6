"""The README is true: each of its commands is tried here, or listed here with the place where it is tried."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from support.checkout import copied, planned, snakemake

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
SPANS = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL))
LINES = [line.partition("#")[0].strip() for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
PROGRAMS = ("make", "snakemake", "python", "conda", "pip", "PIP_EXTRA_INDEX_URL")
COMMANDS = sorted({text for text in SPANS + LINES if re.match(rf"({'|'.join(PROGRAMS)})\b(?!\.)", text)})
NAMES = {"snakemake", "python", "make"}  # the program is meant, not a call of it

SNAKEMAKE = [command for command in COMMANDS if command.startswith("snakemake ")]
PYTHON = [command for command in COMMANDS if command.startswith("python ")]
MAKE = [command for command in COMMANDS if command.startswith("make ")]
BY_HAND = {
    "conda env create --file environment.yml && conda activate gmvae": "needs conda; test_environment.py compares",
    "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make": "needs an index that no test reaches",
}
PATHS = sorted(
    path
    for path in set(re.findall(r"[`(]([A-Za-z_./]+/[A-Za-z_.]*|[A-Za-z_]+\.[a-z]{2,4})[`)]", TEXT))
    # Made by a run, or by the reader.
    if not path.startswith((".venv", "/data")) and (path.startswith("results/reference") or "results/" not in path)
    if path not in {"mine.yaml"}
)


@pytest.fixture
def project(tmp_path):
    """A copy of the project, with the README's file of own data."""
    folder = copied(tmp_path / "project")
    (folder / "mine.yaml").write_text(own_data(tmp_path / "mine.h5ad"))
    return folder


def own_data(path: Path) -> str:
    """The README's example of a dataset, with the path of cells that are written here."""
    counts = np.random.default_rng(0).poisson(1.0, (60, 20)).astype(np.float32)
    obs = pd.DataFrame({"cell_type": ["a", "b"] * 30}, index=[f"cell {i}" for i in range(60)])
    anndata.AnnData(counts, obs=obs).write_h5ad(path)
    (example,) = (block for kind, block in BLOCKS if kind == "yaml")
    assert "/data/mine.h5ad" in example
    return example.replace("/data/mine.h5ad", str(path))


def finish_without_computing(project: Path) -> None:
    """Let Snakemake take the default study up to metrics.csv for finished: its outputs are empty files."""
    for output in planned(project, "results/metrics.csv"):
        (project / output).parent.mkdir(parents=True, exist_ok=True)
        (project / output).touch()
    for again in ([], ["--forceall"]):  # --touch loses a record now and then: both calls have to lose the same one
        run = snakemake(project, "results/metrics.csv", "--touch", *again, "--quiet", "all", cores="1")
        assert run.returncode == 0, run.stderr[-3000:]


def job_counts(text: str) -> dict[str, int]:
    """The number of jobs by rule, from a table of Snakemake's."""
    return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}


def test_every_command_is_tried():
    assert len(SNAKEMAKE) >= 8 and len(PYTHON) >= 2 and len(MAKE) >= 3
    assert set(COMMANDS) - {*SNAKEMAKE, *PYTHON, *MAKE, *BY_HAND} == NAMES


@pytest.mark.parametrize("command", SNAKEMAKE)
def test_snakemake_understands_the_command(project, command):
    arguments = shlex.split(command)[1:]
    run = snakemake(project, *arguments) if "--unlock" in arguments else snakemake(project, *arguments, "--dry-run")
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]


@pytest.mark.parametrize("command", PYTHON)
def test_a_step_is_called_as_the_readme_says(command, tmp_path):
    (tmp_path / "mine.yaml").write_text("threads: 1\n")
    words = shlex.split(command.replace("mine.yaml", str(tmp_path / "mine.yaml")))
    run = subprocess.run([sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True)
    module = words[2] if words[2] != "gmvae" else "gmvae.runs.train"  # one of the listed steps
    answer = "in order" if "pipeline.check" in command else module
    assert run.returncode == 0 and answer in run.stdout, run.stderr


@pytest.mark.parametrize("command", MAKE)
def test_make_has_the_target(command):
    """What each target does is tested in test_makefile.py."""
    target = command.split()[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("study", ["embedded", "full"])
def test_the_times_are_those_of_the_reference(study):
    """But for the 43 minutes on two cores, which were measured by hand on a fresh clone."""
    reference = ROOT / "results/reference" / study
    minutes = json.loads((reference / "provenance.json").read_text(encoding="utf-8"))["wall"]["seconds"] / 60
    text = " ".join(TEXT.split())
    assert re.search(rf"\({len(pd.read_csv(reference / 'runs.csv'))} runs, [^()]*\) took {minutes:.0f} minutes", text)


@pytest.mark.parametrize("path", PATHS)
def test_a_named_path_exists(path):
    assert (ROOT / path).exists()


def test_every_package_is_in_the_tree():
    (tree,) = (block for kind, block in BLOCKS if "src/gmvae/" in block)
    packages = {
        path.parent.name for path in (ROOT / "src/gmvae").glob("*/__init__.py") if list(path.parent.glob("*.py"))
    }
    assert set(re.findall(r"^ {4}(\w+)/ ", tree, re.MULTILINE)) == {
        package for package in packages if list((ROOT / "src/gmvae" / package).rglob("[!_]*.py"))
    }


def test_a_change_of_a_model_lists_the_jobs_of_the_example(project):
    finish_without_computing(project)
    file, table = re.search(r"<!-- example: (\S+) -->\n```\n(.*?)```", TEXT, re.DOTALL).groups()
    source = project / file
    source.write_text(source.read_text(encoding="utf-8") + "\nCHANGED = True\n")
    run = snakemake(project, "-n", "results/metrics.csv")
    assert run.returncode == 0, run.stderr[-2000:]
    assert job_counts(run.stdout) == job_counts(table) != {}
    models = re.findall(r"wildcards: task=\w+, model=(\w+)$", run.stdout, re.MULTILINE)
    assert set(models) == {source.stem}


def test_own_data_makes_a_study_of_its_own(project):
    outputs = planned(project, "results", "--configfile", "mine.yaml")
    models = yaml.safe_load((project / "mine.yaml").read_text())["tasks"]["mine"]["models"]
    assert {f"results/runs/mine/{model}/metrics.csv" for model in models} | {"results/data/mine.h5ad"} <= outputs
    assert {f"results/figures/mine/{figure}.svg" for figure in ("latents", "curves", "comparison")} <= outputs
    assert not any("/digits/" in output for output in outputs)


def test_own_figure_is_drawn_for_its_tasks(project):
    figures = project / "src/gmvae/thesis/figures"
    shutil.copy(figures / "curves.py", figures / "mine.py")
    (project / "mine.yaml").write_text("thesis: {figures: {mine: [digits]}}")
    outputs = planned(project, "results", "--configfile", "mine.yaml")
    drawn = {output for output in outputs if Path(output).stem == "mine"}
    assert drawn == {"results/figures/digits/mine.pdf", "results/figures/digits/mine.svg"}
