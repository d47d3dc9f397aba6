"""Genes that change with a condition: against scipy, on made-up changes, and what a model predicts of them."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import false_discovery_control, ranksums

from gmvae.runs.biology.changes import compare_genes, control_condition, describe_changes


@pytest.fixture(scope="module")
def cells():
    generator = np.random.default_rng(0)
    x = generator.poisson(1.0, (2000, 30)).astype(np.float32)
    x[1000:, :3] += 2  # up
    x[1000:, 3] = 0  # down
    return anndata.AnnData(sparse.csr_matrix(x), var=pd.DataFrame(index=[f"g{j}" for j in range(30)]))


def test_the_control_is_the_condition_that_is_called_so():
    assert control_condition(["stimulated", "ctrl"]) == "ctrl"
    assert control_condition(["IFN", "Untreated", "drug"]) == "Untreated"
    assert control_condition(["plate 1", "plate 2"]) == "plate 1"


def test_the_genes_that_were_changed_are_found_and_no_others(cells):
    table = compare_genes(cells, np.arange(1000), np.arange(1000, 2000))
    assert table[table["changes"]]["gene"].tolist() == ["g0", "g1", "g2", "g3"]
    x = cells.X.toarray()
    assert table["real"].to_numpy() == pytest.approx(x[1000:].mean(axis=0) - x[:1000].mean(axis=0), abs=1e-6)


def test_p_values_are_those_of_the_rank_sum_test_adjusted_for_the_number_of_genes():
    generator = np.random.default_rng(1)
    x = generator.normal(
        size=(160, 12)
    )  # without ties the two forms of the test agree but for the continuity correction
    x[80:, 0] += 0.5
    adata = anndata.AnnData(x, var=pd.DataFrame(index=[f"g{j}" for j in range(12)]))
    table = compare_genes(adata, np.arange(80), np.arange(80, 160))
    expected = false_discovery_control(ranksums(x[80:], x[:80]).pvalue)
    assert table["p_adjusted"].to_numpy() == pytest.approx(expected, rel=0.05)


def test_a_prediction_of_half_the_change_has_slope_one_half():
    real = np.array([2.0, -1.0, 0.5, 0.0])
    table = pd.DataFrame(
        {"gene": list("abcd"), "real": real, "predicted": real / 2, "changes": [True, True, True, False]}
    )
    assert describe_changes(table) == (3, "a c", "b", pytest.approx(1), pytest.approx(0.5), 1.0)
    opposite = describe_changes(table.assign(predicted=[-1.0, -0.5, 0.1, 0.0]))
    assert opposite[5] == pytest.approx(2 / 3)
    assert all(np.isnan(describe_changes(table.assign(predicted=np.nan))[3:]))
