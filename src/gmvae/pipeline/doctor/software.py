"""Python, the packages of the environment, and LaTeX. Runs with Python alone, where the environment is not built."""

import platform
import re
import sys
from importlib import metadata
from pathlib import Path

from gmvae.pipeline.checks.latex_programs import install_advice, missing_latex
from gmvae.pipeline.doctor.findings import FAULT, NOTE, OK, Finding

OLDEST = (3, 11)
BUILD = "make .venv/.stamp"
SHOWN = 5  # packages that are named


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Whether this Python is new enough."""
    text = f"Python {'.'.join(map(str, version))}"
    if version < OLDEST:
        return Finding(
            FAULT, f"{text} is too old: 3.11 or newer is needed", "make PYTHON=/path/to/python3.11 .venv/.stamp"
        )
    return Finding(OK, f"{text}, {sys.executable}")


def check_packages(root: Path) -> list[Finding]:
    """The packages that the project needs, beside the versions that constraints.txt pins.

    Args:
        root: The folder of the checkout.

    Returns:
        One finding; more where packages are missing or have other versions.
    """
    needed = needed_packages(root / "pyproject.toml")
    versions = {name: installed_version(name) for name in needed}
    absent = [name for name, version in versions.items() if version is None]
    if len(absent) > len(needed) / 2:
        return [Finding(FAULT, "environment: not built, or not that of this Python", BUILD)]
    pinned = pinned_versions(root / "constraints.txt")
    others = [
        f"{name} {versions[name]} (pinned: {pinned[name]})"
        for name in needed
        if versions[name] and pinned.get(name, versions[name]).partition("+")[0] != versions[name].partition("+")[0]
    ]
    install = f"{sys.executable} -m pip install -c constraints.txt -e '.[dev]'"
    findings = [Finding(FAULT, f"packages that are missing: {shorten_list(absent)}", install)] if absent else []
    if others:
        text = f"packages of other versions, so the last digits of results may differ: {shorten_list(others)}"
        findings.append(Finding(NOTE, text, install))
    return findings or [Finding(OK, f"packages: all {len(needed)} are there, in the versions of constraints.txt")]


def needed_packages(pyproject: Path) -> list[str]:
    """The packages that `make` installs by name, in lower case."""
    import tomllib  # not in Python 3.10, which has been refused before

    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return [name.lower() for name in project["dependencies"] + project["optional-dependencies"]["dev"]]


def pinned_versions(constraints: Path) -> dict[str, str]:
    """The versions by package in constraints.txt."""
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", constraints.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.lower().replace("_", "-"): version for name, version in pins}


def installed_version(package: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def shorten_list(names: list[str]) -> str:
    """The first names of a list and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def check_latex() -> Finding:
    """Whether the programs and packages are there that set the book."""
    absent = missing_latex()
    if absent:
        return Finding(FAULT, f"LaTeX: {', '.join(absent)} not found", install_advice().partition(": ")[2])
    return Finding(OK, "LaTeX: pdflatex, biber and the packages of the book")


def check_system() -> Finding:
    """The system, for a report of a fault."""
    return Finding(OK, f"{platform.system()} {platform.release()}, {platform.machine()}")
