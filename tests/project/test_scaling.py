"""What small datasets foretell of large ones: the fit, the cells, the planned studies, the committed figures."""

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from support.checkout import copied, planned, snakemake

from benchmarks import scaling
from benchmarks.support import cell_chain, child_cost, planned_studies
from gmvae.pipeline.sources import ROOT

RECORD = ROOT / "benchmarks/scaling.csv"


def test_the_fit_finds_a_polynomial_and_weighs_relative_errors():
    sizes = np.array([1e4, 1e5, 3e5])
    assert np.allclose(scaling.fit_powers(sizes, 3 + 9e-5 * sizes), (3, 9e-5))
    assert np.allclose(scaling.fit_powers(sizes, 3 + 9e-5 * sizes + 1e-10 * sizes**2, 2), (3, 9e-5, 1e-10))
    costs = (3 + 9e-5 * sizes) * np.array([1.02, 0.97, 1.01])
    relative = np.polyfit(sizes, costs, 1, w=1 / costs)
    assert np.allclose(scaling.fit_powers(sizes, costs), relative[::-1])


def test_no_coefficient_is_below_zero():
    sizes = np.array([1.0, 2.0, 3.0])
    assert scaling.fit_powers(sizes, np.array([1.0, 4.0, 9.0]))[0] == 0
    assert scaling.fit_powers(sizes, np.array([3.0, 2.0, 1.0]))[1] == 0


def test_the_large_size_is_foretold_from_the_small_ones_alone():
    sizes = (*scaling.CELLS, scaling.LARGE)
    rows = [
        {"of": "cells", "step": "train", "n": n, "seconds": (9e9 if n == scaling.LARGE else 2 + 1e-4 * n) * factor}
        for n in sizes
        for factor in (1, 1, 50)  # a median of three leaves a slow round out
    ]
    table = pd.DataFrame(rows).assign(megabytes=lambda t: np.maximum(250, 100 + 2e-3 * t.n))
    seconds, megabytes = scaling.foretold_costs(table).itertuples()
    assert np.isclose(seconds.foretold, 102) and seconds.measured == 9e9
    assert np.isclose(megabytes.foretold, 2100)  # the floor of 250 at 10,000 cells is not in the line
    assert np.allclose(megabytes.shown, (250, 2100, 200_100))
    lines = scaling.cost_lines(pd.DataFrame([seconds, megabytes]))
    assert lines[0] == "| train, time | 3 s | 100 s | 2.8 hours | 100000 days |"
    assert lines[1] == "| train, memory | 250 MB | 2.1 GB | 200 GB | 2.1 GB |"


def test_jobs_grow_with_the_square_of_the_runs():
    sizes = (*scaling.RUNS, scaling.MANY)
    rows = [{"of": "runs", "step": "jobs", "n": n, "seconds": 3 + 0.05 * n + 1e-4 * n * n} for n in sizes]
    seconds, _ = scaling.foretold_costs(pd.DataFrame(rows).assign(megabytes=100.0)).itertuples()
    assert np.isclose(seconds.foretold, 153) and np.isclose(seconds.c, 1e-4)


def test_a_page_shows_no_more_than_its_most_cells():
    sizes = (*scaling.CELLS, scaling.LARGE)
    rows = [{"of": "cells", "step": "page", "n": n, "seconds": 2 + 3e-5 * min(n, 200_000)} for n in sizes]
    seconds, _ = scaling.foretold_costs(pd.DataFrame(rows).assign(megabytes=100.0)).itertuples()
    assert np.isclose(seconds.foretold, 8) and np.allclose(seconds.shown, (2.3, 8, 8))


def test_repeated_cells_are_a_dataset_of_counts(tmp_path):
    cell_chain.write_repeated_cells(tmp_path / "raw.h5ad", 20_000, 100)
    adata = anndata.read_h5ad(tmp_path / "raw.h5ad")
    assert adata.shape == (20_000, 100) and adata.obs["type"].nunique() == cell_chain.N_TYPES
    assert (adata.X[:10_000] != adata.X[10_000:]).nnz == 0 and adata.X.data.min() >= 1
    assert abs(adata.X.nnz / np.prod(adata.shape) / 0.05 - 1) < 0.1
    means = adata.to_df().groupby(adata.obs["type"].to_numpy()).mean()
    assert not np.allclose(means.loc["a"], means.loc["b"], rtol=0.2)


