"""Intervals over the rows of runs that are made here by hand."""

import anndata
import numpy as np
import pandas as pd
import pytest

from gmvae.metrics.evaluate import evaluate
from gmvae.metrics.resample import INTERVAL_COLUMNS, resample
from gmvae.pipeline.errors import Refused

N = 240
DRAWS = np.random.default_rng(1)
TRUTH = DRAWS.integers(3, size=N)
SPLIT = np.where(np.arange(N) % 3 == 0, "train", "test")
HARD = DRAWS.random(N) < 0.3  # rows that similar models get wrong


def run(model: str, wrong, seeds=(1, 2), n_components: int = 3, labels: bool = True) -> anndata.AnnData:
    """A run whose clusters are the classes but for the rows `wrong` of each seed."""
    obs = pd.DataFrame({"split": pd.Categorical(SPLIT)}, index=[f"r{i}" for i in range(N)])
    if labels:
        codes = np.where(np.arange(N) % 20 == 1, -1, TRUTH)  # some rows have no class
        obs["label"] = pd.Categorical.from_codes(codes, list("abc"))
        obs["type"] = pd.Categorical.from_codes(np.arange(N) % 2 + 2 * TRUTH, list("uvwxyz"))
    result = anndata.AnnData(obs=obs)
    result.uns |= {"task": "t", "model": model, "seeds": np.array(seeds), "labels_observed": False}
    result.uns["n_components"] = n_components
    for seed in seeds:
        draws = np.random.default_rng([seed, len(model)])
        result.obsm[f"z_{seed}"] = (draws.normal(size=(N, 3)) + TRUTH[:, None]).astype(np.float32)
        result.obs[f"cluster_{seed}"] = np.where(wrong(draws), (TRUTH + 1) % 3, TRUTH)
        terms = pd.DataFrame(
            draws.normal(-100, 5, size=(N, 4)), columns=["elbo", "bound", "kl_y", "kl_z"], index=obs.index
        )
        terms.loc[terms.index[::2], "bound"] = np.nan
        result.obsm[f"terms_{seed}"] = terms.astype(np.float32)
        result.obs[f"disagree_{seed}"] = draws.random(N) < 0.2
    return result


def similar(draws):
    return HARD ^ (draws.random(N) < 0.03)


def unlike(draws):
    return draws.random(N) < 0.3


def table_of(folder, *runs) -> pd.DataFrame:
    """The intervals of the runs."""
    paths = [folder / f"{made.uns['model']}.h5ad" for made in runs]
    for made, path in zip(runs, paths, strict=True):
        made.write_h5ad(path)
    resample(paths, folder / "intervals.csv", samples=300)
    table = pd.read_csv(folder / "intervals.csv", keep_default_na=False)
    assert list(table.columns) == INTERVAL_COLUMNS
    return table


def test_values_are_those_of_the_evaluation(tmp_path):
    runs = [run("a", similar), run("bb", unlike)]
    table = table_of(tmp_path, *runs).set_index(["model", "rival", "metric"]).value
    means = {}
    for model in ("a", "bb"):
        evaluate(tmp_path / f"{model}.h5ad", tmp_path / "metrics.csv", "t", model)
        metrics = pd.read_csv(tmp_path / "metrics.csv").query("split == 'test'").groupby("metric").value.mean()
        metrics["divergence"] = metrics["kl_y"] + metrics["kl_z"]
        means[model] = metrics
    single = table.xs("", level="rival")
    assert {"accuracy", "purity_fine", "ari", "nmi_fine", "silhouette", "bound", "divergence", "disagreement"} <= set(
        single["a"].index
    )
    for model, of_model in means.items():
        assert single[model].to_dict() == pytest.approx(of_model[single[model].index].to_dict(), abs=1e-5)
    of_pair = table["a"]["bb"]
    assert of_pair.to_dict() == pytest.approx((means["a"] - means["bb"])[of_pair.index].to_dict(), abs=1e-5)


def test_models_that_find_the_same_rows_hard_have_the_narrower_interval(tmp_path):
    table = table_of(tmp_path, run("a", similar), run("bb", similar), run("ccc", unlike), run("dddd", unlike))
    width = table.assign(width=table.high - table.low).set_index(["model", "rival", "metric"]).width
    for metric in ("accuracy", "purity", "nmi", "ari"):
        assert width["a", "bb", metric] < 0.6 * width["ccc", "dddd", metric]
        assert width["a", "bb", metric] < 0.6 * width["a", "", metric]


def test_the_same_runs_give_the_same_bytes_whatever_else_is_compared(tmp_path):
    runs = [run("a", similar), run("bb", unlike)]
    table_of(tmp_path, *runs)
    first = (tmp_path / "intervals.csv").read_bytes()
    more = table_of(tmp_path, *runs, run("ccc", unlike))
    table_of(tmp_path, *runs)
    assert (tmp_path / "intervals.csv").read_bytes() == first
    rest = more[(more.model != "ccc") & (more.rival != "ccc")]
    rest.to_csv(tmp_path / "rest.csv", index=False, lineterminator="\n")
    assert pd.read_csv(tmp_path / "rest.csv", keep_default_na=False).equals(
        pd.read_csv(tmp_path / "intervals.csv", keep_default_na=False)
    )


def test_runs_differ_in_what_they_have(tmp_path):
    plain = run("plain", unlike, n_components=0)
    del plain.obsm["terms_1"], plain.obsm["terms_2"]
    other_seed = run("later", similar, seeds=(2, 3))
    table = table_of(tmp_path, run("a", similar), plain, other_seed)
    assert set(table[table.model == "plain"].query("rival == ''").metric) == {"silhouette", "disagreement"}
    assert len(table.query("model == 'a' and rival == 'later' and metric == 'accuracy'")) == 1  # of the seed 2
    unlabelled = table_of(tmp_path, run("a", similar, labels=False))
    assert set(unlabelled.metric) == {"elbo", "bound", "divergence", "disagreement"}


def test_too_few_test_rows_give_no_interval(tmp_path):
    few = run("a", similar)
    few.obs["split"] = pd.Categorical(["test"] * 3 + ["train"] * (N - 3))
    assert table_of(tmp_path, few).empty


def test_other_rows_are_refused(tmp_path):
    other = run("bb", unlike)
    other.obs_names = [f"q{i}" for i in range(N)]
    with pytest.raises(Refused, match=r"bb\.h5ad has other rows than .*a\.h5ad: run the step"):
        table_of(tmp_path, run("a", similar), other)
