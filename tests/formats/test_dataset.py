"""The data contract and its helpers: what is refused, and that shares and draws are what they say."""

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
    """A small data set of cells that keeps the contract."""
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


def spoilt(how: str) -> anndata.AnnData:
    """The same, broken in one way."""
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


def test_check_accepts_what_keeps_the_contract():
    assert check_dataset(cells(), "set") is None


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("nan", r"^set: X holds 1 values that are NaN or infinite; replace"),
        ("negative", r"^set: layers\['counts'\] holds 1 negative values, counts are >= 0"),
        ("fraction", r"^set: layers\['counts'\] holds 1 fractional values, counts are whole"),
        ("split", r"^set: obs\['split'\] holds \['train'\], it must hold train and test; choose another test_share"),
        ("no split", r"^set: obs\['split'\] is missing; prepare"),
        ("gap", r"^set: obs\['label'\] has 4 gaps; fill or drop"),
        ("numbers", r"^set: obs\['label'\] is int64, it must be a categorical of str"),
        ("double", r"^set: X is float64, models take float32"),
        ("csc", r"^set: X is a csc_matrix; allowed: a dense array or CSR"),
        ("no counts", r"^set: layers\['counts'\] is missing, which likelihood negative_binomial needs"),
        ("likelihood", r"^set: uns\['likelihood'\] is 'gauss'; allowed: bernoulli, normal"),
        ("bernoulli", r"^set: X spans \[0, [\d.]+\], the bernoulli likelihood takes \[0, 1\]; rescale"),
        ("shape", r"^set: uns\['shape'\] is \[2, 2\] but a row has 5 features"),
        ("names", r"^set: obs names repeat; make them unique"),
    ],
)
def test_check_refuses_in_one_line(how, message):
    with pytest.raises(Refused, match=message) as refusal:
        check_dataset(spoilt(how), "set")
    assert "\n" not in str(refusal.value)


def test_load_refuses_a_missing_and_a_truncated_file(tmp_path):
    with pytest.raises(Refused, match=r"none\.h5ad: no such file; name an existing"):
        load_dataset(tmp_path / "none.h5ad")
    whole, torn = tmp_path / "whole.h5ad", tmp_path / "torn.h5ad"
    cells().write_h5ad(whole)
    torn.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(Refused, match=r"torn\.h5ad: not readable as \.h5ad: truncated") as refusal:
        load_dataset(torn)
    assert "\n" not in str(refusal.value)
    assert load_dataset(whole).n_obs == 12


def test_log_normalised_is_the_fields_formula_dense_and_sparse():
    counts = cells().layers["counts"]
    total = np.asarray(counts.sum(axis=1)).ravel() + 3
    expected = np.array(
        [[np.log(1 + c * 10_000 / t) for c in row] for row, t in zip(counts.toarray(), total, strict=True)]
    )
    assert np.allclose(log_normalise(counts, total).toarray(), expected, rtol=1e-6)
    assert np.allclose(log_normalise(counts.toarray(), total), expected, rtol=1e-6)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.floats(0.01, 0.99))
def test_apportioned_is_within_one_of_the_share(sizes, share):
    sizes = np.array(sizes)
    n = round(share * sizes.sum())
    places = apportion(sizes, n, at_most=sizes)
    assert places.sum() == n
    assert (np.abs(places - n * sizes / sizes.sum()) <= 1 + 1e-6).all()
    assert (apportion(sizes, n, at_most=sizes - 1) <= sizes - 1).all()


def test_split_keeps_shares_and_leaves_single_rows_in_training():
    label = ["a"] * 100 + ["b"] * 50 + ["alone"]
    obs = pd.DataFrame({"label": pd.Categorical(label), "condition": pd.Categorical(["c", "d"] * 75 + ["c"])})
    drawn = pd.Series(draw_split(obs, 0.2, seed=0))
    tested = obs[drawn == "test"]
    assert len(tested) == 30
    assert tested.groupby(["label", "condition"], observed=True).size().tolist() == [10, 10, 5, 5]
    assert drawn.iloc[-1] == "train"
    assert (draw_split(obs, 0.2, seed=0) == drawn).all() and (draw_split(obs, 0.2, seed=1) != drawn).any()
