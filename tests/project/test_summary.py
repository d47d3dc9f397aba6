"""The last line of `make test-all`: what the tests that passed have counted, and which tests were skipped."""

from types import SimpleNamespace

import pytest
from support import checkout


def report(name, **counts):
    return SimpleNamespace(nodeid=f"tests/a/test_b.py::{name}", user_properties=[*counts.items(), ("other", "x")])


def test_counts_are_summed_and_skipped_tests_named():
    passed = [report("a", **{"inputs tried": 3}), report("b", **{"inputs tried": 4, "edits checked": 1}), report("c")]
    line = checkout.summary_line(passed, [report("needs_faketime"), report("needs_browser[x]")])
    assert line == ("1 edits checked, 0 faults survived, 7 inputs tried; skipped: needs_browser[x], needs_faketime")
    assert checkout.summary_line([], []).endswith("skipped: none")


def test_a_test_gives_its_own_counts_and_no_others(request):
    checkout.take_counts()
    checkout.count("inputs tried", 2)
    checkout.count("inputs tried")
    assert checkout.take_counts() == [("inputs tried", 3)] and checkout.take_counts() == []
    with pytest.raises(AssertionError):
        checkout.count("inputs found")
