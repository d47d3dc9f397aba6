"""The number of jobs on a card follows its memory, as a stand-in for nvidia-smi tells it."""

import os

import pytest

from gmvae.runs.gpu_sharing import jobs_on_gpu


def put_nvidia_smi(folder, monkeypatch, script):
    """A program of this name before all others on the PATH."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("memory", "setting", "jobs"),
    [("81559", "auto", 8), ("24576", "auto", 3), ("4096", "auto", 1), ("81559", 2, 2), ("40960\n81559", "auto", 5)],
)
def test_a_card_takes_a_job_for_each_eight_gibibytes_and_at_most_eight(tmp_path, monkeypatch, memory, setting, jobs):
    put_nvidia_smi(tmp_path, monkeypatch, f"printf '{memory}\\n'")
    assert jobs_on_gpu(setting, "auto") == jobs and jobs_on_gpu(setting, "cuda") == jobs
    assert jobs_on_gpu(setting, "cpu") is None


@pytest.mark.parametrize("script", ["exit 9", "echo 'No devices were found'", "echo 81559; exit 6"])
def test_without_a_card_there_is_no_limit(tmp_path, monkeypatch, script):
    put_nvidia_smi(tmp_path, monkeypatch, script)
    assert jobs_on_gpu("auto", "auto") is None


def test_without_nvidia_smi_there_is_no_limit(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert jobs_on_gpu(3, "cuda") is None
