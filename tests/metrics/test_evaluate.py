"""The metrics of latents that are made here by hand, and the table of many runs' metrics."""

import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from gmvae.formats.latent import pick_seed, read_latent, showcase_rows
from gmvae.formats.metrics_table import COLUMNS
from gmvae.metrics.collect import collect
from gmvae.metrics.evaluate import evaluate
from gmvae.pipeline.errors import Refused

TRUTH = np.array([0, 0, 0, 1, 1, 1, 0, 0, 1, 1])
SPLIT = ["train"] * 6 + ["test"] * 4
CLUSTER = np.array([1, 1, 0, 0, 0, 0, 1, 0, 0, 0])


def hand_made(clusters=None, n_components=2, seeds=(0,), labels_observed=False, truth=TRUTH, split=SPLIT):
    """A latent of ten rows; `clusters`: one array for all seeds, or None for a model without components."""
    obs = pd.DataFrame({"split": pd.Categorical(split)}, index=[f"r{i}" for i in range(len(split))])
    if truth is not None:
        obs["label"] = pd.Categorical.from_codes(truth, ["a", "b"])
    run = anndata.AnnData(obs=obs)
    run.uns |= {"task": "t", "model": "m", "seeds": np.array(seeds), "labels_observed": labels_observed}
    run.uns["n_components"] = n_components if clusters is not None else 0
    for seed in seeds:
        run.obsm[f"z_{seed}"] = np.random.default_rng(seed).normal(size=(len(split), 3)).astype(np.float32)
        if clusters is not None:
            run.obs[f"cluster_{seed}"] = clusters
    return run


def metrics_of_run(run, folder):
    """The metrics of the run, as {(seed, split, metric): value}."""
    run.write_h5ad(folder / "latent.h5ad")
    evaluate(folder / "latent.h5ad", folder / "metrics.csv", "t", "m")
    table = pd.read_csv(folder / "metrics.csv")
    assert list(table.columns) == COLUMNS
    assert set(table["task"]) == {"t"} and set(table["model"]) == {"m"}
    return {(row.seed, row.split, row.metric): row.value for row in table.itertuples()}


def test_the_measures_of_a_run_are_those_computed_by_hand(tmp_path):
    values = metrics_of_run(hand_made(CLUSTER), tmp_path)
    assert values[0, "train", "accuracy"] == pytest.approx(5 / 6)
    assert values[0, "test", "accuracy"] == pytest.approx(3 / 4)
    assert values[0, "test", "purity"] == pytest.approx(3 / 4)
    assert values[0, "test", "nmi"] == pytest.approx(normalized_mutual_info_score(TRUTH[6:], CLUSTER[6:]))
    assert values[0, "test", "ari"] == pytest.approx(adjusted_rand_score(TRUTH[6:], CLUSTER[6:]))
    assert values[0, "test", "occupancy"] == 2


def test_purity_uses_the_majority_classes_of_the_training_split(tmp_path):
    # In training component 0 is class b; in the test split it holds class a only.
    cluster = np.array([1, 1, 1, 0, 0, 0, 0, 0, 1, 1])
    values = metrics_of_run(hand_made(cluster), tmp_path)
    assert values[0, "train", "purity"] == 1
    assert values[0, "test", "purity"] == 0
    assert values[0, "test", "accuracy"] == 1  # matched on the test split itself


def test_components_are_not_matched_if_labels_were_observed(tmp_path):
    values = metrics_of_run(hand_made(1 - TRUTH, labels_observed=True), tmp_path)
    assert values[0, "test", "accuracy"] == 0
    assert values[0, "test", "purity"] == 1
    assert values[0, "test", "ari"] == 1


def test_there_is_no_accuracy_if_components_and_classes_differ_in_number(tmp_path):
    values = metrics_of_run(hand_made(CLUSTER, n_components=3), tmp_path)
    assert (0, "test", "accuracy") not in values
    assert (0, "test", "purity") in values


def test_a_model_without_components_has_only_a_silhouette(tmp_path):
    values = metrics_of_run(hand_made(None), tmp_path)
    assert {metric for _, _, metric in values} == {"silhouette"}


def test_without_labels_only_the_use_of_components_is_measured(tmp_path):
    values = metrics_of_run(hand_made(CLUSTER, truth=None), tmp_path)
    assert {metric for _, _, metric in values} == {"occupancy", "effective_components"}


