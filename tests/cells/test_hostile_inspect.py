"""Files that nobody means, looked at by `python -m gmvae inspect`: the first door of a user's own cells."""

import shutil
from functools import partial

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse
from support.checkout import count
from support.hostile import Trial, mutated_bytes, summary, try_all
from support.hostile_stores import CHANGES

from gmvae.cells.inspect import inspect
from gmvae.pipeline.sources import ROOT

SEED = 20261127
COUNTS = np.random.default_rng(0).poisson(1.5, (40, 6)).astype(np.float32) + np.eye(40, 6, dtype=np.float32)


def look_at(path, output):
    inspect(path, output, config=ROOT / "config.yaml")


def test_a_hostile_h5ad_is_refused_or_described(tmp_path):
    obs = pd.DataFrame({"type": pd.Categorical(["T", "B"] * 20)}, index=[f"cell{i}" for i in range(40)])
    var = pd.DataFrame(index=[f"gene{j}" for j in range(6)])
    good = tmp_path / "mine.h5ad"
    anndata.AnnData(sparse.csr_matrix(COUNTS), obs=obs, var=var).write_h5ad(good)
    files = {"as it was": good}
    for i, (name, change) in enumerate(CHANGES.items()):
        files[name] = tmp_path / f"changed{i}.h5ad"
        shutil.copy(good, files[name])
        with h5py.File(files[name], "r+") as file:
            change(file)
    for i, (name, content) in enumerate(mutated_bytes(good.read_bytes(), 14, SEED)):
        files[name] = tmp_path / f"bytes{i}.h5ad"
        files[name].write_bytes(content)
    trials = [
        Trial(name, (str(path),), partial(look_at, path, path.with_suffix(".yaml"))) for name, path in files.items()
    ]
    outcomes = try_all(trials, tmp_path)
    count("inputs tried", len(outcomes) - 1)
    assert not summary(outcomes), f"seed {SEED}\n{summary(outcomes)}"
    assert outcomes[0].kind == "accepted" and sum(outcome.kind == "refused" for outcome in outcomes) > 20
