"""A step begins quickly: the packages that take seconds to import are imported by those steps alone that use them."""

import json
import subprocess
import sys

import pytest

from gmvae.pipeline.sources import ROOT, step_modules

# A reader is part of the step prepare, a baseline is part of the step baseline.
PREPARING = {
    "gmvae.data.prepare",
    "gmvae.data.doublets",
    "gmvae.data.preprocessing",
    "gmvae.data.variable_genes",
    "gmvae.data.readers.pbmc68k",
    "gmvae.data.readers.tenx_h5",
}
WRITING = {"gmvae.metrics.collect"} | {
    f"gmvae.thesis.{name}"
    for name in ("claims", "diagram", "numbers", "pdf", "tables.runs", "tables.speed", "tables.task")
}
GRAPH = {"gmvae.runs.baselines.louvain", "gmvae.runs.baselines.leiden"}


def modules(folder: str = "") -> set[str]:
    """The modules of a folder of the package, and of those below it."""
    root = ROOT / "src"
    files = (root / "gmvae" / folder).rglob("*.py")
    return {".".join(file.relative_to(root).with_suffix("").parts) for file in files if file.stem != "__init__"}


def drawn_in(names: set[str], packages: set[str]) -> set[str]:
    """Which of the packages importing the modules brings in, in a Python of its own."""
    code = (
        f"import sys, {', '.join(sorted(names))}; import json; print(json.dumps(sorted({packages} & set(sys.modules))))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(process.stdout))


def test_only_preparing_and_graph_clusterings_import_scanpy():
    assert drawn_in(modules() - PREPARING - GRAPH, {"scanpy"}) == set()
    assert drawn_in({"gmvae.data.prepare"}, {"scanpy"}) == {"scanpy"}


def test_figures_and_tables_import_no_torch():
    assert drawn_in(modules("thesis/figures") | WRITING, {"torch", "scanpy"}) == set()
    assert drawn_in({"gmvae.runs.train"}, {"torch"}) == {"torch"}


def test_models_and_their_training_import_no_pydantic():
    assert drawn_in(modules("nn") | modules("models") | modules("training"), {"pydantic"}) == set()


@pytest.mark.parametrize("name", sorted(WRITING))
def test_what_writes_the_book_is_a_step(name):
    assert name in step_modules()