def test_terms_are_averaged_by_split_and_left_out_if_never_computed(tmp_path):
    run = hand_made(None)
    bound = np.full(10, np.nan)
    bound[[6, 8]] = [-3, -5]
    values = {"elbo": np.arange(10.0), "bound": bound, "objective": np.arange(10.0)}
    run.obsm["terms_0"] = pd.DataFrame(values, index=run.obs_names)
    run.obs["disagree_0"] = np.arange(10) == 6
    metrics = metrics_of_run(run, tmp_path)
    assert metrics[0, "train", "elbo"] == 2.5
    assert metrics[0, "test", "objective"] == 7.5
    assert metrics[0, "test", "bound"] == -4
    assert (0, "train", "bound") not in metrics
    assert metrics[0, "test", "disagreement"] == 0.25
    assert metrics[0, "train", "disagreement"] == 0


def test_a_diverged_seed_is_refused_with_its_number(tmp_path):
    run = hand_made(None, seeds=(0, 7))
    run.obsm["z_7"] = np.where(np.arange(10)[:, None] == 3, np.nan, run.obsm["z_7"])
    with pytest.raises(Refused, match=r"latent\.h5ad: silhouette of seed 7 is not finite.*learning_rate") as refusal:
        metrics_of_run(run, tmp_path)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "metrics.csv").exists()


def test_a_missing_and_a_truncated_latent_are_refused(tmp_path):
    with pytest.raises(Refused, match=r"latent\.h5ad"):
        evaluate(tmp_path / "latent.h5ad", tmp_path / "metrics.csv", "t", "m")
    hand_made(CLUSTER).write_h5ad(tmp_path / "latent.h5ad")
    whole = (tmp_path / "latent.h5ad").read_bytes()
    (tmp_path / "latent.h5ad").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Refused, match=r"latent\.h5ad"):
        evaluate(tmp_path / "latent.h5ad", tmp_path / "metrics.csv", "t", "m")
    assert not (tmp_path / "metrics.csv").exists()


def test_a_latent_without_a_required_part_is_refused(tmp_path):
    run = hand_made(CLUSTER, seeds=(0, 1))
    del run.obsm["z_1"]
    run.write_h5ad(tmp_path / "latent.h5ad")
    with pytest.raises(Refused, match=r"lacks obsm\[z_1\]"):
        read_latent(tmp_path / "latent.h5ad")


def test_the_picked_seed_has_the_best_training_objective(tmp_path):
    run = hand_made(None, seeds=(3, 5, 4))
    assert pick_seed(run) == 3  # no objective: the first
    for seed, train, test in ((3, -2.0, 9.0), (5, -1.0, 0.0), (4, -3.0, 9.0)):
        values = np.where(np.array(SPLIT) == "train", train, test)
        run.obsm[f"terms_{seed}"] = pd.DataFrame({"objective": values}, index=run.obs_names)
    assert pick_seed(run) == 5


def test_showcase_rows_take_one_row_of_every_class_first():
    run = hand_made(None, truth=np.array([0, 0, 0, 1, 1, 1, 0, 0, 0, 1]))
    assert showcase_rows(run, 3).tolist() == [6, 9, 7]
    assert showcase_rows(hand_made(None, truth=None), 2).tolist() == [6, 7]


