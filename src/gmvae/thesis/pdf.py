"""Step: typeset the book. LaTeX keeps its files in a folder of its own; the PDF appears whole or not at all.

LaTeX writes page numbers, contents and citations into files that its next pass reads. It is run until a pass leaves
these files as it read them: then the PDF depends on the text and the results alone, not on what the folder held
before. So a pass or two do after a small change, and give the bytes of a build from nothing. No dates, no identifiers
and no absolute paths reach the PDF.
"""

import hashlib
import re
import shutil
from pathlib import Path

from gmvae.formats.writing import write_atomically
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused
from gmvae.thesis.latex import check_installed, read_if_there, run_biber, run_pdflatex

PROGRAMS = ("biber", "pdflatex")
MAX_PASSES = 9  # of LaTeX: tables over many pages and citations in them settle one after the other
CARRIED = (".aux", ".bbl", ".lof", ".lot", ".out", ".toc")  # what a pass reads of the pass before it, or of biber
CITED = "biber.sha256"  # what the last .bbl was made from
UNDEFINED = re.compile(r"(?:Reference|Citation) [`'](.+?)' .*?undefined")


def build_pdf(main: Path, output: Path, build: Path, only: str | None = None) -> None:
    """Run pdflatex and biber on the main file from the project's root, and put the PDF in its place.

    Args:
        main: The main file, thesis/thesis.tex. What it reads is searched for in the working directory (results/...)
            and in the main file's folder.
        output: The PDF to write, results/thesis.pdf.
        build: Folder of LaTeX's own files. An earlier run's spare passes and change no byte of the PDF.
        only: One chapter, as chapters/mixtures, to be typeset alone; references to other chapters are taken from the
            build folder as an earlier run left it.

    Raises:
        Refused: biber, pdflatex or a LaTeX package is not installed; an error in the text; an undefined reference; the
            pages do not settle.
    """
    check_installed(PROGRAMS, output)
    for folder in {path.parent.relative_to(main.parent) for path in main.parent.rglob("*.tex")}:
        (build / folder).mkdir(parents=True, exist_ok=True)  # each \include writes its .aux in a folder of its name
    settle_from_earlier(main, build, rf"\includeonly{{{only}}}" if only else "")
    log = read_if_there(build / f"{main.stem}.log")
    undefined = sorted(set(UNDEFINED.findall(unwrap_log(log))))
    if undefined and only is None:
        raise Refused(f"{main}: undefined references: {', '.join(undefined)}; define them, or mend their names")
    with write_atomically(output) as temporary:
        shutil.copyfile(build / f"{main.stem}.pdf", temporary)


def settle_from_earlier(main: Path, build: Path, first: str) -> None:
    """Run LaTeX on the files of an earlier run; where that fails, on none, as these files may be the reason.

    Args:
        main: The main file.
        build: Folder of LaTeX's files. After a failure its carried files are again those that it had.
        first: What TeX reads before the main file.

    Raises:
        Refused: An error in the text, or the pages do not settle.
    """
    earlier = read_carried(build)
    try:
        try:
            settle_pages(main, build, first)
        except Refused:
            if not earlier or first:
                raise
            write_carried(build, {})
            settle_pages(main, build, first)
    except Refused:
        write_carried(build, earlier)
        raise


def settle_pages(main: Path, build: Path, first: str) -> None:
    """Run pdflatex, and biber where citations or references changed, until a pass leaves its files as it read them."""
    for number in range(1, MAX_PASSES + 1):
        before = read_carried(build)
        run_pdflatex(main, build, main.stem, first)
        update_bibliography(main, build)
        after = read_carried(build)
        changed = sorted(str(path.relative_to(build)) for path in after if after[path] != before.get(path))
        print(f"pass {number}: changed {', '.join(changed) or 'nothing'}")
        if not changed:
            return
    raise Refused(f"{main}: the pages do not settle in {MAX_PASSES} passes; see what changes in {build}")


def update_bibliography(main: Path, build: Path) -> None:
    """Run biber, unless the .bbl was made from these citations and this bibliography."""
    digest = hashlib.sha256((build / f"{main.stem}.bcf").read_bytes())
    for path in sorted(main.parent.rglob("*.bib")):
        digest.update(path.read_bytes())
    stamp = build / CITED
    if read_if_there(stamp) != digest.hexdigest() or not (build / f"{main.stem}.bbl").is_file():
        stamp.unlink(missing_ok=True)
        run_biber(main, build)
        stamp.write_text(digest.hexdigest(), encoding="utf-8")


def read_carried(build: Path) -> dict[Path, bytes]:
    """The files that the next pass reads, with their contents."""
    return {path: path.read_bytes() for path in sorted(build.rglob("*")) if path.suffix in CARRIED}


def write_carried(build: Path, files: dict[Path, bytes]) -> None:
    """Put the files that the next pass reads back to these contents, and remove all others of their kind."""
    for path in read_carried(build).keys() - files.keys():
        path.unlink()
    for path, content in files.items():
        path.write_bytes(content)
    (build / CITED).unlink(missing_ok=True)


def unwrap_log(log: str) -> str:
    """The log with each warning on one line: LaTeX begins its continuation lines with the package in parentheses."""
    return re.sub(r"\n\(\w+\) +", " ", log)


if __name__ == "__main__":
    run_step(build_pdf)
