"""Which programs and packages of LaTeX are missing, and what installs them."""

import shutil
import subprocess

from gmvae.pipeline.sources import ROOT

PACKAGES = ROOT / "thesis" / "latex-packages.txt"
PROGRAMS = ("biber", "pdflatex")
RULES = {"diagram", "thesis"}  # those that run LaTeX
# One file of each package in thesis/latex-packages.txt; the Makefile asks for the same.
FILES = ("scrbook.cls", "cleveref.sty", "siunitx.sty", "standalone.cls", "tikz.sty", "biblatex.sty", "lmodern.sty")


def missing_programs(programs: tuple[str, ...] = PROGRAMS) -> list[str]:
    """The programs that are not on the PATH."""
    return [program for program in programs if shutil.which(program) is None]


def missing_latex() -> list[str]:
    """The programs of LaTeX that are not on the PATH, and the packages of which a file is not found."""
    absent = missing_programs((*PROGRAMS, "kpsewhich"))
    if "kpsewhich" in absent:
        return absent
    answer = subprocess.run(["kpsewhich", *FILES], capture_output=True, text=True, check=False)
    return absent + [name for name in FILES if not any(line.endswith(f"/{name}") for line in answer.stdout.split())]


def install_advice() -> str:
    """What to do where LaTeX is missing."""
    lines = PACKAGES.read_text(encoding="utf-8").splitlines()
    packages = " ".join(line for line in lines if line[:1].isalpha())
    return f"install LaTeX, on Debian or Ubuntu with: apt-get install {packages}"


def asks_for_pdf(words: set[str], rules: set[str]) -> bool:
    """Whether a call of Snakemake asks for a PDF that LaTeX makes: for all, or for such a file.

    Args:
        words: The words of its command line.
        rules: The names of all rules.
    """
    targets = {word for word in words if word in rules or word.startswith("results/")}
    pdfs = {word for word in targets if word.endswith("thesis.pdf") or word.startswith("results/diagrams/")}
    return not targets or bool(pdfs or targets & {"all", *RULES})
