"""How many jobs the graphics cards take, and which job gets which: a stand-in for nvidia-smi, and jobs that wait."""

import os
import subprocess
import time
from collections import Counter

import pytest
from support.checkout import TINY, copied, snakemake

from gmvae.pipeline.sources import ROOT
from gmvae.runs.gpu_sharing import job_places, jobs_by_card

TASKS = ["toy_tiny", "digits_tiny"]
SCRIPT = ROOT / "workflow/choose_gpu.sh"
TRAINING = """import os, sys, time
from pathlib import Path
options = dict(zip(sys.argv[1:], sys.argv[2:]))
start = time.time()
time.sleep(1)
for name in ("--weights", "--history", "--provenance"):
    Path(options[name]).write_text("")
with open("jobs.txt", "a") as file:
    file.write(f"{start} {time.time()} {os.environ.get('CUDA_VISIBLE_DEVICES')}\\n")
"""


@pytest.fixture
def cards(tmp_path, monkeypatch):
    """A function that puts an nvidia-smi first on the PATH, for cards with these MiB, called GPU-0 and so on."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where the locks are
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)

    def put(*memory: int, script: str = "") -> None:
        lines = [f"echo '{index}, GPU-{index}, {mebibytes}'" for index, mebibytes in enumerate(memory)]
        (folder / "nvidia-smi").write_text("\n".join(["#!/bin/sh", *lines, script]))
        (folder / "nvidia-smi").chmod(0o755)

    return put


@pytest.mark.parametrize(
    ("memory", "setting", "jobs"),
    [
        ([81559], "auto", [8]),
        ([24576], "auto", [3]),
        ([4096], "auto", [1]),
        ([81559], 2, [2]),
        ([40960, 81559], "auto", [5, 8]),
        ([40960, 81559], 3, [3, 3]),
    ],
)
def test_a_card_takes_a_job_for_each_eight_gibibytes_and_at_most_eight(cards, memory, setting, jobs):
    cards(*memory)
    assert list(jobs_by_card(setting, "auto").values()) == jobs
    assert jobs_by_card(setting, "cuda") == jobs_by_card(setting, "auto")
    assert jobs_by_card(setting, "cpu") == {}


@pytest.mark.parametrize("script", ["exit 9", "echo 'No devices were found'", "echo '0, GPU-0, 81559'; exit 6"])
def test_without_a_card_there_is_no_limit(cards, script):
    cards(script=script)
    assert jobs_by_card("auto", "auto") == {}


def test_without_nvidia_smi_there_is_no_limit(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert jobs_by_card(3, "cuda") == {}


@pytest.mark.parametrize(
    ("visible", "jobs"),
    [
        ("1", {"1": 2}),
        ("GPU-1, GPU-2", {"GPU-1": 2, "GPU-2": 3}),
        ("MIG-7", {"MIG-7": 1}),
        ("0,-1,1", {"0": 1}),
        ("-1", {}),
        ("", {}),
    ],
)
def test_only_the_cards_count_that_the_user_lets_programs_see(cards, monkeypatch, visible, jobs):
    cards(8192, 16384, 24576)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert jobs_by_card("auto", "auto") == jobs


def test_jobs_go_to_all_cards_before_a_card_gets_a_second_one():
    assert job_places({"a": 3, "b": 1, "c": 2}) == ["a", "b", "c", "a", "c", "a"]
    assert job_places({}) == []


def start_job(command: str, places: str = "a b a b", **environment: str) -> subprocess.Popen:
    """Start a step as Snakemake does, with the option of those that compute on a card."""
    text = f". '{SCRIPT}'; exec bash -c '{command}' step --device auto "
    environment = os.environ | {"GMVAE_GPU_PLACES": places} | environment
    return subprocess.Popen(["bash", "-euc", text], env=environment, stdout=subprocess.PIPE, text=True)


TELL_AND_WAIT = "echo $CUDA_VISIBLE_DEVICES; sleep 60"


def card_of(job: subprocess.Popen) -> str:
    return job.stdout.readline().strip()


@pytest.fixture
def held(cards):
    """Jobs on all four places."""
    jobs = [start_job(TELL_AND_WAIT) for _ in range(4)]
    yield jobs
    for job in jobs:
        job.kill()
        job.communicate()


def test_jobs_share_the_places_and_the_next_waits_until_one_is_killed(held):
    cards = list(map(card_of, held))
    assert Counter(cards) == {"a": 2, "b": 2}
    waiting = start_job("echo $CUDA_VISIBLE_DEVICES")
    time.sleep(2)
    assert waiting.poll() is None
    held[2].kill()
    assert card_of(waiting) == cards[2] and waiting.wait(30) == 0


def test_a_step_without_a_card_and_a_job_of_slurm_are_left_alone(held):
    assert Counter(map(card_of, held)) == {"a": 2, "b": 2}
    other = ["bash", "-euc", f". '{SCRIPT}'; echo ${{CUDA_VISIBLE_DEVICES-none}}"]
    run = subprocess.run(other, env=os.environ | {"GMVAE_GPU_PLACES": "a"}, capture_output=True, text=True, timeout=30)
    assert run.stdout == "none\n"
    assert card_of(start_job("echo $CUDA_VISIBLE_DEVICES", SLURM_JOB_ID="7", CUDA_VISIBLE_DEVICES="5")) == "5"


@pytest.mark.slow
@pytest.mark.parametrize(("memory", "most"), [([12000], {"None": 1}), ([12000, 16384], {"GPU-0": 1, "GPU-1": 2})])
def test_sixty_four_cores_train_no_more_models_than_the_cards_take(tmp_path, cards, memory, most):
    """All trainings of the tiny study could start; they are replaced by jobs of one second."""
    cards(*memory)
    project = copied(tmp_path / "a project")
    (project / "src/gmvae/runs/train.py").write_text(TRAINING)
    for file in (
        "data/toy_tiny.h5ad",
        "data/digits.h5ad",
        "tasks/toy_tiny/observed.csv",
        "tasks/digits_tiny/observed.csv",
    ):
        (project / "results" / file).parent.mkdir(parents=True, exist_ok=True)
        (project / "results" / file).touch()
    runs = ["toy_tiny/ae", "toy_tiny/vae", "toy_tiny/gmdvae", "digits_tiny/gmdvae"]
    run = snakemake(project, *(f"results/runs/{name}/weights.safetensors" for name in runs), *TINY, cores="64")
    assert run.returncode == 0, run.stderr[-3000:]
    jobs = [line.split() for line in (project / "jobs.txt").read_text().splitlines()]
    assert len(jobs) == len(runs) and {card for *_, card in jobs} == set(most)
    for start, _, card in jobs:
        assert sum(float(s) <= float(start) < float(e) and c == card for s, e, c in jobs) <= most[card]
