"""What tests count: edits checked, faults survived, inputs tried. tests/conftest.py prints the sums after a session."""

from collections import Counter

KINDS = ("edits checked", "faults survived", "inputs tried")
COUNTS = Counter()  # of the test that runs


def count(kind: str, n: int = 1) -> None:
    """Add to what the test that runs has counted; only a test that passes is counted."""
    assert kind in KINDS, kind
    COUNTS[kind] += n


def take_counts() -> list[tuple[str, int]]:
    """What the test that ran has counted, as properties of its report; the next one starts at zero."""
    properties = list(COUNTS.items())
    COUNTS.clear()
    return properties


def summary_line(passed: list, skipped: list) -> str:
    """The sums over the reports of tests that passed, and the names of those that were skipped.

    Args:
        passed: Reports of pytest, with the properties of the tests.
        skipped: Reports of pytest.

    Returns:
        One line.
    """
    sums = Counter()
    for report in passed:
        for kind, n in report.user_properties:
            sums[kind] += n if kind in KINDS else 0
    names = sorted({report.nodeid.rpartition("::")[2] for report in skipped})
    counts = ", ".join(f"{sums[kind]} {kind}" for kind in KINDS)
    return f"{counts}; skipped: {', '.join(names) or 'none'}"
