"""Step: set the book. LaTeX keeps its files in a folder of its own; the PDF appears whole or not at all.

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

PACKAGES = (
    "latexmk biber texlive-latex-recommended texlive-latex-extra texlive-science texlive-pictures "
    "texlive-bibtex-extra texlive-fonts-recommended lmodern"
)
INSTALL = f"install them, on Debian or Ubuntu with: apt-get install {PACKAGES}"
SHOWN = 10  # errors of LaTeX that are printed; the rest stands in the log
ERROR = re.compile(r"^(?:! .+|\S+?:\d+: .+|.*ERROR - .+)$", re.MULTILINE)  # of LaTeX, with and without line, of biber
PASSES = 9  # of LaTeX, at most: tables over many pages and citations in them settle one after the other
UNDEFINED = re.compile(r"(?:Reference|Citation) [`'](.+?)' .*?undefined")
MISSING_STYLE = re.compile(r"File `(.+?\.(?:sty|cls|code\.tex))' not found")


def build_pdf(main: Path, output: Path, build: Path, only: str | None = None) -> None:
    """Run latexmk on the main file from the project's root, and put the PDF at `output`.

    main: thesis/thesis.tex; its folder, then the working directory (for results/...), are searched for what it reads.
    build: folder of LaTeX's own files, emptied first. only: one chapter, as chapters/mixtures, set alone; references
    to the others are taken from the build folder as an earlier run left it.

    Raises:
        Refused: latexmk, biber or a LaTeX package is not installed; an error in the text; an undefined reference.
    """
    absent = [tool for tool in ("latexmk", "biber", "pdflatex") if shutil.which(tool) is None]
    if absent:
        raise Refused(f"{', '.join(absent)} not found, so {output} was not made; {INSTALL}")
    if only is None:
        shutil.rmtree(build, ignore_errors=True)
    for folder in {path.parent.relative_to(main.parent) for path in main.parent.rglob("*.tex")}:
        (build / folder).mkdir(parents=True, exist_ok=True)  # each \include writes its .aux in a folder of its name
    finished = subprocess.run(
        arguments(main, build, only), env=environment(main), capture_output=True, text=True, errors="replace"
    )
    log = build / f"{main.stem}.log"
    written = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    if finished.returncode:
        bibliography = log.with_suffix(".blg")
        written += bibliography.read_text(encoding="utf-8", errors="replace") if bibliography.is_file() else ""
        raise Refused(f"{main}: LaTeX failed{explain_failure(written, finished)}; all of it in {log}")
    undefined = sorted(set(UNDEFINED.findall(unwrap_log(written))))
    if undefined and only is None:
        raise Refused(f"{main}: undefined references: {', '.join(undefined)}; define them, or mend their names")
    with write_atomically(output) as temporary:
        shutil.copyfile(build / f"{main.stem}.pdf", temporary)


def arguments(main: Path, build: Path, only: str | None) -> list[str]:
    """The command line of latexmk: no shell escape, no settings of the user's, errors with file and line."""
    options = ["-norc", "-pdf", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error", "-no-shell-escape"]
    options += ["-e", f"$max_repeat={PASSES}"]
    if only is not None:
        options += ["-g", rf"-usepretex=\includeonly{{{only}}}"]  # -g: no source has changed, set it all the same
    return ["latexmk", *options, f"-outdir={os.path.relpath(build)}", os.path.relpath(main)]


def environment(main: Path) -> dict[str, str]:
    """The process's environment with the text's folder on the search paths, and a clock that stands still."""
    folder = os.path.relpath(main.parent)
    searched = {"TEXINPUTS": f".:{folder}:", "BIBINPUTS": f".:{folder}:"}
    return os.environ | searched | {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "max_print_line": "1000"}


def explain_failure(log: str, finished: subprocess.CompletedProcess) -> str:
    """The first error for the refusal's line; all of them, up to SHOWN, are printed before."""
    style = MISSING_STYLE.search(log)
    if style:
        return f": {style[1]} is not installed; {INSTALL}"
    said = [line for line in (finished.stdout + finished.stderr).splitlines() if re.search(r"[a-z]", line)]
    errors = list(dict.fromkeys(ERROR.findall(log))) or said[-3:]
    for error in errors[:SHOWN]:
        print(error, file=sys.stderr)
    return f": {errors[0]}" if errors else ""


def unwrap_log(log: str) -> str:
    """The log with each warning on one line: LaTeX begins its continuation lines with the package in parentheses."""
    return re.sub(r"\n\(\w+\) +", " ", log)


if __name__ == "__main__":
    run_step(build_pdf)
