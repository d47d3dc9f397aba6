"""What a call of Snakemake needs, checked before its first job: the folder, the results, the disk, LaTeX."""

import fcntl
import os
import re
import shutil
import sys
from pathlib import Path

from gmvae.pipeline.checks.clock import bring_back
from gmvae.pipeline.checks.latex_programs import (
    RULES,
    asks_for_pdf,
    install_advice,
    missing_latex,
    missing_programs,
)
from gmvae.pipeline.checks.seals import check_seals, result_files
from gmvae.pipeline.checks.unpacked import thinned_files
from gmvae.pipeline.errors import Refused

LEAST_FREE = 100  # megabytes
WITHOUT_PDF = "or leave the PDF out: snakemake --cores all results"
LOCKS, RUNNING = Path(".snakemake/locks"), Path(".snakemake/running")
RUNS_NO_JOB = {"--unlock", "--nolock", "--list", "-l", "--list-rules", "--list-target-rules", "--lt", "--lint"} | {
    *("--summary", "-S", "--detailed-summary", "-D", "--dag", "--rulegraph", "--filegraph", "--d3dag", "--report"),
    *("--dry-run", "--dryrun"),
}
DRY_RUN = re.compile(r"-[a-zA-Z]*n[a-zA-Z]*")  # -n, alone or among other letters
OPEN_FILES = []  # of this process: a lock is held as long as its file is open


def check_start(words: list[str], rules: set[str]) -> None:
    """Check what the Snakefile can know before it plans any job.

    Args:
        words: The words of the command line.
        rules: The names of all rules.

    Raises:
        Refused: The folder cannot be written, another call works in it, or a result was changed by hand.
    """
    options = {word.partition("=")[0] for word in words if word.startswith("-")}
    forced = forced_targets(words)
    absent = ", ".join(missing_programs()) if asks_for_pdf(set(words) - forced, rules) else ""
    if absent:
        print(f"warning: {absent} not found, which the PDF needs; {install_advice()}; {WITHOUT_PDF}", file=sys.stderr)
    check_writable([Path(), Path(".snakemake"), Path("results")])
    runs_jobs = not (options & RUNS_NO_JOB or any(DRY_RUN.fullmatch(option) for option in options))
    if runs_jobs:
        check_lock()
    if not options & {"--unlock", "--forceall", "-F"}:
        check_seals({os.path.normpath(name) for name in forced} | thinned_files().keys())
    if runs_jobs and (n := bring_back(result_files())):
        print(f"warning: {n} files in results/ were dated in the future, by a wrong clock; dated now", file=sys.stderr)


def forced_targets(words: list[str]) -> set[str]:
    """The files and rules behind --forcerun on a command line."""
    forced, follows = set(), False
    for word in words:
        option, equals, value = word.partition("=")
        if word.startswith("-"):
            follows = option in ("--forcerun", "-R")
            forced |= {value} if follows and equals else set()
        elif follows:
            forced.add(word)
    return forced


def check_jobs(rules: set[str]) -> None:
    """Check what the planned jobs need, so that none fails after hours.

    Args:
        rules: The rules of the jobs that are to run.

    Raises:
        Refused: A job runs LaTeX, and LaTeX is not complete; or the disk is full.
    """
    folder = Path("results").absolute() if Path("results").exists() else Path.cwd()
    free = shutil.disk_usage(folder).free / 1e6
    if free < LEAST_FREE:
        raise Refused(f"{folder}: {free:.0f} MB are free on this disk; make room for {LEAST_FREE} MB or more")
    absent = missing_latex() if rules & RULES else []
    if absent:
        raise Refused(f"{', '.join(absent)} not found, which the PDF needs; {install_advice()}; {WITHOUT_PDF}")


def is_default_limit(jobs: int, seconds: float) -> bool:
    """Whether Snakemake's limit on the jobs that start in some time is the one that it sets unasked: it is lifted.

    After each job that starts, Snakemake sets a clock to this time and looks again at all jobs that could start when it
    rings, which sets the clock anew: it looks more often with every job that has run, and it ends with the last ring.

    Args:
        jobs: Most jobs in this time.
        seconds: The time.
    """
    return (jobs, seconds) == (100, 1)


def check_writable(folders: list[Path]) -> None:
    """Refuse folders that exist and cannot be written."""
    for folder in folders:
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise Refused(
                f"{folder.absolute()}: this folder cannot be written; allow it (chmod u+w), or work in a copy elsewhere"
            )


def check_lock() -> None:
    """Refuse a folder that Snakemake has locked: by a call that still runs, or by one that was killed.

    Every call marks the folder with its process number, in a file that it keeps locked while it lives.
    """
    if OPEN_FILES:
        return  # this process has read the Snakefile before
    try:
        RUNNING.parent.mkdir(exist_ok=True)
        file = RUNNING.open("a+", encoding="utf-8")
    except OSError:
        return  # Snakemake itself says what is wrong
    OPEN_FILES.append(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = f"process {file.read().strip() or 'unknown'} works in it; wait until that call has ended"
    except OSError:
        return  # a disk without such locks
    else:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        holder = "a call was killed in it; if no other call of Snakemake works in it, run: snakemake --unlock"
    if LOCKS.is_dir() and any(LOCKS.iterdir()):
        raise Refused(f"{Path.cwd()}: this folder is locked: {holder}")