def test_the_cost_of_a_command_is_its_own(tmp_path):
    own_memory = np.ones(1 << 25)  # 256 MB, which are not the command's
    idle = child_cost.command_cost(["sleep", "0.5"], tmp_path)
    assert own_memory.sum() and idle["seconds"] < 0.3 and idle["megabytes"] < 50
    python = ["python3", "-c", "x = b'x' * (200 << 20); [i for i in range(3_000_000)]"]
    busy = child_cost.command_cost(python, tmp_path)
    assert busy["seconds"] > idle["seconds"] and busy["megabytes"] > 200


def test_a_planned_study_has_the_runs_that_it_is_named_for(tmp_path):
    project = copied(tmp_path / "project")
    (project / "many.yaml").write_text(yaml.safe_dump(planned_studies.study_config(20)))
    files = planned(project, planned_studies.TARGET, "--configfile", "many.yaml")
    assert sum(file.endswith("/weights.safetensors") for file in files) == 20


def test_a_study_of_jobs_that_do_nothing_ends_at_once_and_is_finished_then(tmp_path):
    """Snakemake's limit on jobs in a second is lifted: no clock of it is left to wait for."""
    project = planned_studies.empty_project(tmp_path / "project", 10)
    start = project / "workflow/rules/start.smk"
    clocks = "sum(type(thread).__name__ == 'Timer' for thread in __import__('threading').enumerate())"
    start.write_text(start.read_text().replace("onsuccess:\n", f"onsuccess:\n    print('clocks:', {clocks})\n"))
    arguments = [planned_studies.TARGET, "--configfile", "many.yaml"]
    run = snakemake(project, *arguments, cores="1")
    assert run.returncode == 0, run.stderr[-3000:]
    assert "33 of 33 steps (100%) done" in run.stderr + run.stdout and "clocks: 0\n" in run.stdout
    with_limit = snakemake(project, *arguments, "--forcerun", "collect", "--max-jobs-per-timespan", "9/3s", cores="1")
    assert "clocks: 1\n" in with_limit.stdout  # a user's own limit stays
    assert not planned(project, *arguments)


@pytest.mark.skipif(not RECORD.exists(), reason="not measured yet")
def test_the_committed_figures_are_foretold_within_the_tolerance():
    costs = scaling.foretold_costs(pd.read_csv(RECORD))
    assert {"inspect", "prepare", "train", "embed", "plan"} <= set(costs.dropna().step)
    check_costs(costs.dropna())


@pytest.mark.skipif(not RECORD.exists(), reason="not measured yet")
def test_the_page_shows_what_the_committed_figures_foretell():
    page = (ROOT / "docs/scale.md").read_text().splitlines()
    assert [line for line in scaling.cost_lines(scaling.foretold_costs(pd.read_csv(RECORD))) if line not in page] == []


@pytest.mark.scale
def test_a_million_cells_and_a_thousand_runs_are_foretold_within_the_tolerance(tmp_path):
    scaling.measure_scaling(tmp_path / "scaling.csv", folder=tmp_path)
    costs = scaling.foretold_costs(pd.read_csv(tmp_path / "scaling.csv"))
    assert len(costs) == 2 * (7 + 3) and costs.measured.notna().all()
    check_costs(costs)


def test_rounds_may_be_made_one_by_one(tmp_path, monkeypatch):
    costs = iter(range(1, 9))
    row = {"of": "runs", "step": "plan", "megabytes": 100.0}
    monkeypatch.setattr(scaling, "measure_studies", lambda n: [row | {"n": n, "seconds": float(next(costs))}])
    for append in (False, True):
        scaling.measure_scaling(tmp_path / "scaling.csv", rounds=1, cells=[], runs=[30, 100], append=append)
    assert pd.read_csv(tmp_path / "scaling.csv").seconds.tolist() == [1, 2, 3, 4]
    scaling.measure_scaling(tmp_path / "scaling.csv", rounds=1, cells=[], runs=[30, 100])
    assert pd.read_csv(tmp_path / "scaling.csv").seconds.tolist() == [5, 6]


def check_costs(costs: pd.DataFrame) -> None:
    """Each cost is foretold within the tolerance."""
    outside = costs[(costs.foretold / costs.measured - 1).abs() > scaling.TOLERANCE]
    assert outside.empty, outside.to_string()
