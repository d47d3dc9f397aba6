"""A small study that is killed, or meets a full disk, a wrong clock or a second call: it ends as if undisturbed."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from support.checkout import copied, count

STUDY = {
    "study": "faults",
    "studies": {"faults": {"title": "Faults", "seeds": [0, 1], "tasks": ["toy_faults"]}},
    "datasets": {
        "toy_faults": {"name": "Toy", "source": "toy", "test_share": 0.2, "settings": {"n_per_group": 12}},
    },
    "tasks": {
        "toy_faults": {
            "dataset": "toy_faults",
            "labels": "none",
            "n_components": 5,
            "models": ["truth", "pca", "vae"],
            "settings": {"n_dimensions": 4, "n_latent": 4, "n_hidden": 8},
            "training": {"epochs": 30, "autoencode_epochs": 1, "guide_epochs": 1},
        }
    },
    "thesis": {"figures": {"latents": "all"}},
    "checkpoint_minutes": 0.0001,
}
COMPARED = ("*.csv", "*.safetensors", "*.h5ad")
TARGET = "results/metrics.csv"
RUN = "results/runs/toy_faults/vae"
pytestmark = pytest.mark.slow


def new_project(folder: Path) -> Path:
    """A checkout with the small study."""
    copied(folder)
    (folder / "faults.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


def start(project: Path, *before: str, log: str = "output.txt") -> subprocess.Popen:
    """Start Snakemake in a session of its own; its output goes to a file, as jobs that go on would hold a pipe."""
    command = [*before, sys.executable, "-m", "snakemake", "--cores", "2", TARGET, "--configfile", "faults.yaml"]
    with (project / log).open("wb") as output:
        return subprocess.Popen(command, cwd=project, stdout=output, stderr=output, start_new_session=True)


def finish(project: Path) -> dict[str, bytes]:
    """Call Snakemake until its end, as after a fault whose cause is gone; the bytes of its results by name."""
    unlock = [sys.executable, "-m", "snakemake", "--unlock", "--configfile", "faults.yaml"]
    if any((project / ".snakemake/locks").glob("*")):
        subprocess.run(unlock, cwd=project, check=True, capture_output=True, timeout=600)
    assert start(project).wait(timeout=1200) == 0, output_of(project)
    return result_bytes(project)


def output_of(project: Path, log: str = "output.txt") -> str:
    """The end of what Snakemake printed."""
    return (project / log).read_text()[-4000:]


def result_bytes(project: Path) -> dict[str, bytes]:
    """The bytes of all results but times; no temporary file and no checkpoint is left."""
    files = sorted(path for pattern in COMPARED for path in (project / "results").rglob(pattern))
    assert not [path for path in files if path.name.startswith((".", "checkpoint"))]
    return {str(path.relative_to(project)): path.read_bytes() for path in files if "logs" not in path.parts}


def assert_same(results: dict[str, bytes], undisturbed: dict[str, bytes]) -> None:
    """The same files with the same bytes."""
    assert results.keys() == undisturbed.keys()
    assert [name for name in results if results[name] != undisturbed[name]] == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The results of the small study without any fault."""
    return finish(new_project(tmp_path_factory.mktemp("undisturbed") / "project"))


def finished_files(project: Path) -> int:
    """How many files there are in the results."""
    return sum(path.is_file() for path in (project / "results").rglob("*"))


def wait_for(happened, process: subprocess.Popen, seconds: float = 600) -> None:
    """Wait until something has happened or the process has ended."""
    end = time.monotonic() + seconds
    while process.poll() is None and not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def kill_something(process: subprocess.Popen, project: Path, draws: random.Random) -> None:
    """SIGKILL all of a call, as a machine that goes down does, or only Snakemake, or only one of its jobs."""
    kind = draws.choice(["all", "snakemake", "job"])
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        jobs = [child for child in psutil.Process(process.pid).children(True) if "-m" in child.cmdline()]
        if kind == "all":
            os.killpg(process.pid, signal.SIGKILL)
        elif kind == "job" and jobs:
            draws.choice(jobs).kill()
        else:
            process.kill()
    process.wait(timeout=600)
    psutil.wait_procs([job for job in psutil.process_iter(["cwd"]) if job.info["cwd"] == str(project)], timeout=600)


def test_killed_at_twenty_random_moments_it_ends_with_the_same_bytes(tmp_path, undisturbed):
    project, draws = new_project(tmp_path / "project"), random.Random(20)
    for _ in range(20):
        process = start(project)
        goal = finished_files(project) + draws.randint(0, 4)
        wait_for(lambda goal=goal: finished_files(project) > goal, process)
        time.sleep(draws.uniform(0, 0.5))
        kill_something(process, project, draws)
        locks = project / ".snakemake/locks"
        shutil.rmtree(locks, ignore_errors=True)  # as snakemake --unlock does, which takes seconds
        if (project / TARGET).exists():
            (project / TARGET).unlink()
            shutil.rmtree(project / "results/runs", ignore_errors=True)
    assert_same(finish(project), undisturbed)
    count("faults survived", 20)


def test_a_full_disk_ends_in_one_line_and_the_next_call_goes_on(tmp_path, undisturbed):
    project = new_project(tmp_path / "project")
    disk = project / "results"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", disk], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"no small disk can be mounted here: {mount.stderr.strip()}")
    try:
        process = start(project)
        wait_for(lambda: list(disk.glob("data/*.h5ad")), process)
        fill_disk(disk / "filler")
        assert process.wait(timeout=1200) != 0
        logs = "".join(path.read_text() for path in disk.rglob("*.log"))
        assert "No space left on device" in output_of(project) + logs
        (disk / "filler").unlink()
        assert_same(finish(project), undisturbed)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
    count("faults survived")


def fill_disk(file: Path) -> None:
    """Write until the disk is full."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(1 << 16))


@pytest.mark.skipif(shutil.which("faketime") is None, reason="no faketime, which sets the clock of a process")
def test_a_clock_that_was_set_back_changes_nothing(tmp_path, undisturbed):
    project = new_project(tmp_path / "project")
    process = start(project)
    wait_for(lambda: list((project / "results/data").glob("*.h5ad")), process)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=600)
    start(project, "faketime", "-1 day").wait(timeout=1200)
    assert_same(finish(project), undisturbed)
    count("faults survived")


def test_files_of_tomorrow_change_nothing(tmp_path, undisturbed):
    """What a clock leaves behind that was wrong for a while."""
    project = new_project(tmp_path / "project")
    finish(project)
    tomorrow = time.time() + 86_400
    for name in ("results/data/toy_faults.h5ad", f"{RUN}/weights.safetensors"):
        os.utime(project / name, (tomorrow, tomorrow))
    for name in (f"{RUN}/latent.h5ad", f"{RUN}/metrics.csv", TARGET):
        (project / name).unlink()
    assert_same(finish(project), undisturbed)
    count("faults survived")


def test_two_calls_at_once_make_it_once(tmp_path, undisturbed):
    project = new_project(tmp_path / "project")
    first = start(project)
    wait_for(lambda: any((project / ".snakemake/locks").glob("*")), first)
    second = start(project, log="second.txt")
    assert second.wait(timeout=600) != 0
    assert f"process {first.pid} works in it; wait until that call has ended" in output_of(project, "second.txt")
    assert first.wait(timeout=1200) == 0
    assert_same(finish(project), undisturbed)
    count("faults survived")
