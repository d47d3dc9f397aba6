"""How the tests share the machine: one compute thread each, and which share a process when `pytest -n` spreads them."""

import gc
import os

import pytest
from support.checkout import summary_line, take_counts
from xdist.scheduler import LoadScopeScheduling

# Before any of them is imported: UMAP's compiler sets the threads of all OpenMP code in the process, PyTorch's too, and
# threads that outnumber the cores wait for each other at full speed.
for library in "OMP", "OPENBLAS", "MKL", "NUMBA":
    os.environ[f"{library}_NUM_THREADS"] = "1"


def pytest_configure(config):
    """Name the markers that `make test-all` leaves out, also where no test has one: pytest refuses unknown ones."""
    known = {line.partition(":")[0] for line in config.getini("markers")}
    for marker in sorted({"slurm", "storage", "scale"} - known):
        config.addinivalue_line("markers", f"{marker}: left out by `make test-all`")


def pytest_collection_finish():
    """Leave what the imports made out of every later garbage collection: millions of objects that stay anyway."""
    gc.collect()
    gc.freeze()


class Spread(LoadScopeScheduling):
    """Every test goes wherever there is room, but those of one study, book or cluster to one process: it is made once.

    The largest group starts first. pytest-xdist's own `--dist loadgroup` has no effect under pytest 9.
    """

    def _split_scope(self, nodeid: str) -> str:
        """What must stay together with the test: its file, or nothing but itself."""
        file = nodeid.partition("::")[0]
        return file if file.endswith(("test_workflow.py", "test_pdf.py", "test_slurm.py")) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """The scheduler of a run on several cores."""
    return Spread(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):
    """Give the report what the test has counted: reports come back from all processes of pytest-xdist."""
    if call.when == "call":
        item.user_properties += take_counts()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    """Print the sums and the skipped tests as the last line of a run of all tests."""
    result = yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and not session.config.option.file_or_dir and not session.config.option.keyword:
        passed = [report for report in reporter.stats.get("passed", []) if report.when == "call"]
        reporter.write_line(summary_line(passed, reporter.stats.get("skipped", [])))
    return result


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """A folder with the study's toy set, and what its models may see of the labels."""
    from gmvae.data.prepare import prepare
    from gmvae.runs.observe import observe

    folder = tmp_path_factory.mktemp("toy")
    prepare("toy", folder / "toy.h5ad", "Toy", test_share=0.2)
    observe(folder / "toy.h5ad", folder / "observed.csv", "none")
    return folder
