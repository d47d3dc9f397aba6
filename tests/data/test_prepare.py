"""Step `prepare` and the readers: known figures of each dataset, a user's own file, and what is refused."""

import subprocess
import sys
from itertools import combinations
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy
from anndata.abc import CSRDataset
from scipy import sparse

from gmvae.data.prepare import prepare
from gmvae.data.readers import digits, h5ad, pbmc68k
from gmvae.formats.dataset import load_dataset
from gmvae.pipeline.errors import Refused


def prepared_dataset(tmp_path, source: str, **options) -> anndata.AnnData:
    """The dataset that the step makes of the source."""
    options = {"test_share": 0.2, **options}
    prepare(source, tmp_path / f"{source}.h5ad", source, **options)
    return load_dataset(tmp_path / f"{source}.h5ad")


def test_toy_has_the_geometry_that_its_settings_state(tmp_path):
    toy = prepared_dataset(tmp_path, "toy")
    assert toy.shape == (1250, 16) and toy.uns["likelihood"] == "normal"
    groups = toy.to_df().groupby([toy.obs["label"].to_numpy(), toy.obs["condition"].to_numpy()])
    means = {key: rows.mean().to_numpy() for key, rows in groups}
    labels = toy.obs["label"].cat.categories
    centres = {k: (means[k, "control"] + means[k, "shifted"]) / 2 for k in labels}
    assert len(labels) == 5 and all(len(rows) == 125 for _, rows in groups)
    assert min(np.linalg.norm(centres[a] - centres[b]) for a, b in combinations(labels, 2)) > 8
    shift = np.mean([means[k, "shifted"] - means[k, "control"] for k in labels], axis=0)
    assert 1.5 < np.linalg.norm(shift) < 2.5  # 2, up to the noise of 125 rows
    spread = groups.std().to_numpy()
    assert abs(spread.mean() - 1) < 0.02
    nearest = np.stack([np.linalg.norm(toy.X - centres[k], axis=1) for k in labels]).argmin(axis=0)
    assert (labels[nearest] == toy.obs["label"]).all()


def test_digits_are_the_shipped_images(tmp_path):
    images = prepared_dataset(tmp_path, "digits")
    assert images.shape == (1797, 64) and images.uns["shape"].tolist() == [8, 8]
    assert images.X.min() == 0 and images.X.max() == 1
    assert images.obs["label"].value_counts(sort=False).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (images.obs["split"] == "test").sum() == 359


def test_pbmc68k_counts_reproduce_the_shipped_logarithms(tmp_path):
    cells = prepared_dataset(tmp_path, "pbmc68k")
    shipped = scanpy.datasets.pbmc68k_reduced()
    assert cells.shape == (700, 765) and cells.obs["label"].nunique() == 10
    assert sparse.issparse(cells.X) and cells.layers["counts"].max() == 259
    # The shipped logarithms are right to 0.1 of a count, no better: they were rounded once.
    assert (
        np.abs(np.expm1(cells.X.toarray()) - np.expm1(shipped.raw.X.toarray())).max()
        < 0.1 * 1e4 / cells.obs["total"].min()
    )
    assert (cells.obs["total"].to_numpy() == shipped.obs["n_counts"].to_numpy()).all()


def test_shipped_files_that_are_not_the_known_ones_are_refused(monkeypatch):
    pixels, digit = np.full((1797, 64), 17.0), np.zeros(1797)
    monkeypatch.setattr(digits, "load_digits", lambda **_: (pixels, digit))
    with pytest.raises(Refused, match=r"digits: .*17"):
        digits.read()
    cells = scanpy.datasets.pbmc68k_reduced()
    monkeypatch.setattr(scanpy.datasets, "pbmc68k_reduced", lambda: cells)
    cells.obs["n_counts"] *= 1.01
    with pytest.raises(Refused, match=r"pbmc68k: .*whole numbers"):
        pbmc68k.read()
    monkeypatch.setattr(scanpy.datasets, "pbmc68k_reduced", lambda: cells[:699].copy())
    with pytest.raises(Refused, match=r"pbmc68k: .*\(699, 765\).*\(700, 765\)"):
        pbmc68k.read()


