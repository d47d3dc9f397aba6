"""The public datasets: known figures from the mirror, and refusals of files that are missing, cut off or different."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from gmvae.data.prepare import prepare
from gmvae.data.readers import kang, sc_mixology
from gmvae.data.readers.raw_files import read_idx
from gmvae.formats.dataset import load_dataset
from gmvae.pipeline.errors import Refused

MIRROR = Path(os.environ.get("GMVAE_MIRROR") or Path(__file__).resolve().parents[3] / "shared/data")
mirrored = [pytest.mark.mirror, pytest.mark.skipif(not MIRROR.is_dir(), reason=f"no mirror at {MIRROR}")]


def idx(values: np.ndarray) -> bytes:
    """A compressed IDX file of the values, written from the format's description."""
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return gzip.compress(bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes())


def test_idx_gives_back_what_was_written(tmp_path):
    values = np.arange(2 * 3 * 5).reshape(2, 3, 5)
    (tmp_path / "f.gz").write_bytes(idx(values))
    assert (read_idx(tmp_path / "f.gz") == values).all()


@pytest.mark.parametrize("damage", ["missing", "cut off", "short", "no IDX", "wrong"])
def test_bad_image_files_are_refused_in_one_line(tmp_path, damage):
    images, labels = idx(np.zeros((6, 28, 28))), idx(np.zeros(6))
    content = {
        "cut off": images[: len(images) // 2],
        "short": gzip.compress(gzip.decompress(images)[:-9]),
        "no IDX": gzip.compress(b"<html>not found</html>"),
        "wrong": images,
    }
    if damage in content:
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content[damage])
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(labels)
    reasons = {
        "missing": r"train-images-idx3-ubyte\.gz: no such file",
        "wrong": r"train-labels-idx1-ubyte\.gz: .*\[6\].*\[5923, ",
    }
    reason = reasons.get(damage, r"train-images-idx3-ubyte\.gz: damaged")
    with pytest.raises(Refused, match=reason) as refusal:
        prepare("mnist", tmp_path / "out/mnist.h5ad", "MNIST", raw=tmp_path)
    assert "\n" not in str(refusal.value) and not (tmp_path / "out").exists()


def test_a_damaged_r_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "ifnb_2800.rda").write_bytes(gzip.compress(b"RDX3\nX\n" + bytes(100)))
    with pytest.raises(Refused, match=r"ifnb_2800\.rda: damaged") as refusal:
        prepare("kang", tmp_path / "kang.h5ad", "Kang", raw=tmp_path, test_share=0.2)
    assert "\n" not in str(refusal.value) and not (tmp_path / "kang.h5ad").exists()


def test_other_numbers_of_cell_lines_are_refused():
    with pytest.raises(Refused, match="sc_mixology: lines is 4; allowed: 3, 5"):
        sc_mixology.read(Path(), lines=4)


@pytest.fixture(scope="module")
def kang_file():
    """The Kang file read once for all tests of this module: it takes seconds."""
    cells = kang.read(MIRROR / "kang")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kang, "read", lambda raw: cells.copy())
        yield


