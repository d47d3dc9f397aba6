"""A training that is killed, that a signal ends, or in which seeds diverge: as users and clusters meet it."""

import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from support.checkout import copied, snakemake

import gmvae.models.vae
from gmvae.pipeline.errors import Refused
from gmvae.runs.train import train

SETTINGS = {"n_latent": 4, "n_hidden": 16}
PLAN = {"epochs": 12, "batch_size": 32, "learning_rate": 1e-3, "autoencode_epochs": 3, "guide_epochs": 3}


def start_training(toy, folder, module="gmdvae", minutes=0.0, **training):
    """Start a process that trains into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "data": toy / "toy.h5ad",
        "observed": toy / "observed.csv",
        "weights": folder / "weights.safetensors",
        "history": folder / "history.csv",
        "provenance": folder / "provenance.json",
        "module": module,
        "settings": json.dumps(SETTINGS),
        "training": json.dumps(PLAN | training),
        "n-components": "5",
        "checkpoint-minutes": str(minutes),
    }
    values = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "gmvae.runs.train", *values, "--seeds", "0", "1", "--no-progress"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def output_bytes(folder):
    """The bytes of the weights and of the history."""
    return [(folder / name).read_bytes() for name in ("weights.safetensors", "history.csv")]


def wait_until(happened, process, seconds=300):
    """Wait until the process has done something."""
    end = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)


# ---------------------------------------------------------------------------------------------------------- signals


def test_a_signal_makes_it_save_and_the_next_run_goes_on_from_there(toy, tmp_path):
    run(toy, tmp_path / "whole")
    folder = tmp_path / "ended"
    process = start_training(toy, folder, "vae", minutes=1e-9)  # its first save says that it trains
    wait_until((folder / "checkpoint.safetensors").exists, process)
    process.send_signal(signal.SIGTERM)
    message = process.communicate()[1]
    assert process.returncode == 128 + signal.SIGTERM
    assert message == f"SIGTERM: saved in {folder}/checkpoint.safetensors; run again to go on\n"
    assert [file.name for file in folder.iterdir()] == ["checkpoint.safetensors"]
    run(toy, folder)
    assert output_bytes(folder) == output_bytes(tmp_path / "whole")
    assert sorted(file.name for file in folder.iterdir()) == ["history.csv", "provenance.json", "weights.safetensors"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_waits_for_the_end_of_a_step(toy, tmp_path, number, monkeypatch, capsys):
    """The step in which it comes is done and saved; before and after training it works as ever."""
    before = signal.getsignal(number)
    terms, calls = gmvae.models.vae.Model.terms, []

    def telling(self, batch):
        calls.append(self.training)
        if len(calls) == 50:
            os.kill(os.getpid(), number)
        return terms(self, batch)

    run(toy, tmp_path / "whole")
    monkeypatch.setattr("gmvae.models.vae.Model.terms", telling)
    with pytest.raises(SystemExit) as end:
        run(toy, tmp_path / "ended")
    assert end.value.code == 128 + number and len(calls) == 50 and signal.getsignal(number) == before
    assert capsys.readouterr().err.startswith(f"{signal.Signals(number).name}: saved in {tmp_path}/ended/checkpoint.s")
    monkeypatch.undo()
    run(toy, tmp_path / "ended")
    n_steps = math.ceil(len(lines(toy / "observed.csv")) / PLAN["batch_size"])
    assert f"training goes on in epoch {1 + 50 // n_steps}\n" in capsys.readouterr().err
    assert output_bytes(tmp_path / "ended") == output_bytes(tmp_path / "whole")


@pytest.mark.slow
def test_killed_at_twenty_random_moments_it_ends_with_the_same_bytes(toy, tmp_path):
    """It saves after every step, so that it is killed while it writes, too."""
    plan = {"epochs": 30, "batch_size": 128, "autoencode_epochs": 8, "guide_epochs": 8}
    whole = start_training(toy, tmp_path / "whole", **plan)
    assert whole.wait() == 0, whole.stderr.read()
    draws, folder, reached = random.Random(20), tmp_path / "killed", []
    for _ in range(20):
        process = start_training(toy, folder, minutes=1e-9, **plan)
        for _ in range(draws.randint(1, 4)):  # by saves and not by time, which other work on the machine stretches
            before = time_of_save(folder)
            wait_until(lambda before=before: time_of_save(folder) != before, process)
        time.sleep(draws.uniform(0, 0.01))
        process.kill()
        reached += re.findall(r"goes on in epoch (\d+)", process.communicate()[1])
        assert process.returncode == -signal.SIGKILL
    assert len(set(reached)) > 5, reached  # it did not begin anew each time
    last = start_training(toy, folder, minutes=1e-9, **plan)
    assert last.wait() == 0, last.stderr.read()
    assert output_bytes(folder) == output_bytes(tmp_path / "whole")
    assert sorted(file.name for file in folder.iterdir()) == ["history.csv", "provenance.json", "weights.safetensors"]


def time_of_save(folder):
    """When the run in the folder was last saved; None before."""
    file = folder / "checkpoint.safetensors"
    return file.stat().st_mtime_ns if file.exists() else None


@pytest.mark.slow
def test_snakemake_tries_again_what_a_signal_ended(tmp_path):
    project = copied(tmp_path / "project")
    target = "results/runs/toy_tiny/gmdvae/weights.safetensors"
    saved = (project / target).with_name("checkpoint.safetensors")
    tiny = ["--configfile", "tests/tiny/config.yaml"]
    shorter = ["--config", "checkpoint_minutes=0.001"]
    assert snakemake(project, "results/tasks/toy_tiny/observed.csv", *tiny).returncode == 0
    (project / "tests/tiny/config.yaml").write_text(
        (project / "tests/tiny/config.yaml").read_text().replace("epochs: 4,", "epochs: 400,", 1)
    )
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--retries", "1", target, *tiny, *shorter]
    run = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_until(saved.exists, run)
    trainers = [
        child for child in psutil.Process(run.pid).children(recursive=True) if "gmvae.runs.train" in child.cmdline()
    ]
    assert len(trainers) == 1 and not trainers[0].parent().name().endswith("sh")  # it is the job: signals reach it
    trainers[0].send_signal(signal.SIGTERM)
    output = run.communicate(timeout=600)[0]
    assert run.returncode == 0, output[-3000:]
    assert "SIGTERM: saved in " in output and "Trying to restart job" in output
    assert "training goes on in epoch" in (project / "results/logs/train/toy_tiny/gmdvae.log").read_text()
    assert not saved.exists() and (project / target).exists()


# ------------------------------------------------------------------------------------------------------- divergence


def test_a_run_that_diverges_says_where_and_what_to_try(toy, tmp_path):
    process = start_training(toy, tmp_path, module="vae", learning_rate=1e15)
    message = process.communicate()[1]
    assert process.returncode == 1
    assert re.fullmatch(
        rf"error: \w+ of seed 0 .* 1e\+10, in epoch \d+ .*seeds 1\).* {tmp_path}/checkpoint\.safetensors .*"
        r"no other seed .*training\.learning_rate below 1e\+15, .*training\.clip: 1\n",
        message,
    ), message
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def run(toy, folder, **training):
    """Train into the folder in this process."""
    files = [folder / name for name in ("weights.safetensors", "history.csv", "provenance.json")]
    folder.mkdir(parents=True, exist_ok=True)
    data = toy / "toy.h5ad", toy / "observed.csv"
    train(*data, *files, "vae", SETTINGS, PLAN | training, 5, [0, 1], "cpu", progress=False)


@pytest.fixture
def poisoned(monkeypatch):
    """Seed 0's kl_z is no number once, in the second epoch."""
    terms, calls = gmvae.models.vae.Model.terms, []

    def spoiled(self, batch):
        values = terms(self, batch)
        calls.append(self.training)
        if self.training and sum(calls) == 40:
            factor = torch.tensor([torch.nan, 1.0]).unsqueeze(1)
            values["kl_z"] = values["kl_z"] * factor
        return values

    monkeypatch.setattr("gmvae.models.vae.Model.terms", spoiled)