@pytest.mark.parametrize("source", ["toy", "digits", "pbmc68k"])
def test_preparing_twice_gives_the_same_bytes(tmp_path, source):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    prepared_dataset(tmp_path / "a", source), prepared_dataset(tmp_path / "b", source)
    assert (tmp_path / f"a/{source}.h5ad").read_bytes() == (tmp_path / f"b/{source}.h5ad").read_bytes()


COUNTS = np.random.default_rng(0).poisson(1.5, (40, 6)).astype(np.float32) + np.eye(40, 6, dtype=np.float32)
OBS = pd.DataFrame(
    {"type": ["T"] * 20 + ["B"] * 19 + ["rare"], "donor": [1, 2] * 20, "drug": ["none", "none", "some", "some"] * 10},
    index=[f"cell{i}" for i in range(40)],
)
FORMS = {"dense": np.asarray, "csr": sparse.csr_matrix, "csc": sparse.csc_matrix}


def users_file(path, counts=COUNTS, form: str = "dense", place: str = "X", obs=OBS) -> dict:
    """Write an AnnData file as a user might have it; the settings that name its parts."""
    matrix = FORMS[form](counts)
    logarithms = FORMS[form](np.log1p(np.abs(counts)))
    adata = anndata.AnnData(matrix if place != "umi" else logarithms, obs=obs.copy())
    if place == "umi":
        adata.layers["umi"] = matrix
    if place == "raw":
        adata.raw = adata
        adata = adata[:, :3].copy()
    adata.write_h5ad(path)
    return {"path": str(path), "label": "type", "condition": "drug", "batch": "donor", "counts": place}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", ["X", "umi", "raw"])
def test_a_users_file_works_however_it_holds_its_counts(tmp_path, form, place):
    cells = prepared_dataset(tmp_path, "h5ad", settings=users_file(tmp_path / "mine.h5ad", form=form, place=place))
    assert (cells.layers["counts"].toarray() == COUNTS).all()
    expected = np.log1p(COUNTS * 1e4 / COUNTS.sum(axis=1, keepdims=True))
    assert np.allclose(cells.X.toarray(), expected, rtol=1e-6)
    assert (cells.obs["label"].astype(str) == OBS["type"]).all()
    assert cells.obs["batch"].cat.categories.tolist() == ["1", "2"]
    assert cells.obs["condition"].cat.categories.tolist() == ["none", "some"]


@pytest.mark.parametrize(("form", "kind"), [("dense", h5py.Dataset), ("csr", CSRDataset), ("csc", sparse.csr_matrix)])
def test_a_file_stays_on_disk_until_cells_and_genes_are_chosen(tmp_path, form, kind):
    settings = users_file(tmp_path / "mine.h5ad", form=form)
    assert isinstance(h5ad.read(**settings).layers["counts"], kind)
    cells = prepared_dataset(
        tmp_path, "h5ad", settings=settings, cells={"min_genes": 3, "min_cells": 1, "n_top_genes": 4}
    )
    assert (cells.layers["counts"].toarray() == cells_in_memory(cells)).all() and cells.n_vars == 4
    assert (cells.obs["total"] == COUNTS.sum(axis=1)[[int(name[4:]) for name in cells.obs_names]]).all()


def cells_in_memory(cells: anndata.AnnData) -> np.ndarray:
    """The counts of the same cells and genes, taken from the table that the file was written from."""
    return COUNTS[np.ix_([int(name[4:]) for name in cells.obs_names], [int(name) for name in cells.var_names])]


@pytest.mark.filterwarnings("ignore")  # anndata's, of the old layout
def test_a_file_in_scanpys_own_older_layout_works(tmp_path):
    shipped = Path(scanpy.datasets.__file__).with_name("10x_pbmc68k_reduced.h5ad")
    with pytest.raises(Refused, match=r"10x_pbmc68k_reduced\.h5ad: raw.* fractional"):
        prepared_dataset(tmp_path, "h5ad", settings={"path": str(shipped), "label": "bulk_labels", "counts": "raw"})


def test_a_downloaded_file_and_one_without_labels(tmp_path):
    users_file(tmp_path / "mine.h5ad")
    cells = prepared_dataset(
        tmp_path, "h5ad", raw=tmp_path, settings={"file": "mine.h5ad", "likelihood": "zero_inflated_negative_binomial"}
    )
    assert "label" not in cells.obs and (cells.obs["split"] == "test").sum() == 8


