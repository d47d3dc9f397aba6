"""One study, made in different surroundings, gives the same bytes: clones, cores, folders, languages, hash seeds."""

import os
import shutil
import subprocess
import sys

import pytest
from support.checkout import TINY, copied, count

LATEX = shutil.which("pdflatex") is not None and shutil.which("biber") is not None
NAMES = ["metrics.csv", "numbers.tex", "tables/toy_tiny.tex", "tables/digits_tiny.tex", "figures/toy_tiny/latents.pdf"]
FOREIGN = "de_DE.UTF-8"  # where it is installed: a comma in the place of the point


def installed_locale() -> str:
    """A language that writes numbers in another way than C; C where none is installed."""
    listed = subprocess.run(["locale", "-a"], capture_output=True, text=True).stdout if shutil.which("locale") else ""
    return FOREIGN if FOREIGN.lower().replace("-", "") in listed.lower().replace("-", "") else "C"


def make_study(folder, cores, environment):
    """Make the tiny study in a folder of its own; the bytes of its results by name."""
    copied(folder)
    command = [sys.executable, "-m", "snakemake", "--cores", cores, "all" if LATEX else "results", *TINY]
    run = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=2400
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]
    return {name: (folder / "results" / name).read_bytes() for name in [*NAMES, *(["thesis.pdf"] if LATEX else [])]}


@pytest.mark.slow
def test_surroundings_change_no_byte(tmp_path):
    first = make_study(tmp_path / "project", "2", {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"})
    others = {
        "another clone and one core": ("again", "1", {"PYTHONHASHSEED": "1"}),
        "all cores, spaces and umlauts": ("ein Ordner, größer/Überprüfung", "all", {"PYTHONHASHSEED": "random"}),
        "another language and time zone": ("language", "2", {"LC_ALL": installed_locale(), "TZ": "Asia/Kolkata"}),
    }
    for what, (name, cores, environment) in others.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        again = make_study(tmp_path / name, cores, environment)
        assert [file for file in first if again[file] != first[file]] == [], what
        count("faults survived")
        shutil.rmtree(tmp_path / name)