def test_what_survives_a_divergence_is_kept_and_written_when_asked_for(toy, tmp_path, poisoned, monkeypatch, capsys):
    folder = tmp_path / "run"
    message = (
        rf"^kl_z of seed 0 .* 1e\+10, in epoch 2; {folder}/checkpoint\.safetensors .*training\.diverged to keep"
        r".*training\.learning_rate below 0\.001, .*training\.clip: 1$"
    )
    with pytest.raises(Refused, match=message):
        run(toy, folder)
    assert [file.name for file in folder.iterdir()] == ["checkpoint.safetensors"]
    monkeypatch.undo()
    monkeypatch.setattr("gmvae.training.loop.train_epoch", None)  # nothing is trained again
    run(toy, folder, diverged="keep")
    monkeypatch.undo()
    assert "kl_z of seed 0" in capsys.readouterr().err
    made = json.loads((folder / "provenance.json").read_text())
    assert made["diverged"] == [{"seed": 0, "epoch": 2, "term": "kl_z"}]
    run(toy, tmp_path / "whole", diverged="keep")
    assert "diverged" not in json.loads((tmp_path / "whole/provenance.json").read_text())
    ours, whole = (lines(path / "history.csv") for path in (folder, tmp_path / "whole"))
    assert ours == [line for line in whole if line.startswith(("1,", "0,1,"))]


def lines(path: Path):
    """The lines of a csv file below its head."""
    return path.read_text().splitlines()[1:]


def test_a_divergence_fails_the_same_when_tried_again(toy, tmp_path, poisoned, monkeypatch):
    with pytest.raises(Refused) as first:
        run(toy, tmp_path)
    monkeypatch.undo()
    with pytest.raises(Refused) as second:
        run(toy, tmp_path)
    assert str(first.value) == str(second.value)


def test_other_settings_start_the_training_again(toy, tmp_path, poisoned, monkeypatch, capsys):
    with pytest.raises(Refused):
        run(toy, tmp_path)
    monkeypatch.undo()
    run(toy, tmp_path, learning_rate=5e-4)
    assert "checkpoint.safetensors: not used, as its settings differ" in capsys.readouterr().err
    assert not (tmp_path / "checkpoint.safetensors").exists()
