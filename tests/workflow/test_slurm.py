"""The pipeline on a cluster: a real Slurm of one machine, with jobs cancelled and a node drained under them.

`make test-slurm` runs these tests. The cluster is started and stopped here; without Slurm, or as another user than
root, they are skipped.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from support.checkout import TINY, copied, snakemake
from support.slurm import reason_to_skip, run_cluster, slurm, wait_for_state

pytest.importorskip("snakemake_executor_plugin_slurm", reason="needs the extra slurm of pyproject.toml")

PROFILE = ["--profile", "profiles/slurm"]
# The cluster of the tests has no accounts, which is where Snakemake looks by default, and its jobs take seconds.
HERE = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2", "--slurm-no-account"]
RUN = Path("results/runs/toy_tiny/gmdvae")
TIMES = ("provenance.json", "seals.json")  # what no two runs have alike
LATEX = shutil.which("pdflatex") is not None and shutil.which("biber") is not None


@pytest.fixture(scope="module")
def node():
    """The name of the only node of a running cluster."""
    if reason_to_skip():
        pytest.skip(reason_to_skip())
    folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))
    with run_cluster(folder) as name:
        yield name
    shutil.rmtree(folder)


def jobs_in_state(*states: str) -> list[str]:
    """The numbers of the cluster's jobs in these states."""
    return slurm("squeue", "-h", "-o", "%i", "-t", ",".join(states)).split()


def wait_until(happened: Callable[[], object], run: subprocess.Popen, seconds: float = 600) -> None:
    """Wait while a workflow runs until something has happened."""
    end = time.monotonic() + seconds
    while not happened():
        assert run.poll() is None, run.communicate()[0][-3000:]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


