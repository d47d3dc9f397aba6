"""The configuration as a user calls it: through the real Snakefile, in dry runs."""

import re
import resource
from pathlib import Path

import pytest
import yaml
from support.checkout import copied, edited, planned, snakemake

from gmvae.pipeline.sources import ROOT

METRICS = "results/metrics.csv"
MINE = """
study: mine
studies:
  mine: {title: Mine, seeds: [3], tasks: [near]}
datasets:
  near: {name: Near, source: toy, test_share: 0.2, settings: {distance: 2.0}}
tasks:
  near: {dataset: near, labels: none, n_components: 5, models: [pca, vae]}
"""


@pytest.fixture
def mine(tmp_path):
    """A function that writes a configuration file of a user."""

    def write(text: str) -> str:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def commands(*arguments: str) -> str:
    """The shell commands that a dry run says it would run."""
    run = snakemake(ROOT, "-n", "--printshellcmds", *arguments)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout + run.stderr


def refusal(project: Path, *arguments: str) -> str:
    """The line with which a dry run ends that is refused."""
    run = snakemake(project, "-n", *arguments)
    lines = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert run.returncode == 1 and len(lines) == 1 and "Traceback" not in run.stderr, run.stderr[-3000:]
    return lines[0]


def runs(files: set[str]) -> set[str]:
    """The runs, as task/model, whose metrics are among the files."""
    return {match[1] for file in files if (match := re.fullmatch(r"results/runs/(.*)/metrics\.csv", file))}


def test_a_file_adds_a_dataset_a_task_and_a_study(mine):
    files = planned(ROOT, METRICS, "--configfile", mine(MINE))
    assert "results/data/near.h5ad" in files
    assert runs(files) == {"near/pca", "near/vae"}


def test_a_file_extends_a_model_of_the_catalogue_by_one_setting_and_keeps_the_rest(mine):
    changes = "models: {gmvae: {training: {clip: 0.5}, settings: {n_layers: 3}}}"
    text = commands("results/runs/toy/gmvae/weights.safetensors", "--configfile", mine(changes))
    assert "--module gmvae" in text
    assert re.search(r"--settings '[^']*\"n_latent\": 4, \"n_layers\": 3", text)
    assert re.search(r"--training '[^']*\"autoencode_epochs\": 20, [^']*\"clip\": 0\.5", text)


def test_a_list_in_a_file_replaces_the_list_and_nothing_else(mine):
    changes = "studies: {embedded: {seeds: [7], tasks: [toy]}}\ntasks: {toy: {models: [truth, vae]}}"
    config = mine(changes)
    assert runs(planned(ROOT, METRICS, "--configfile", config)) == {"toy/truth", "toy/vae"}
    text = commands("results/runs/toy/vae/weights.safetensors", "--configfile", config)
    assert "--seeds 7 " in text and '"n_hidden": 64' in text  # the task's settings stay


def test_the_command_line_wins_over_a_file_and_a_later_file_over_an_earlier(mine, tmp_path):
    later = tmp_path / "later.yaml"
    later.write_text("studies: {mine: {seeds: [4]}}\nthreads: 3\n")
    target = "results/runs/near/vae/weights.safetensors"
    text = commands(target, "--configfile", mine(MINE), str(later), "--config", "threads=2")
    assert "--seeds 4 " in text and "--threads 2 " in text


def test_tasks_of_a_dataset_share_one_graph_and_only_who_needs_it_gets_it(mine):
    near = "{dataset: near, labels: none, n_components: 5"
    guided = "training: {guide: leiden, guide_epochs: 2}"
    tasks = (
        f"near: {near}, models: [gmvae, vae, leiden_start], {guided}}}\n  near_2: {near}, models: [gmdvae], {guided}}}"
    )
    text = MINE.replace("tasks: [near]", "tasks: [near, near_2, near_3]").replace(
        "near: {dataset: near, labels: none, n_components: 5, models: [pca, vae]}",
        f"{tasks}\n  near_3: {near}, models: [gmvae]}}",
    )
    run = commands(METRICS, "--configfile", mine(text))
    graph = "results/graphs/near/plain.safetensors"
    assert run.count("-m gmvae.runs.neighbours ") == 1 and f"--output {graph} --kind plain" in run
    readers = [line for line in run.splitlines() if f"--graph {graph}" in line]
    runs_with_it = {re.search(r"--(?:weights|output) results/runs/(\w+/\w+)/", line)[1] for line in readers}
    assert runs_with_it == {"near/gmvae", "near/leiden_start", "near_2/gmdvae"}


