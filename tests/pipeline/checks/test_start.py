"""What a call of Snakemake is refused for before its first job, each in one line."""

import fcntl
import os

import pytest
from snakemake.cli import get_argument_parser
from snakemake.settings.types import MaxJobsPerTimespan

from gmvae.pipeline.checks import latex_programs, start
from gmvae.pipeline.errors import Refused

RULES = {"all", "results", "thesis", "diagram", "cells", "train"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory; locks that a test takes are given back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(start, "OPEN_FILES", [])
    yield tmp_path
    for file in start.OPEN_FILES:
        file.close()


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        (["--cores", "all"], True),
        (["thesis"], True),
        (["results/thesis.pdf", "-n"], True),
        (["results/diagrams/pipeline.pdf"], True),
        (["results", "results/thesis.pdf"], True),
        (["results"], False),
        (["results/metrics.csv", "--cores", "2"], False),
        (["cells", "--configfile", "mine.yaml"], False),
    ],
)
def test_a_call_asks_for_a_pdf_by_its_targets(words, asks):
    assert latex_programs.asks_for_pdf(set(words), RULES) == asks


def test_missing_latex_is_said_at_once_where_the_call_needs_it(folder, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(folder))
    start.check_start(["results"], RULES)
    assert capsys.readouterr().err == ""
    start.check_start(["-n"], RULES)
    line = capsys.readouterr().err
    assert line.startswith("warning: biber, pdflatex not found") and line.count("\n") == 1
    assert "apt-get install biber" in line and "snakemake --cores all results" in line
    start.check_jobs({"train", "evaluate"})
    with pytest.raises(Refused, match=r"^biber, pdflatex, kpsewhich not found, which the PDF needs; install LaTeX"):
        start.check_jobs({"train", "diagram"})


def test_a_latex_without_a_package_is_missing(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    for name in ("biber", "pdflatex", "kpsewhich"):
        (folder / name).write_text("#!/bin/sh\nfor f in $*; do test $f = siunitx.sty || echo /tex/$f; done\n")
        (folder / name).chmod(0o755)
    assert latex_programs.missing_latex() == ["siunitx.sty"]


def test_the_makefile_asks_for_the_same_files_of_latex():
    text = (latex_programs.ROOT / "Makefile").read_text(encoding="utf-8")
    assert " ".join(latex_programs.FILES) in text


def test_a_disk_without_room_is_refused(folder, monkeypatch):
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 3e6})())
    with pytest.raises(Refused, match=r": 3 MB are free on this disk; make room for 100 MB or more"):
        start.check_jobs({"train"})


@pytest.mark.parametrize("closed", [".", "results", ".snakemake"])
def test_a_folder_that_cannot_be_written_is_refused(folder, monkeypatch, closed):
    (folder / closed).mkdir(exist_ok=True)
    monkeypatch.setattr(start.os, "access", lambda path, mode: path != start.Path(closed))
    with pytest.raises(Refused, match=rf"^{(folder / closed).absolute()}: this folder cannot be written"):
        start.check_start([], RULES)


def lock_folder(folder):
    (folder / ".snakemake/locks").mkdir(parents=True)
    (folder / ".snakemake/locks/0.output.lock").write_text("results/metrics.csv")


def test_a_call_beside_another_is_refused_with_the_other_s_number(folder):
    lock_folder(folder)
    with (folder / ".snakemake/running").open("a+") as other:
        other.write("4711")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Refused, match=r": this folder is locked: process 4711 works in it; wait"):
            start.check_start([], RULES)


def test_a_lock_that_a_killed_call_left_is_refused_with_its_remedy(folder):
    lock_folder(folder)
    with pytest.raises(Refused, match=r": this folder is locked: a call was killed in it.*snakemake --unlock"):
        start.check_start(["--cores", "1"], RULES)
    assert (folder / ".snakemake/running").read_text() == str(os.getpid())


@pytest.mark.parametrize("words", [["-n"], ["-np"], ["--dry-run"], ["--unlock"], ["--nolock"], ["--report=x.html"]])
def test_a_call_that_runs_no_job_is_not_hindered_by_a_lock(folder, words):
    lock_folder(folder)
    start.check_start(words, RULES)


@pytest.mark.parametrize(
    ("words", "forced"),
    [
        (["all", "--forcerun", "train", "results/metrics.csv", "--cores", "1"], {"train", "results/metrics.csv"}),
        (["-R", "train", "-n", "results"], {"train"}),
        (["--forcerun=train", "results"], {"train", "results"}),
        (["results", "--cores", "1"], set()),
    ],
)
def test_forced_files_and_rules_are_read_off_the_command_line(words, forced):
    assert start.forced_targets(words) == forced


def test_a_changed_result_stops_each_call_but_one_that_makes_it_again_or_unlocks(folder, monkeypatch):
    def refuse(forced):
        if "results/metrics.csv" not in forced:
            raise Refused("results/metrics.csv: was changed")

    monkeypatch.setattr(start, "check_seals", refuse)
    with pytest.raises(Refused):
        start.check_start(["-n", "results"], RULES)
    for words in (["-F"], ["--forceall"], ["--unlock"], ["results", "-R", "./results/metrics.csv"]):
        start.check_start(words, RULES)


def test_a_process_that_reads_the_snakefile_twice_does_not_hinder_itself(folder):
    start.check_start([], RULES)
    start.check_start([], RULES)
    assert len(start.OPEN_FILES) == 1


def test_only_the_limit_that_nobody_asked_for_is_lifted():
    default = next(
        action.default
        for action in get_argument_parser()._actions
        if "--max-jobs-per-timespan" in action.option_strings
    )
    limit = MaxJobsPerTimespan.parse_choice(default)
    assert start.is_default_limit(limit.max_jobs, limit.timespan)
    assert not start.is_default_limit(100, 10) and not start.is_default_limit(50, 1)
