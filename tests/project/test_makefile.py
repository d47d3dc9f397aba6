"""The branches of the Makefile, on a copy of it with programs that only note how they were called."""

import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REAL = ["sh", "touch", "find", "rm", "sed", "expand", "mkdir", "chmod", "cp"]  # what recipes may use of the system
LATEX = ["pdflatex", "biber", "kpsewhich"]


class Project:
    """A folder with the Makefile, and a PATH that holds nothing but what a test puts there."""

    def __init__(self, root: Path):
        self.root, self.bin, self.calls = root, root / "bin", root / "calls.txt"
        self.calls.touch()
        for name in ("Makefile", "constraints.txt", "pyproject.toml"):
            shutil.copy(ROOT / name, root)
        (root / "thesis").mkdir()
        shutil.copy(ROOT / "thesis/latex-packages.txt", root / "thesis")
        self.bin.mkdir()
        for name in REAL:
            (self.bin / name).symlink_to(shutil.which(name))
        self.program("bin/id", "echo 1000")
        self.program(".venv/bin/snakemake")
        self.program(".venv/bin/python")
        (root / ".venv/.stamp").touch()

    def program(self, path: str, body: str = "") -> None:
        """A program that notes its name and arguments, then does `body`."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'#!/bin/sh\necho "{file.name} $*" >> "{self.calls}"\n{body}\n')
        file.chmod(0o755)

    def latex(self) -> None:
        for name in LATEX:
            self.program(f"bin/{name}")

    def apt(self, works: bool) -> None:
        """An apt-get; one that works leaves LaTeX behind."""
        copies = "; ".join(f'cp "{self.bin}/id" "{self.bin}/{name}"' for name in LATEX)
        self.program("bin/apt-get", f'case "$1" in install) {copies};; esac' if works else "exit 100")

    def make(self, *arguments: str) -> subprocess.CompletedProcess:
        environment = {"PATH": str(self.bin), "HOME": str(self.root)}
        command = [shutil.which("make"), *arguments]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True)

    def called(self, name: str) -> list[str]:
        """The calls of a program, as `name arguments`."""
        return [line for line in self.calls.read_text().splitlines() if line.split()[0] == name]


@pytest.fixture(params=["project", "a project"])
def project(tmp_path, request) -> Project:
    """In a folder whose name has a space, too."""
    root = tmp_path / request.param
    root.mkdir()
    return Project(root)


def test_make_runs_the_pipeline_and_installs_nothing_where_all_is_there(project):
    project.latex()
    project.apt(works=True)
    project.program("bin/id", "echo 0")
    finished = project.make()
    assert finished.returncode == 0, finished.stderr
    assert project.called("snakemake") == ["snakemake --cores all"]
    assert not project.called("apt-get") and not project.called("python")


def test_make_installs_latex_as_root(project):
    project.program("bin/id", "echo 0")
    project.apt(works=True)
    finished = project.make()
    assert finished.returncode == 0, finished.stderr
    assert [call.split()[1] for call in project.called("apt-get")] == ["update", "install"]
    assert "texlive-science" in project.called("apt-get")[1]
    assert project.called("snakemake") == ["snakemake --cores all"]


def test_on_a_terminal_make_shows_bars(project):
    """A plain call of Snakemake needs no plugin, so nothing but make asks for it."""
    project.latex()
    ours, theirs = pty.openpty()
    environment = {"PATH": str(project.bin), "HOME": str(project.root)}
    command = [shutil.which("make")]
    finished = subprocess.run(command, cwd=project.root, env=environment, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    os.close(ours)
    assert finished.returncode == 0
    assert project.called("snakemake") == ["snakemake --cores all --logger=rich"]
    profile = (ROOT / "profiles/default/config.yaml").read_text()
    assert "logger" not in profile


@pytest.mark.parametrize("user", ["not root", "root without apt", "root whose apt fails"])
def test_make_without_latex_makes_all_but_the_pdf_and_says_what_to_install(project, user):
    if user != "not root":
        project.program("bin/id", "echo 0")
    if user != "root without apt":
        project.apt(works=False)
    finished = project.make()
    assert finished.returncode != 0
    assert "Error 1" in finished.stderr  # make's own status is 2 whenever a recipe's is not 0
    assert project.called("snakemake") == ["snakemake --cores all results"]
    lines = finished.stdout.splitlines()
    first, advice = [line for line in lines if "LaTeX is missing" in line]
    assert first == advice == lines[-1] == next(line for line in lines if not line.startswith("Installing"))
    assert "lmodern" in advice and "biber" in advice and "texlive-latex-extra" in advice
    assert bool(project.called("apt-get")) == (user == "root whose apt fails")


def test_latex_without_a_package_counts_as_missing(project):
    project.latex()
    project.program("bin/kpsewhich", "exit 1")
    assert project.make().returncode != 0
    assert project.called("snakemake") == ["snakemake --cores all results"]


def test_make_fails_when_the_pipeline_fails(project):
    project.latex()
    project.program(".venv/bin/snakemake", "exit 1")
    assert project.make().returncode != 0


def test_the_report_follows_the_results(project):
    project.latex()
    assert project.make("report").returncode == 0
    assert project.called("snakemake") == ["snakemake --cores all", "snakemake --report results/report.html"]


def test_the_installer_runs_once_and_again_when_the_pins_change(project):
    project.latex()
    stamp = project.root / ".venv/.stamp"
    stamp.unlink()
    project.program("bin/python3.11")
    for expected in (1, 1):
        assert project.make("thesis").returncode == 0
        assert len(project.called("python")) == expected
    (call,) = project.called("python")
    assert "pip install" in call and "-c constraints.txt" in call
    for changed in ("constraints.txt", "pyproject.toml"):
        late = stamp.stat().st_mtime + 10
        os.utime(project.root / changed, (late, late))
        os.utime(stamp, (late - 5, late - 5))
        before = len(project.called("python"))
        assert project.make("thesis").returncode == 0
        assert len(project.called("python")) == before + 1
        os.utime(project.root / changed, (0, 0))


def test_an_installer_that_fails_leaves_no_stamp(project):
    (project.root / ".venv/.stamp").unlink()
    project.program("bin/python3.11")
    project.program(".venv/bin/python", "exit 1")
    assert project.make("test").returncode != 0
    assert not (project.root / ".venv/.stamp").exists()


def test_a_missing_environment_is_made_with_the_first_python_that_is_new_enough(project):
    project.latex()
    shutil.rmtree(project.root / ".venv")
    made = 'mkdir -p .venv/bin; for p in python snakemake; do cp "$0" .venv/bin/$p; done'
    project.program("bin/python3.11", "exit 1")  # as a pyenv shim of a version that is not installed
    project.program("bin/python3.12", f'case "$1" in -m) {made};; esac')
    finished = project.make()
    assert finished.returncode == 0, finished.stderr
    assert "python3.12 -m venv .venv" in project.called("python3.12")
    assert (project.root / ".venv/.stamp").exists()


def test_a_python_that_is_too_old_is_refused_with_the_remedy(project):
    shutil.rmtree(project.root / ".venv")
    project.program("bin/python3", "exit 1")
    finished = project.make()
    assert finished.returncode != 0
    assert "Python 3.11 or newer is missing" in finished.stdout
    assert "make PYTHON=" in finished.stdout


APART = "not scale and not slurm and not storage"  # each has a target of its own


@pytest.mark.parametrize(("target", "selection"), [("test", f"-m not slow and {APART}"), ("test-all", f"-m {APART}")])
def test_tests_run_on_all_cores_without_latex_too(project, target, selection):
    finished = project.make(target)
    assert finished.returncode == 0, finished.stderr
    (call,) = project.called("python")
    assert call.startswith("python -m pytest -n auto") and call.endswith(selection)


@pytest.mark.parametrize("user", ["root", "not root", "root with Slurm"])
def test_the_tests_of_slurm_install_it_where_that_is_allowed(project, user):
    project.latex()
    project.program(".venv/bin/python", 'case "$1" in -c) exit 1;; esac')
    project.apt(works=False)
    if user != "not root":
        project.program("bin/id", "echo 0")
    if user == "root with Slurm":
        project.program("bin/slurmctld")
        project.program("bin/munged")
    finished = project.make("test-slurm")
    assert finished.returncode == 0, finished.stderr
    look, install, tests = project.called("python")
    assert "snakemake_executor_plugin_slurm" in look and tests == "python -m pytest -m slurm"
    assert "-c constraints.txt" in install and install.endswith(".[dev,slurm]")
    assert bool(project.called("apt-get")) == (user == "root")


def test_tests_of_a_store_have_an_environment_of_their_own(project):
    project.program("bin/python3.11")
    project.program(".venv-storage/bin/python")
    assert project.make("test-storage").returncode == 0
    install, tests = project.called("python")
    assert "pip install" in install and install.endswith(".[dev,storage]") and tests == "python -m pytest -m storage"


def test_tests_of_full_size_run_alone(project):
    assert project.make("test-scale").returncode == 0
    assert project.called("python") == ["python -m pytest -m scale"]


def test_a_file_of_cells_is_looked_at_by_name(project):
    assert "make mine H5AD=my.h5ad" in project.make("mine").stdout and not project.called("python")
    assert project.make("mine", "H5AD=my cells.h5ad", "LABEL=cell type").returncode == 0
    assert project.called("python") == ["python -m gmvae inspect my cells.h5ad --label cell type"]


def test_clean_asks_and_keeps_what_was_not_computed(project):
    for name in ("raw/x", "reference/x", "runs/x", "metrics.csv/x"):
        (project.root / "results" / name).mkdir(parents=True)
    assert project.make("clean").returncode != 0
    assert (project.root / "results/runs").exists()
    assert project.make("clean", "SURE=yes").returncode == 0
    assert sorted(path.name for path in (project.root / "results").iterdir()) == ["raw", "reference"]
    assert (project.root / ".venv").exists()


def test_continuous_integration_calls_make_and_stops_at_the_first_failure(project):
    (project.root / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", project.root / ".ci")
    for name in ("bash", "dirname", "env"):
        (project.bin / name).symlink_to(shutil.which(name))
    run = {"env": {"PATH": str(project.bin)}, "cwd": "/", "capture_output": True}
    project.program("bin/make")
    assert subprocess.run([project.root / ".ci/run"], **run).returncode == 0
    assert project.called("make")[0] == "make test"
    project.program("bin/make", "exit 2")
    assert subprocess.run([project.root / ".ci/run"], **run).returncode == 2


def test_reference_keeps_the_named_study_and_renews_tables_and_picture(project):
    assert project.make("reference", "STUDY=full").returncode == 0
    keep, tables, picture = project.called("python")
    assert keep.startswith(
        "python -m gmvae.reference.keep --study full --results results --output results/reference/full"
    )
    assert tables.startswith("python -m gmvae.reference.readme --reference results/reference")
    assert tables.endswith("--output results/reference/README.md")
    assert picture.startswith("python -m gmvae.reference.picture --reference results/reference --output")


def test_compare_calls_its_command_and_nothing_else(project):
    assert project.make("compare").returncode == 0
    (call,) = project.called("python")
    assert call.startswith("python -m gmvae.reference.compare") and not project.called("snakemake")


def test_verify_takes_the_study_and_the_seed_of_the_draw(project):
    assert project.make("verify", "STUDY=full", "SEED=3").returncode == 0
    (call,) = project.called("python")
    assert call == "python -m gmvae.reference.verify --study full --results results --config config.yaml --seed 3"


def test_the_doctor_runs_with_and_without_the_environment(project):
    (project.root / ".venv/.stamp").unlink()
    assert project.make("doctor").returncode == 0
    assert project.called("python")[-1] == "python -m gmvae doctor"
    shutil.rmtree(project.root / ".venv")
    project.program("bin/python3.11", "exit 1")
    project.program("bin/python3", 'test "$1" = -c')  # found, and tells of a fault
    finished = project.make("doctor")
    assert finished.returncode != 0 and project.called("python3")[-1] == "python3 -m gmvae doctor"
    (project.bin / "python3").unlink()
    finished = project.make("doctor")
    assert finished.returncode != 0 and "Python 3.11 or newer is missing" in finished.stdout


def test_bench_has_an_environment_of_its_own_and_ends_with_the_ratios(project):
    project.program("bin/python3.11")
    project.program(".venv-bench/bin/python")
    assert project.make("bench").returncode == 0
    install, *runs, last = project.called("python")
    assert "pip install" in install and install.endswith(".[bench]")
    assert len(runs) == 8
    for call in runs:
        part = call.split(".")[1].split()[0]
        assert call == f"python -m benchmarks.{part} --output benchmarks/{part}.csv"
        assert (ROOT / f"benchmarks/{part}.py").is_file()
    assert last == "python -m benchmarks.ratios"


def test_bench_stops_at_a_part_that_fails(project):
    project.program("bin/python3.11")
    project.program(".venv-bench/bin/python", 'case "$2" in benchmarks.seeds) exit 1;; esac')
    assert project.make("bench").returncode != 0
    assert project.called("python")[-1].startswith("python -m benchmarks.seeds")


def test_rivals_have_an_environment_of_their_own(project):
    project.program("bin/python3.11")
    project.program(".venv-rivals/bin/python")
    assert project.make("rivals").returncode == 0
    install, run = project.called("python")
    assert "pip install" in install and install.endswith(".[rivals]")
    assert run.startswith("python -m benchmarks.rivals --results results --output results/reference/rivals.csv")


def test_help_lists_every_command(project):
    listed = {line.split()[0] for line in project.make("help").stdout.splitlines()}
    assert listed == {
        *(
            "all",
            "thesis",
            "report",
            "cells",
            "mine",
            "compare",
            "verify",
            "doctor",
            "reference",
            "archive",
            "unpack",
            "readme",
            "bench",
            "bench-gpu",
            "rivals",
        ),
        *("test", "test-all", "test-slurm", "test-storage", "test-scale", "lint", "clean", "help"),
    }
