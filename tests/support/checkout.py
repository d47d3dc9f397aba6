"""A copy of the project in a folder of its own, and Snakemake run there: for tests that make or edit things.

Also what tests count: edits checked, faults survived, inputs tried. tests/conftest.py prints the sums after a session.
"""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from gmvae.pipeline.sources import ROOT

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".snakemake", "results", "__pycache__", "*.egg-info", ".*_cache")
TINY = ["--configfile", "tests/tiny/config.yaml"]
KINDS = ("edits checked", "faults survived", "inputs tried")
COUNTS = Counter()  # of the test that runs


def copied(folder: Path) -> Path:
    """The project's files in `folder`, which must not exist yet; nothing computed, no environment."""
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    return folder


def snakemake(project: Path, *arguments: str, cores: str = "2") -> subprocess.CompletedProcess:
    """`snakemake --cores {cores} ...` in the project's folder, its output kept."""
    command = [sys.executable, "-m", "snakemake", "--cores", cores, *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=1200)


def planned(project: Path, *arguments: str) -> set[str]:
    """The files that a dry run says would be made."""
    run = snakemake(project, "-n", *arguments)
    assert run.returncode == 0, run.stderr[-3000:]
    lines = re.findall(r"^ {4}output: (.*)$", run.stdout + run.stderr, flags=re.MULTILINE)
    return {file.strip() for line in lines for file in line.split(",")}


def edited(file: Path, old: str = "", new: str = "") -> None:
    """Replace a text in a file, or add something that counts at its end: a constant to code, a comment to a text."""
    text = file.read_text()
    assert old in text, f"{file} has no {old!r}"
    more = "EDITED = True" if file.suffix == ".py" else "# edited"
    file.write_text(text.replace(old, new, 1) if old else f"{text}\n{more}\n")
    count("edits checked")


def count(kind: str, n: int = 1) -> None:
    """Add to what the test that runs has counted; only a test that passes is counted."""
    assert kind in KINDS, kind
    COUNTS[kind] += n


def take_counts() -> list[tuple[str, int]]:
    """What the test that ran has counted, as properties of its report; the next one starts at zero."""
    properties = list(COUNTS.items())
    COUNTS.clear()
    return properties


def summary_line(passed: list, skipped: list) -> str:
    """The sums over the reports of tests that passed, and the names of those that were skipped.

    Args:
        passed: Reports of pytest, with the properties of the tests.
        skipped: Reports of pytest.

    Returns:
        One line.
    """
    sums = Counter()
    for report in passed:
        for kind, n in report.user_properties:
            sums[kind] += n if kind in KINDS else 0
    names = sorted({report.nodeid.rpartition("::")[2] for report in skipped})
    counts = ", ".join(f"{sums[kind]} {kind}" for kind in KINDS)
    return f"{counts}; skipped: {', '.join(names) or 'none'}"