class TestFromTheMirror:
    """Figures of the papers and of the files' own annotations; counted here from the prepared files."""

    pytestmark = mirrored

    @pytest.mark.parametrize("source", ["mnist", "fashion_mnist"])
    def test_images(self, tmp_path, source):
        prepare(source, tmp_path / "set.h5ad", source, raw=MIRROR / source)
        adata = load_dataset(tmp_path / "set.h5ad")
        trained = adata.obs["split"] == "train"
        assert adata.shape == (70_000, 784) and trained.sum() == 60_000 and adata.uns["shape"].tolist() == [28, 28]
        assert 0.13 < adata.X[trained].mean() < 0.29  # 0.1307 and 0.2860 are the means that everybody normalises by
        means = {"mnist": 0.1307, "fashion_mnist": 0.2860}
        assert abs(adata.X[trained].mean() - means[source]) < 1e-4
        assert adata.obs["label"].nunique() == 10

    def test_binarised_images_are_black_or_white(self, tmp_path):
        prepare("mnist", tmp_path / "set.h5ad", "MNIST", raw=MIRROR / "mnist", settings={"binarised": True})
        assert np.unique(load_dataset(tmp_path / "set.h5ad").X).tolist() == [0, 1]

    def test_pbmc3k_and_the_tutorials_quality_control(self, tmp_path):
        cells = {"min_genes": 200, "max_genes": 2500, "max_mito": 0.05}
        prepare("pbmc3k", tmp_path / "s.h5ad", "PBMC", raw=MIRROR / "pbmc3k", test_share=0.2, cells=cells)
        adata = load_dataset(tmp_path / "s.h5ad")
        assert adata.shape == (2638, 2000) and len(adata.uns["quality"]["total"]) == 2700
        sizes = adata.obs["label"].value_counts().tolist()
        assert sizes == [697, 483, 480, 344, 271, 162, 155, 32, 14]
        assert "unlabelled" not in adata.uns["quality"]["reasons"]  # our thresholds alone find the tutorial's cells

    def test_kang_and_its_derived_sets(self, kang_file, tmp_path):
        options = {"raw": MIRROR / "kang", "cells": {}}
        prepare("kang", tmp_path / "a.h5ad", "Kang", test_share=0.2, **options)
        adata = load_dataset(tmp_path / "a.h5ad")
        assert adata.n_obs == 2800 and (adata.obs["condition"] == "stimulated").sum() == 1490
        assert adata.obs["label"].nunique() == 13
        merge = {"CD4 T": ["CD4 Naive T", "CD4 Memory T"], "B": ["B", "B Activated"], "DC": ["DC", "pDC"]}
        rows = {"merge": merge, "keep": {"condition": ["control"]}, "train_only": ["T activated", "Mk", "Eryth"]}
        prepare("kang", tmp_path / "b.h5ad", "Kang control", test_share=0.2, rows=rows, **options)
        control = load_dataset(tmp_path / "b.h5ad")
        assert control.n_obs == 1310 and "condition" not in control.obs and control.obs["type"].nunique() == 13
        assert control.obs["label"][control.obs["split"] == "test"].nunique() == 7
        rows = {"merge": merge, "hold_out": {"label": "NK", "condition": "stimulated"}}
        prepare("kang", tmp_path / "c.h5ad", "Kang without NK", test_share=0.0, rows=rows, **options)
        obs = load_dataset(tmp_path / "c.h5ad").obs
        tested = obs[obs["split"] == "test"]
        assert len(tested) == 51 and set(tested["label"]) == {"NK"} and set(tested["condition"]) == {"stimulated"}

    def test_pbmc3k_joined_with_kang(self, kang_file, tmp_path):
        rows = {"join": {"source": "kang"}, "keep": {"condition": ["control"]}, "merge": {"B": ["B", "B Activated"]}}
        options = {"settings": {"condition": "control"}, "rows": rows, "cells": {"max_genes": 2500}, "test_share": 0.2}
        prepare("pbmc3k", tmp_path / "s.h5ad", "Both", raw=MIRROR / "pbmc3k", **options)
        adata = load_dataset(tmp_path / "s.h5ad")
        assert adata.obs["batch"].value_counts().to_dict()["kang"] == 1310 and "condition" not in adata.obs
        assert 344 < (adata.obs["label"] == "B").sum() <= 344 + 70 + 33

    @pytest.mark.parametrize(("lines", "cells", "batches"), [(3, 450, [240, 210]), (5, 542, [149, 155, 238])])
    def test_cell_lines(self, tmp_path, lines, cells, batches):
        options = {"settings": {"lines": lines}, "cells": {}, "test_share": 0.2}
        prepare("sc_mixology", tmp_path / "s.h5ad", "Lines", raw=MIRROR / "sc_mixology", **options)
        adata = load_dataset(tmp_path / "s.h5ad")
        assert adata.n_obs == cells and adata.obs["label"].nunique() == lines
        assert adata.obs["batch"].value_counts(sort=False).tolist() == batches
        assert not adata.var_names.str.startswith("ERCC").any()