# ------------------------------------------------------------------------------------------- what jobs ask for


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with a training of 600 epochs."""
    folder = copied(tmp_path_factory.mktemp("slurm") / "project")
    tiny = folder / "tests/tiny/config.yaml"
    tiny.write_text(tiny.read_text().replace("epochs: 4,", "epochs: 600,", 1))
    return folder


def job_resources(project: Path, rule: str, *options: str) -> dict[str, str]:
    """What one job of a rule would ask of Slurm, by resource."""
    run = snakemake(project, "-n", "--forcerun", rule, *PROFILE, *TINY, *options)
    assert run.returncode == 0, run.stderr[-3000:]
    output = run.stdout + run.stderr
    line = re.search(rf"^(?:local)?rule {rule}:.*?^    resources: (.*?)$", output, re.M | re.S)[1]
    return dict(part.split("=", 1) for part in line.split(", "))


@pytest.mark.slow
def test_a_job_asks_for_memory_by_the_size_of_its_files_and_for_a_gpu_where_the_config_has_one(project):
    data = project / "results/data/toy_tiny.h5ad"
    data.parent.mkdir(parents=True)
    data.write_bytes(bytes(40 << 20))
    observed = project / "results/tasks/toy_tiny/observed.csv"
    observed.parent.mkdir(parents=True)
    observed.touch()
    try:
        target = str(RUN / "weights.safetensors")
        on_gpu = job_resources(project, "train", "--config", "device=cuda", "--", target)
        on_cpu = job_resources(project, "train", "--config", "device=cpu", "--", target)
    finally:
        shutil.rmtree(project / "results")
    assert on_gpu["gpu"] == "1" and on_cpu["gpu"] == "0"
    assert on_cpu["runtime"] == "240" and int(on_cpu["mem_mb"]) == 2000 + 25 * 40


# ---------------------------------------------------------------------------------------------- the whole study


@pytest.mark.slow
@pytest.mark.slurm
def test_a_cancelled_training_on_a_drained_node_comes_back_from_its_checkpoint(node, project):
    inputs = [f"results/{name}" for name in ("data/toy_tiny.h5ad", "tasks/toy_tiny/observed.csv")]
    assert snakemake(project, *inputs, *TINY).returncode == 0
    with start_training(project) as run:
        wait_until((project / RUN / "checkpoint.safetensors").exists, run)
        slurm("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
        (first,) = jobs_in_state("running")
        slurm("scancel", first)
        wait_until(lambda: jobs_in_state("pending"), run)
        wait_for_state(node, "drained")
        log = project / "results/logs/train/toy_tiny/gmdvae.log"
        assert "SIGTERM: saved in" in log.read_text()  # the notice reaches the training, through two other Snakemakes
        (second,) = jobs_in_state("pending")
        assert second != first and (project / RUN / "checkpoint.safetensors").exists()
        assert memory_of(second) == 2 * memory_of(first)  # the second try asks for more
        slurm("scontrol", "update", f"nodename={node}", "state=resume")
        output = run.communicate(timeout=900)[0]
    assert run.returncode == 0, output[-3000:]
    assert "Trying to restart job" in output
    assert "training goes on in epoch" in log.read_text()
    assert not (project / RUN / "checkpoint.safetensors").exists()
    resumed = run_bytes(project)
    shutil.rmtree(project / RUN)
    assert snakemake(project, str(RUN / "weights.safetensors"), *TINY).returncode == 0
    assert run_bytes(project) == resumed


@contextmanager
def start_training(project: Path) -> Iterator[subprocess.Popen]:
    """A Snakemake that gives one training, which saves itself again and again, to Slurm; killed in the end."""
    command = [sys.executable, "-m", "snakemake", *PROFILE, *HERE, *TINY, "--config", "checkpoint_minutes=0.02"]
    command += ["--", str(RUN / "weights.safetensors")]
    run = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield run
    finally:
        run.kill()


def run_bytes(project: Path) -> list[bytes]:
    """The bytes of the weights and of the history."""
    return [(project / RUN / name).read_bytes() for name in ("weights.safetensors", "history.csv")]


def memory_of(job: str) -> int:
    """The memory in MB that a job asked for."""
    return int(re.search(r"MinMemoryNode=(\d+)M", slurm("scontrol", "show", "job", job))[1])


@pytest.mark.slow
@pytest.mark.slurm
def test_the_tiny_study_gives_the_bytes_of_a_run_without_slurm(node, tmp_path):
    target = "results/thesis.pdf" if LATEX else "results"
    local, cluster = copied(tmp_path / "local"), copied(tmp_path / "cluster")
    run = snakemake(local, target, *TINY)
    assert run.returncode == 0, run.stderr[-3000:]
    command = [sys.executable, "-m", "snakemake", *PROFILE, *HERE, *TINY, "--", target]
    run = subprocess.run(command, cwd=cluster, capture_output=True, text=True, timeout=3000)
    assert run.returncode == 0, run.stderr[-3000:]
    files = result_files(local)
    assert files == result_files(cluster) and len(files) > 40
    different = [file for file in files if (local / file).read_bytes() != (cluster / file).read_bytes()]
    assert different == []
    groups = re.findall(r"slurm/group_\w+/\d+\.log", run.stderr + run.stdout)
    assert len(groups) > 3  # short jobs went together


def result_files(project: Path) -> list[str]:
    """What a study makes, but for logs, what LaTeX leaves, and records of when and where something was made."""
    files = [path.relative_to(project) for path in (project / "results").rglob("*") if path.is_file()]
    kept = [file for file in files if file.parts[1] not in ("logs", "latex") and file.name not in TIMES]
    return sorted(str(file) for file in kept if not file.name.startswith("."))


def test_the_profile_names_only_rules_and_options_that_exist():
    root = Path(__file__).resolve().parents[2]
    profile = yaml.safe_load((root / "profiles/slurm/config.yaml").read_text())
    text = "\n".join(file.read_text() for file in (root / "workflow").rglob("*.smk"))
    rules = set(re.findall(r"^rule (\w+):", text, re.M))
    groups = dict(entry.split("=") for entry in profile["groups"])
    assert {*groups, *profile["set-resources"]} <= rules
    assert {entry.split("=")[0] for entry in profile["group-components"]} <= set(groups.values())