def test_one_run_and_one_rule_can_be_asked_for(tmp_path):
    project, target = copied(tmp_path / "project"), "results/runs/digits/vae/metrics.csv"  # nothing is computed there
    assert runs(planned(project, target)) == {"digits/vae"}
    assert "results/runs/digits/vae/weights.safetensors" in planned(project, target, "--forcerun", "train")
    assert all(file.startswith("results/data/") for file in planned(project, "prepared"))


@pytest.mark.slow
def test_a_thousand_runs_are_planned_in_seconds(mine):
    """It takes 9 s of a processor core in one process, most of them Snakemake's own for its 3,000 jobs."""
    models = ["ae", "vae", "gmvae", "gmdvae", "vade", "m2", "idec", "pca", "pca_kmeans", "truth"]
    names = [f"toy_{number}" for number in range(100)]
    datasets = {name: {"name": name, "source": "toy", "test_share": 0.2} for name in names}
    tasks = {name: {"dataset": name, "labels": "none", "n_components": 5, "models": models} for name in names}
    study = {"title": "Many", "seeds": [0, 1], "tasks": names}
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    config = yaml.safe_dump({"study": "many", "studies": {"many": study}, "datasets": datasets, "tasks": tasks})
    files = planned(ROOT, METRICS, "--configfile", mine(config))
    assert len([file for file in files if file.endswith("/metrics.csv") and file != METRICS]) == 1000
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 40


def test_the_configuration_is_found_from_another_folder(mine, tmp_path):
    """A relative --configfile is one of the folder where the command is called."""
    mine(MINE)
    there = tmp_path / "there"
    there.mkdir()
    call = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(there)]
    run = snakemake(tmp_path, "-n", "--configfile", "mine.yaml", *call)
    assert run.returncode == 0 and "results/thesis.pdf" in run.stdout + run.stderr, run.stderr[-3000:]
    mine(MINE + "threads: 1\nthreads: 2\n")
    run = snakemake(tmp_path, "--configfile", "mine.yaml", *call)
    assert run.returncode == 1 and "mine.yaml, line 10: threads: found" in run.stderr


def test_a_key_that_stands_twice_in_a_file_is_refused_with_file_and_line(mine):
    line = refusal(ROOT, "--configfile", mine(MINE + "datasets:\n  far: {name: Far, source: toy}\n"))
    assert "mine.yaml, line 9: datasets: found" in line


def test_a_wrong_value_in_a_file_is_refused_by_its_key(mine):
    line = refusal(ROOT, "--configfile", mine("tasks: {toy: {models: [vaee]}}"))
    assert 'tasks.toy.models: found "vaee"' in line and line.endswith("did you mean vae?")


@pytest.mark.parametrize(
    ("file", "old", "new", "key"),
    [
        ("config.yaml", "\nthreads: 1\n", "\nthreads: 1\nthreads: 2\n", "threads"),
        ("config.yaml", "\n  embedded:\n", "\n\tembedded:\n", "embedded"),
        ("workflow/catalogue/models.yaml", "\n  vae: {", "\n vae: {", "vae"),
    ],
)
def test_shipped_files_are_refused_with_file_line_and_key(tmp_path, file, old, new, key):
    project = copied(tmp_path / "project")
    edited(project / file, old, new)
    lines = (project / file).read_text().splitlines()
    number = max(n for n, text in enumerate(lines, 1) if text.strip().startswith(f"{key}:"))
    assert f"{file}, line {number}: {key}: found" in refusal(project)


def test_readmes_dataset_and_task_may_also_stand_in_config_yaml(tmp_path):
    project = copied(tmp_path / "project")
    (snippet,) = re.findall(
        r"^(datasets:\n.*?)^thesis:", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.M
    )
    cells = tmp_path / "mine.h5ad"
    cells.touch()
    config = project / "config.yaml"
    config.write_text(config.read_text() + "\n" + re.sub(r"path: [^,}]*", f"path: {cells}", snippet))
    edited(config, "tasks: [toy,", "tasks: [mine, toy,")
    files = planned(project, METRICS)
    assert "results/data/mine.h5ad" in files and "mine/gmdvae" in runs(files)
