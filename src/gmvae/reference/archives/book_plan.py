"""What the book is made of, as Snakemake says it: a dry run that forces every rule of the thesis."""

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT

RULES = ROOT / "workflow" / "rules" / "thesis.smk"
TARGET = "results/thesis.pdf"
IN_GIT = "results/reference/"  # in every checkout, so in no archive
JOB = re.compile(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", re.MULTILINE)
SHOWN = 3000  # last characters of what Snakemake printed, where it fails


class Job(NamedTuple):
    """A job that Snakemake plans."""

    rule: str
    inputs: list[str]
    outputs: list[str]


def pending_jobs(study: str, folder: Path, configfiles: list[Path]) -> list[Job]:
    """The jobs that are to run before the figures, tables and numbers of the book are those of the code and the data.

    Args:
        study: The study.
        folder: The folder with results/.
        configfiles: Files of one's own, as for `snakemake --configfile`.

    Returns:
        The jobs; none for a finished study.

    Raises:
        Refused: Snakemake refused the configuration or the results.
    """
    jobs = parse_jobs(run_snakemake(folder, configfiles, "-n", "results", "--config", f"study={study}"))
    return [job for job in jobs if job.rule != "results"]


def book_jobs(study: str, folder: Path, configfiles: list[Path]) -> list[Job]:
    """All jobs of the rules of the thesis, whether they are to run or not. Arguments as in `pending_jobs`."""
    rules = re.findall(r"^rule (\w+):", RULES.read_text(encoding="utf-8"), re.MULTILINE)
    words = ["-n", TARGET, "--forcerun", *rules, "--config", f"study={study}"]
    return [job for job in parse_jobs(run_snakemake(folder, configfiles, *words)) if job.rule in rules]


def files_read(jobs: list[Job]) -> list[str]:
    """The results that jobs read and do not make themselves, sorted."""
    made = {file for job in jobs for file in job.outputs}
    read = {file for job in jobs for file in job.inputs}
    return sorted(file for file in read - made if file.startswith("results/") and not file.startswith(IN_GIT))


def parse_jobs(text: str) -> list[Job]:
    """The jobs that a dry run lists."""
    return [Job(rule, listed_files("input", lines), listed_files("output", lines)) for rule, lines in JOB.findall(text)]


def listed_files(kind: str, lines: str) -> list[str]:
    """The inputs or outputs in the lines of a job."""
    listed = re.search(rf"^ {{4}}{kind}: (.*)$", lines, re.MULTILINE)
    return listed[1].split(", ") if listed else []


def run_snakemake(folder: Path, configfiles: list[Path], *words: str, can_fail: bool = False) -> str:
    """Run Snakemake with this checkout's rules in a folder.

    Args:
        folder: The working directory.
        configfiles: Files of one's own, as for `snakemake --configfile`.
        words: The command line: targets, and options behind them.
        can_fail: Whether jobs may fail.

    Returns:
        What it printed.

    Raises:
        Refused: It failed, and may not.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "all"]
    command += ["--configfile", *(str(file.absolute()) for file in configfiles)] if configfiles else []
    # An option before the targets ends the list of files of --configfile.
    run = subprocess.run([*command, "--nocolor", *words], cwd=folder, capture_output=True, text=True)
    if run.returncode and not can_fail:
        print((run.stdout + run.stderr)[-SHOWN:], file=sys.stderr)
        raise Refused(f"{folder}: Snakemake ended with an error, which is above; correct it and run this again")
    return run.stdout + run.stderr
