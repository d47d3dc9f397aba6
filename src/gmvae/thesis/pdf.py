"""Step: typeset the book. LaTeX keeps its files in a folder of its own; the PDF appears whole or not at all.

Two builds of the same results give the same bytes: no dates, no identifiers, no absolute paths reach the PDF.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from gmvae.formats.writing import write_atomically
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT

PACKAGES = ROOT / "thesis" / "latex-packages.txt"
PROGRAMS = ("latexmk", "biber", "pdflatex")
MAX_ERRORS = 10  # errors of LaTeX that are printed; the log has all of them
MAX_PASSES = 9  # of LaTeX: tables over many pages and citations in them settle one after the other
ERROR = re.compile(r"^(?:! .+|\S+?:\d+: .+|.*ERROR - .+)$", re.MULTILINE)  # of LaTeX, with and without line, of biber
UNDEFINED = re.compile(r"(?:Reference|Citation) [`'](.+?)' .*?undefined")
MISSING_STYLE = re.compile(r"File `(.+?\.(?:sty|cls|code\.tex))' not found")


def build_pdf(main: Path, output: Path, build: Path, only: str | None = None) -> None:
    """Run latexmk on the main file from the project's root, and put the PDF in its place.

    Args:
        main: The main file, thesis/thesis.tex. What it reads is searched for in the working directory (results/...)
            and in the main file's folder.
        output: The PDF to write, results/thesis.pdf.
        build: Folder of LaTeX's own files, emptied first.
        only: One chapter, as chapters/mixtures, to be typeset alone; references to other chapters are taken from the
            build folder as an earlier run left it.

    Raises:
        Refused: latexmk, biber or a LaTeX package is not installed; an error in the text; an undefined reference.
    """
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        raise Refused(f"{', '.join(absent)} not found, so {output} was not made; {install_advice()}")
    if only is None:
        shutil.rmtree(build, ignore_errors=True)
    for folder in {path.parent.relative_to(main.parent) for path in main.parent.rglob("*.tex")}:
        (build / folder).mkdir(parents=True, exist_ok=True)  # each \include writes its .aux in a folder of its name
    latexmk = subprocess.run(
        latexmk_command(main, build, only),
        env=latex_environment(main),
        capture_output=True,
        text=True,
        errors="replace",
    )
    log_path = build / f"{main.stem}.log"
    log = read_if_there(log_path)
    if latexmk.returncode:
        log += read_if_there(log_path.with_suffix(".blg"))
        raise Refused(f"{main}: LaTeX failed{explain_failure(log, latexmk)}; all of it in {log_path}")
    undefined = sorted(set(UNDEFINED.findall(unwrap_log(log))))
    if undefined and only is None:
        raise Refused(f"{main}: undefined references: {', '.join(undefined)}; define them, or mend their names")
    with write_atomically(output) as temporary:
        shutil.copyfile(build / f"{main.stem}.pdf", temporary)


def install_advice() -> str:
    """What to do where LaTeX is missing."""
    lines = PACKAGES.read_text(encoding="utf-8").splitlines()
    packages = " ".join(line for line in lines if line[:1].isalpha())
    return f"install LaTeX, on Debian or Ubuntu with: apt-get install {packages}"


def latexmk_command(main: Path, build: Path, only: str | None) -> list[str]:
    """The command line of latexmk: no shell escape, no settings of the user's, errors with file and line."""
    options = ["-norc", "-pdf", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error", "-no-shell-escape"]
    options += ["-e", f"$max_repeat={MAX_PASSES}"]
    if only is not None:
        options += ["-g", rf"-usepretex=\includeonly{{{only}}}"]  # -g: typeset it although no source has changed
    return ["latexmk", *options, f"-outdir={os.path.relpath(build)}", os.path.relpath(main)]


def latex_environment(main: Path) -> dict[str, str]:
    """The process's environment with the text's folder on the search paths, and with a fixed date."""
    folder = os.path.relpath(main.parent)
    paths = {"TEXINPUTS": f".:{folder}:", "BIBINPUTS": f".:{folder}:"}
    return os.environ | paths | {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "max_print_line": "1000"}


def read_if_there(path: Path) -> str:
    """The text of a file, empty where there is no such file."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def explain_failure(log: str, latexmk: subprocess.CompletedProcess) -> str:
    """The first error for the refusal's line; up to MAX_ERRORS errors are printed before."""
    style = MISSING_STYLE.search(log)
    if style:
        return f": {style[1]} is not installed; {install_advice()}"
    output = [line for line in (latexmk.stdout + latexmk.stderr).splitlines() if re.search(r"[a-z]", line)]
    errors = list(dict.fromkeys(ERROR.findall(log))) or output[-3:]
    for error in errors[:MAX_ERRORS]:
        print(error, file=sys.stderr)
    return f": {errors[0]}" if errors else ""


def unwrap_log(log: str) -> str:
    """The log with each warning on one line: LaTeX begins its continuation lines with the package in parentheses."""
    return re.sub(r"\n\(\w+\) +", " ", log)


if __name__ == "__main__":
    run_step(build_pdf)
