"""A copy of the project in a folder of its own, and Snakemake run there: for tests that make or edit things."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.records import count

from gmvae.pipeline.sources import ROOT

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".snakemake", "results", "__pycache__", "*.egg-info", ".*_cache")
TINY = ["--configfile", "tests/tiny/config.yaml"]


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