def test_a_class_of_one_cell_is_trained_on_and_reported(tmp_path, capsys):
    cells = prepared_dataset(tmp_path, "h5ad", settings=users_file(tmp_path / "mine.h5ad"))
    assert cells.obs["split"][cells.obs["label"] == "rare"].tolist() == ["train"]
    assert "class 'rare' has 1 row, all in the training split: it is not tested" in capsys.readouterr().out


def test_cells_without_label_are_refused_or_dropped(tmp_path):
    obs = OBS.assign(type=OBS["type"].where(OBS["type"] != "rare"))
    settings = users_file(tmp_path / "mine.h5ad", obs=obs)
    with pytest.raises(Refused, match=r"mine\.h5ad: label .*'type' .*1 .*40 .*drop_unlabelled"):
        prepared_dataset(tmp_path, "h5ad", settings=settings)
    assert prepared_dataset(tmp_path, "h5ad", settings=settings | {"drop_unlabelled": True}).n_obs == 39


def counts_with(value: float) -> np.ndarray:
    """The counts with one value replaced."""
    counts = COUNTS.copy()
    counts[3, 2] = value
    return counts


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, r"mine\.h5ad: X .*1 .*NaN"),
        (-1, r"mine\.h5ad: X .*1 negative"),
        (0.5, r"mine\.h5ad: X .*1 fractional"),
    ],
)
def test_values_that_are_not_counts_are_refused_and_nothing_is_written(tmp_path, form, value, message):
    settings = users_file(tmp_path / "mine.h5ad", counts_with(value), form)
    with pytest.raises(Refused, match=message):
        prepared_dataset(tmp_path, "h5ad", settings=settings)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.h5ad"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label": "kind"}, r"mine\.h5ad: label is 'kind'.*type, donor, drug"),
        ({"batch": "plate"}, r"mine\.h5ad: batch is 'plate'"),
        ({"counts": "umi"}, r"mine\.h5ad: counts is 'umi'.*allowed: X"),
        ({"path": "nowhere.h5ad"}, r"nowhere\.h5ad: no such file"),
        ({"path": ""}, r"source h5ad: .*path.*file.*found neither"),
        ({"likelihood": "poisson"}, r"likelihood is 'poisson'; .*negative_binomial"),
        ({"colour": "red"}, r"source h5ad: 'colour' .*path, file, label"),
    ],
)
def test_wrong_settings_are_refused_by_name(tmp_path, settings, message):
    settings = users_file(tmp_path / "mine.h5ad") | settings
    with pytest.raises(Refused, match=message) as refusal:
        prepared_dataset(tmp_path, "h5ad", settings=settings)
    assert "\n" not in str(refusal.value) and not (tmp_path / "h5ad.h5ad").exists()


def test_wrong_options_are_refused(tmp_path):
    with pytest.raises(Refused, match=r"source: 'mnits' .*digits, "):
        prepared_dataset(tmp_path, "mnits")
    with pytest.raises(Refused, match=r"test_share is 1\.5.*\(0, 1\)"):
        prepared_dataset(tmp_path, "toy", test_share=1.5)
    with pytest.raises(Refused, match="test_share is missing"):
        prepared_dataset(tmp_path, "toy", test_share=None)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_bad_file_on_the_command_line_is_one_line(tmp_path, damage):
    mine, output = tmp_path / "mine.h5ad", tmp_path / "out/set.h5ad"
    if damage == "truncated":
        users_file(mine)
        mine.write_bytes(mine.read_bytes()[:5000])
    options = {"source": "h5ad", "output": output, "name": "Mine", "test-share": "0.2"}
    options["settings"] = f'{{"path": "{mine}"}}'
    values = (part for key, value in options.items() for part in (f"--{key}", value))
    process = subprocess.run([sys.executable, "-m", "gmvae.data.prepare", *values], capture_output=True, text=True)
    assert process.returncode == 1
    assert process.stderr.startswith(f"error: {mine}: ") and process.stderr.count("\n") == 1
    assert {"missing": "no such file", "truncated": "truncated"}[damage] in process.stderr
    assert not output.parent.exists()
