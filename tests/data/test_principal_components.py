"""The principal components that a dataset holds: scikit-learn's up to sign, from the training rows alone."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.decomposition import PCA
from support.cells import CHOICES, every_fifth, raw_cells

from gmvae.data import principal_components
from gmvae.data.preprocessing import preprocess_cells
from gmvae.data.principal_components import axes_by_blocks, store_components
from gmvae.data.split import divide_rows
from gmvae.formats.dataset import check_dataset
from gmvae.pipeline.errors import Refused

N, D = 230, 60


def random_set(form=np.asarray, seed=0, rank=D):
    """Rows with a falling spectrum, every fifth of them for testing; half of the values are 0."""
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(N, rank)) @ draws.normal(size=(rank, D)) * (draws.random((N, D)) < 0.5)
    x = (x * np.geomspace(1, 0.05, D) + 2).astype(np.float32)
    if rank < D:
        x[:, rank:] = x[:, : D - rank]
    split = pd.Categorical(np.where(np.arange(N) % 5 == 0, "test", "train"))
    obs = pd.DataFrame({"split": split}, index=[str(i) for i in range(N)])
    uns = {"name": "random", "likelihood": "normal", "shape": np.array([], dtype=int)}
    return anndata.AnnData(form(x), obs=obs, uns=uns)


def components(adata):
    store_components(adata)
    return adata.obsm["X_pca"]


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_components_are_those_of_scikit_learn_up_to_sign(form, monkeypatch):
    monkeypatch.setattr(principal_components, "ROWS", 32)
    adata = random_set(form)
    z, x = components(adata), random_set().X.astype(np.float64)
    expected = PCA(50, svd_solver="full").fit(x[adata.obs["split"] == "train"]).transform(x)
    assert z.dtype == np.float32 and z.shape == (N, 50)
    assert np.abs(np.abs(z) - np.abs(expected)).max() < 1e-5
    check_dataset(adata, "random")


def test_axes_of_wide_data_are_the_exact_ones_where_the_spectrum_falls(monkeypatch):
    monkeypatch.setattr(principal_components, "ROWS", 32)
    x = random_set().X
    exact, iterated = (axes_by_blocks(x, np.arange(3, N), 10, widest)[1] for widest in (D, D - 1))
    assert np.abs(exact - iterated).max() < 1e-4
    assert (np.take_along_axis(exact, np.abs(exact).argmax(0)[None], 0) > 0).all()


def test_components_beyond_the_rank_are_zero_and_few_rows_have_few():
    z = components(random_set(rank=31))
    assert (z[:, 31:] == 0).all() and (np.abs(z[:, :31]).max(0) > 1e-3).all()
    few = random_set()[:12].copy()  # nine training rows
    assert components(few).shape == (12, 8)


def test_test_rows_do_not_move_the_axes():
    first, second = random_set(), random_set()
    test = (first.obs["split"] == "test").to_numpy()
    second.X[test] = np.random.default_rng(1).normal(size=(test.sum(), D))
    assert (components(first)[~test] == components(second)[~test]).all()


def test_labels_and_held_out_cells_do_not_move_the_axes():
    hold_out = {"label": "type 1", "condition": "batch 1"}

    def prepared(change):
        cells = raw_cells()
        cells.obs["condition"] = cells.obs["batch"]
        held_out = (cells.obs["label"] == "type 1") & (cells.obs["condition"] == "batch 1")
        change(cells, held_out.to_numpy())
        dataset = preprocess_cells(
            cells, lambda obs: divide_rows(obs, 0.1, 0, hold_out=hold_out), min_genes=20, n_top_genes=60
        )
        store_components(dataset)
        return pd.DataFrame(dataset.obsm["X_pca"], index=dataset.obs_names)[(dataset.obs["split"] == "train")]

    def shuffle_counts(cells, rows):
        cells.layers["counts"] = cells.layers["counts"].toarray()
        cells.layers["counts"][rows] = np.random.default_rng(0).permuted(cells.layers["counts"][rows], axis=1)

    pd.testing.assert_frame_equal(prepared(lambda *_: None), prepared(shuffle_counts))
    unlabelled = raw_cells()
    unlabelled.obs["label"] = unlabelled.obs["label"].to_numpy()[::-1]
    first, second = (preprocess_cells(cells, every_fifth, **CHOICES) for cells in (raw_cells(), unlabelled))
    assert (components(first) == components(second)).all()


def test_damaged_components_are_refused():
    adata = random_set()
    components(adata)[3, 2] = np.nan
    with pytest.raises(Refused, match=r"obsm\['X_pca'\] holds 1 values that are NaN"):
        check_dataset(adata, "random")
