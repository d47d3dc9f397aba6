"""Calls of pdflatex and biber: no shell escape, no date, no path in what they write, and their errors in one line."""

import os
import re
import subprocess
import sys
from pathlib import Path

from gmvae.pipeline.checks.latex_programs import install_advice, missing_programs
from gmvae.pipeline.errors import Refused

COPIES = "GMVAE_COPIES"  # environment variable: the folder of results/, where Snakemake took that from a store
MAX_ERRORS = 10  # errors of LaTeX that are printed; the log has all of them
OPTIONS = ["-interaction=nonstopmode", "-halt-on-error", "-file-line-error", "-no-shell-escape"]
ERROR = re.compile(r"^(?:! .+|\S+?:\d+: .+|.*ERROR - .+)$", re.MULTILINE)  # of LaTeX, with and without line, of biber
MISSING_STYLE = re.compile(r"File `(.+?\.(?:sty|cls|code\.tex))' not found")


def check_installed(programs: tuple[str, ...], output: Path) -> None:
    """Refuse a machine without LaTeX, with what to install.

    Args:
        programs: Names of the programs that are needed.
        output: The file that they are to make.

    Raises:
        Refused: A program is not on the PATH.
    """
    absent = missing_programs(programs)
    if absent:
        raise Refused(f"{', '.join(absent)} not found, so {output} was not made; {install_advice()}")


def run_pdflatex(main: Path, build: Path, job: str, first: str = "") -> None:
    """Run pdflatex once.

    Args:
        main: The main file. What it reads is searched for in the working directory and in the main file's folder.
        build: Folder of what LaTeX writes: JOB.pdf, JOB.log, JOB.aux and so on.
        job: Name of what it writes.
        first: What TeX reads before the main file.

    Raises:
        Refused: An error in the text. The line has the first error; up to MAX_ERRORS are printed.
    """
    text = rf"{first}\input{{{main.name}}}" if first else main.name
    command = ["pdflatex", *OPTIONS, f"-output-directory={os.path.relpath(build)}", f"-jobname={job}", text]
    run_program(command, main, build / f"{job}.log")


def run_biber(main: Path, build: Path) -> None:
    """Run biber on what the last pass of the main file cites. Raises Refused where it finds an error."""
    run_program(["biber", os.path.relpath(build / main.stem)], main, build / f"{main.stem}.blg")


def run_program(command: list[str], main: Path, log: Path) -> None:
    """Run a program for the main file; where it fails, refuse with the first error that its log has."""
    run = subprocess.run(command, env=latex_environment(main), capture_output=True, text=True, errors="replace")
    if run.returncode:
        raise Refused(f"{main}: LaTeX failed{explain_failure(read_if_there(log), run)}; all of it in {log}")


def latex_environment(main: Path) -> dict[str, str]:
    """The process's environment with the folders of the text and of copies of results, a fixed date, and TeX confined.

    Confined: the text can name no file outside the working directory, the search paths and TeX's own folders, neither
    to read nor to write.
    """
    folder, copies = os.path.relpath(main.parent), os.environ.get(COPIES, "")
    paths = {"TEXINPUTS": f".:{folder}:{copies}:" if copies else f".:{folder}:", "BIBINPUTS": f".:{folder}:"}
    fixed = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "max_print_line": "1000"}
    return os.environ | paths | fixed | {"openin_any": "p", "openout_any": "p"}


def read_if_there(path: Path) -> str:
    """The text of a file, empty where there is no such file."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def explain_failure(log: str, run: subprocess.CompletedProcess) -> str:
    """The first error for the refusal's line; up to MAX_ERRORS errors are printed before."""
    style = MISSING_STYLE.search(log)
    if style:
        return f": {style[1]} is not installed; {install_advice()}"
    output = [line for line in (run.stdout + run.stderr).splitlines() if re.search(r"[a-z]", line)]
    errors = list(dict.fromkeys(ERROR.findall(log))) or output[-3:]
    for error in errors[:MAX_ERRORS]:
        print(error, file=sys.stderr)
    return f": {errors[0]}" if errors else ""
