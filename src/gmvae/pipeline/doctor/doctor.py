"""`make doctor`: what is installed, what is missing, and the one command that mends each."""

import os
import sys

from gmvae.pipeline.doctor.findings import FAULT, NOTE, Finding, print_findings
from gmvae.pipeline.doctor.machine import check_card, check_disk, check_folders, check_precision
from gmvae.pipeline.doctor.software import (
    check_latex,
    check_packages,
    check_python,
    check_system,
    installed_version,
)
from gmvae.pipeline.sources import ROOT


def examine() -> list[Finding]:
    """Look at all that `make` needs. What needs the environment is left out where it is not built.

    Returns:
        The findings, in the order to print.
    """
    python = check_python()
    if python.state == FAULT:
        return [python]
    os.chdir(ROOT)
    packages = check_packages(ROOT)
    config = {}
    findings = [Finding(NOTE, "configuration, raw files and results: not looked at without the environment")]
    if not any(finding.state == FAULT for finding in packages):
        from gmvae.pipeline.doctor.data_files import check_project  # needs the environment

        findings, config = check_project(ROOT)
    card = check_card(config.get("device", ""), installed_version("torch") or "")
    disk = check_disk(ROOT / "results" if (ROOT / "results").exists() else ROOT)
    machine = [check_system(), card, check_precision(), disk, check_folders(ROOT)]
    return [python, *packages, check_latex(), *machine, *findings]


def run_doctor() -> None:
    """Print what was found; exit with 1 where something is missing that `make` needs."""
    findings = examine()
    print_findings(findings)
    sys.exit(int(any(finding.state == FAULT for finding in findings)))
