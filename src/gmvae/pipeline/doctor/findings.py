"""What the doctor finds, one line each."""

from typing import NamedTuple

OK, NOTE, FAULT = "ok", "note", "fault"


class Finding(NamedTuple):
    """One thing that was looked at."""

    state: str  # OK; NOTE, worth knowing; or FAULT, without which `make` does not end well
    text: str
    remedy: str = ""  # the one command that mends it


def print_findings(findings: list[Finding]) -> None:
    """Print a line for each finding, with its remedy in the next line, and the verdict.

    Args:
        findings: In the order to print.
    """
    for finding in findings:
        print(f"{finding.state:<6} {finding.text}")
        if finding.remedy:
            print(f"{'':<6} -> {finding.remedy}")
    faults = sum(finding.state == FAULT for finding in findings)
    if faults:
        print(f"\n{faults} fault{'s' if faults > 1 else ''}: the commands behind the arrows mend them.")
    else:
        print("\nAll that `make` needs is there.")