def test_collected_metrics_are_sorted_and_keep_their_digits(tmp_path):
    (tmp_path / "b.csv").write_text("task,model,seed,split,metric,value\nt,b,10,test,ari,0.123456789\n")
    (tmp_path / "a.csv").write_text("task,model,seed,split,metric,value\nt,a,9,test,ari,1e-05\nt,a,10,test,ari,1\n")
    collect([tmp_path / "b.csv", tmp_path / "a.csv"], tmp_path / "all.csv")
    first = (tmp_path / "all.csv").read_bytes()
    collect([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "all.csv")
    assert (tmp_path / "all.csv").read_bytes() == first
    assert first.decode().splitlines()[1:] == [
        "t,a,9,test,ari,1e-05",
        "t,a,10,test,ari,1",
        "t,b,10,test,ari,0.123456789",
    ]


def test_missing_repeated_and_malformed_tables_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("task,model,seed,split,metric,value\nt,a,9,test,ari,1\n")
    (tmp_path / "wrong.csv").write_text("task,model\nt,a\n")
    for files, message in (
        ([], "--metrics"),
        ([tmp_path / "a.csv", tmp_path / "a.csv"], "t, a, 9, test, ari"),
        ([tmp_path / "wrong.csv"], r"wrong\.csv"),
        ([tmp_path / "none.csv"], r"none\.csv"),
    ):
        with pytest.raises(Refused, match=message):
            collect(files, tmp_path / "all.csv")
    assert not (tmp_path / "all.csv").exists()


def test_finer_and_coarser_classes_have_measures_of_their_own(tmp_path):
    run = hand_made(CLUSTER)
    fine = np.array(["a1", "a2", "a1", "b1", "b1", "b2", "a1", "a1", "b1", "b1"])
    coarse = np.array(["x", "x", "x", "y", "y", "y", None, "x", None, "y"], dtype=object)
    run.obs["type"], run.obs["coarse"] = pd.Categorical(fine), pd.Categorical(coarse)
    values = metrics_of_run(run, tmp_path)
    # Component 1 holds a1 and a2 once each in training: a1 by the order of names. Component 0 holds b1 twice.
    assert values[0, "test", "purity_fine"] == pytest.approx(3 / 4)
    assert values[0, "test", "classes_found_fine"] == 2 and (0, "test", "accuracy_fine") not in values
    # Of the test rows two have a group: one of x in component 0, whose group is y, and one of y in it.
    assert values[0, "test", "purity_coarse"] == values[0, "test", "accuracy_coarse"] == 1 / 2
    assert values[0, "test", "ari_fine"] == pytest.approx(adjusted_rand_score(fine[6:], CLUSTER[6:]))
    assert values[0, "test", "nmi_coarse"] == pytest.approx(normalized_mutual_info_score(["x", "y"], [0, 0]))
    observed = metrics_of_run(hand_made(CLUSTER, labels_observed=True), tmp_path)
    assert values[0, "test", "purity"] == observed[0, "test", "purity"]


def test_a_class_is_found_if_it_is_the_majority_of_a_component_and_missed_only_if_it_is_large(tmp_path):
    truth = np.repeat([0, 1, 2], [100, 31, 30])
    run = hand_made(np.zeros(161, dtype=int), n_components=4, truth=None, split=["train", "test"] * 80 + ["train"])
    run.obs["label"] = pd.Categorical.from_codes(truth, ["a", "b", "c"])
    for components, n_found, n_missed in (([0, 0, 0], 1, 1), ([0, 0, 1], 2, 1), ([0, 3, 0], 2, 0), ([2, 1, 0], 3, 0)):
        run.obs["cluster_0"] = np.array(components)[truth]
        values = metrics_of_run(run, tmp_path)
        for split in ("train", "test"):
            assert (values[0, split, "classes_found"], values[0, split, "classes_missed"]) == (n_found, n_missed)


def test_the_parts_of_a_latent_are_those_that_anndata_reads(tmp_path):
    run = hand_made(CLUSTER, seeds=(0, 1))
    run.obs["batch"] = pd.Categorical(["x", None] * 5)
    run.obs["total"] = np.arange(10.0)
    run.obsm["terms_0"] = pd.DataFrame({"objective": np.arange(10.0)}, index=run.obs_names)
    run.uns["showcase"] = {"rows": np.arange(3), "reconstruction_0": np.eye(3, dtype=np.float32)}
    run.write_h5ad(tmp_path / "latent.h5ad", compression="gzip")
    light, whole = read_latent(tmp_path / "latent.h5ad"), anndata.read_h5ad(tmp_path / "latent.h5ad")
    pd.testing.assert_frame_equal(light.obs, whole.obs)
    pd.testing.assert_frame_equal(light.obsm["terms_0"], whole.obsm["terms_0"])
    assert light.obs_names.equals(whole.obs_names) and light.n_obs == 10
    assert set(light.obsm) == set(whole.obsm) and set(light.uns) == set(whole.uns)
    assert all(np.array_equal(light.obsm[f"z_{seed}"], whole.obsm[f"z_{seed}"]) for seed in (0, 1))
    assert (light.uns["task"], light.uns["n_components"], light.uns["labels_observed"]) == ("t", 2, False)
    assert all(np.array_equal(light.uns["showcase"][key], part) for key, part in whole.uns["showcase"].items())
    assert light.obsm.get("z_9") is None


def test_evaluation_imports_neither_anndata_nor_scikit_learn():
    script = "import sys, gmvae.metrics.evaluate; print(sorted({'anndata', 'sklearn', 'torch'} & set(sys.modules)))"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
