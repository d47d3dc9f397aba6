"""Which tests share a process when `pytest -n` spreads them over the cores."""

import pytest
from xdist.scheduler import LoadScopeScheduling


class Spread(LoadScopeScheduling):
    """Every test goes wherever there is room, but those of one whole study to one process, so that it is made once.

    The largest group starts first. pytest-xdist's own `--dist loadgroup` has no effect under pytest 9.
    """

    def _split_scope(self, nodeid: str) -> str:
        """What must stay together with the test: its file, or nothing but itself."""
        file = nodeid.partition("::")[0]
        return file if file.endswith("test_workflow.py") else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """The scheduler of a run on several cores."""
    return Spread(config, log)
