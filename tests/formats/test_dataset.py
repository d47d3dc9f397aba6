"""The contract of a dataset: what is refused; and that normalisation, shares and splits are as promised."""

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from gmvae.data.normalisation import log_normalise
from gmvae.data.split import apportion, draw_split
from gmvae.formats.dataset import check_dataset, load_dataset
from gmvae.pipeline.errors import Refused


def cells(n: int = 12, n_genes: int = 5) -> anndata.AnnData:
    """A small dataset of cells that keeps the contract."""
    counts = np.random.default_rng(0).poisson(2.0, (n, n_genes)).astype(np.float32)
    counts[:, 0] += 1
    obs = pd.DataFrame(
        {
            "label": pd.Categorical([f"type {i % 3}" for i in range(n)]),
            "total": counts.sum(axis=1).astype(float),
            "split": pd.Categorical(["train", "train", "test"] * (n // 3)),
        },
        index=[f"cell {i}" for i in range(n)],
    )
    matrix = sparse.csr_matrix(counts)
    adata = anndata.AnnData(log_normalise(matrix, obs["total"]), obs=obs, layers={"counts": matrix})
    adata.uns = {"name": "Cells", "likelihood": "negative_binomial", "shape": np.array([], dtype=int)}
    return adata


def broken_cells(how: str) -> anndata.AnnData:
    """The same dataset, broken in one way."""
    adata = cells()
    if how == "nan":
        adata.X.data[0] = np.nan
    if how == "negative":
        adata.layers["counts"].data[0] = -1
    if how == "fraction":
        adata.layers["counts"].data[0] = 1.5
    if how == "split":
        adata.obs["split"] = pd.Categorical(["train"] * adata.n_obs)
    if how == "no split":
        del adata.obs["split"]
    if how == "gap":
        adata.obs["label"] = adata.obs["label"].cat.remove_categories("type 0")
    if how == "numbers":
        adata.obs["label"] = np.arange(adata.n_obs)
    if how == "double":
        adata.X = adata.X.astype(np.float64)
    if how == "csc":
        adata.X = adata.X.tocsc()
    if how == "no counts":
        del adata.layers["counts"]
    if how == "likelihood":
        adata.uns["likelihood"] = "gauss"
    if how == "bernoulli":
        adata.uns["likelihood"] = "bernoulli"
    if how == "shape":
        adata.uns["shape"] = np.array([2, 2])
    if how == "names":
        adata.obs_names = ["same"] * adata.n_obs
    return adata


def test_a_dataset_that_keeps_the_contract_is_accepted():
    assert check_dataset(cells(), "set") is None


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("nan", r"^set: X .*\b1 .*NaN"),
        ("negative", r"^set: layers\['counts'\] .*\b1 negative"),
        ("fraction", r"^set: layers\['counts'\] .*\b1 fractional"),
        ("split", r"^set: obs\['split'\] .*\['train'\].*train and test.*test_share"),
        ("no split", r"^set: obs\['split'\] is missing"),
        ("gap", r"^set: obs\['label'\] .*\b4 gaps"),
        ("numbers", r"^set: obs\['label'\] .*int64.*categorical"),
        ("double", r"^set: X .*float64.*float32"),
        ("csc", r"^set: X .*csc_matrix.*CSR"),
        ("no counts", r"^set: layers\['counts'\] is missing.*negative_binomial"),
        ("likelihood", r"^set: uns\['likelihood'\] .*'gauss'.*bernoulli, normal"),
        ("bernoulli", r"^set: X .*\[0, [\d.]+\].*bernoulli.*\[0, 1\]"),
        ("shape", r"^set: uns\['shape'\] .*\[2, 2\].*\b5 features"),
        ("names", r"^set: obs_names .*unique"),
    ],
)
def test_a_broken_dataset_is_refused_in_one_line(how, message):
    with pytest.raises(Refused, match=message) as refusal:
        check_dataset(broken_cells(how), "set")
    assert "\n" not in str(refusal.value)


def test_a_missing_and_a_truncated_file_are_refused(tmp_path):
    with pytest.raises(Refused, match=r"none\.h5ad: no such file"):
        load_dataset(tmp_path / "none.h5ad")
    whole, truncated = tmp_path / "whole.h5ad", tmp_path / "truncated.h5ad"
    cells().write_h5ad(whole)
    truncated.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(Refused, match=r"truncated\.h5ad: not readable") as refusal:
        load_dataset(truncated)
    assert "\n" not in str(refusal.value)
    assert load_dataset(whole).n_obs == 12


def test_dense_and_sparse_counts_are_normalised_by_the_usual_formula():
    counts = cells().layers["counts"]
    total = np.asarray(counts.sum(axis=1)).ravel() + 3
    expected = np.array(
        [[np.log(1 + c * 10_000 / t) for c in row] for row, t in zip(counts.toarray(), total, strict=True)]
    )
    assert np.allclose(log_normalise(counts, total).toarray(), expected, rtol=1e-6)
    assert np.allclose(log_normalise(counts.toarray(), total), expected, rtol=1e-6)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.floats(0.01, 0.99))
def test_every_group_gets_its_share_to_within_one_row(sizes, share):
    sizes = np.array(sizes)
    n = round(share * sizes.sum())
    places = apportion(sizes, n, at_most=sizes)
    assert places.sum() == n
    assert (np.abs(places - n * sizes / sizes.sum()) <= 1 + 1e-6).all()
    assert (apportion(sizes, n, at_most=sizes - 1) <= sizes - 1).all()


def test_the_split_keeps_the_shares_of_all_groups_and_leaves_single_rows_in_training():
    label = ["a"] * 100 + ["b"] * 50 + ["alone"]
    obs = pd.DataFrame({"label": pd.Categorical(label), "condition": pd.Categorical(["c", "d"] * 75 + ["c"])})
    split = pd.Series(draw_split(obs, 0.2, seed=0))
    test_rows = obs[split == "test"]
    assert len(test_rows) == 30
    assert test_rows.groupby(["label", "condition"], observed=True).size().tolist() == [10, 10, 5, 5]
    assert split.iloc[-1] == "train"
    assert (draw_split(obs, 0.2, seed=0) == split).all() and (draw_split(obs, 0.2, seed=1) != split).any()
