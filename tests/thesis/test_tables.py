"""The table of a task: values, the mark of the best model, the picked seed; and the list of runs."""

import json

import numpy as np
import pandas as pd
import pytest

from gmvae.pipeline.errors import Refused
from gmvae.thesis.tables.runs import list_runs, setting_text
from gmvae.thesis.tables.task import tabulate_task

SEEDS = range(8)


def metrics(better: float) -> pd.DataFrame:
    """Model a is better than b by `better`, with noise of its own; the control is perfect."""
    draws, rows = np.random.default_rng(0), []
    for seed in SEEDS:
        noise = 0.01 * draws.standard_normal(2)
        for split in ("train", "test"):
            rows.append(("t", "truth", seed, split, "accuracy", 1.0))
            rows.append(("t", "a", seed, split, "accuracy", 0.6 + better + noise[0]))
            rows.append(("t", "b", seed, split, "accuracy", 0.6 + noise[1]))
            rows += [("t", "a", seed, split, "elbo", -100.0 + seed), ("t", "a", seed, split, "kl_z", 4.0)]
            rows.append(("t", "a", seed, split, "objective", -100.0 + seed))
    return pd.DataFrame(rows, columns=["task", "model", "seed", "split", "metric", "value"])


def task_table(folder, frame: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    frame.to_csv(folder / "metrics.csv", index=False)
    names = {"a": "Model A", "accuracy": "Accuracy", "elbo": "ELBO"}
    output = folder / "t.tex"
    tabulate_task(
        folder / "metrics.csv", "t", ["truth", "a", "b"], ["truth"], {"truth": 5, "a": 5, "b": 7}, names, output
    )
    return output.read_text(), pd.read_csv(folder / "t.csv").set_index(["model", "metric"])


def test_values_are_those_of_the_test_split(tmp_path):
    frame = metrics(0.1)
    text, rows = task_table(tmp_path, frame)
    accuracy = frame[(frame.model == "a") & (frame.metric == "accuracy") & (frame.split == "test")].value
    row = rows.loc[("a", "accuracy")]
    assert row["mean"] == pytest.approx(accuracy.mean()) and row["sd"] == pytest.approx(accuracy.std())
    assert row["picked_seed"] == SEEDS[-1] and row["picked"] == pytest.approx(accuracy.iloc[-1])
    assert row["n_components"] == 5 and row["split"] == "test" and row["n_seeds"] == len(SEEDS)
    assert f"{accuracy.mean():.3f}" in text and r"Model A & 5 &" in text


def test_the_best_model_is_marked_if_the_test_separates_it_from_all_others(tmp_path):
    text, rows = task_table(tmp_path, metrics(0.1))
    assert rows.loc[("a", "accuracy"), "best"] and rows["best"].sum() == 1
    assert text.count(r"\textbf") == 1


def test_no_model_is_marked_if_the_test_does_not_separate_the_best(tmp_path):
    text, rows = task_table(tmp_path, metrics(0.0))
    assert not rows["best"].any() and r"\textbf" not in text


def test_no_model_is_marked_against_a_rival_that_never_varies(tmp_path):
    frame = metrics(0.1)
    frame.loc[(frame.model == "b") & (frame.metric == "accuracy"), "value"] = 0.5
    assert not task_table(tmp_path, frame)[1]["best"].any()


def test_the_objective_of_one_model_is_never_marked_best(tmp_path):
    rows = task_table(tmp_path, metrics(0.1))[1]
    assert not rows.loc[("a", "elbo"), "best"]


def test_a_column_that_says_nothing_and_a_row_that_repeats_are_left_out(tmp_path):
    frame = metrics(0.1)
    spaces = [("t", model, seed, "test", "silhouette", 0.1 * seed) for model in ("a", "space") for seed in SEEDS]
    lone = [("t", "truth", seed, "test", "nmi", 1.0) for seed in SEEDS]
    frame = pd.concat([frame, pd.DataFrame(spaces + lone, columns=frame.columns)])
    frame.to_csv(tmp_path / "metrics.csv", index=False)
    same = dict.fromkeys(("truth", "a", "b"), 5)
    tabulate_task(tmp_path / "metrics.csv", "t", ["truth", "a", "b", "space"], ["truth"], same, {}, tmp_path / "t.tex")
    agreement = (tmp_path / "t.tex").read_text().split(r"\termspanel")[0]
    assert "$K$" not in agreement and "space" not in agreement and "NMI" not in agreement
    assert agreement.count(r"\num{0.350}") == 1  # the space's mean silhouette, in the row of its clustering


def test_the_bound_of_few_models_stands_beside_their_agreement(tmp_path):
    frame = metrics(0.1)
    bound = pd.DataFrame([("t", "a", seed, "test", "bound", -90.0) for seed in SEEDS], columns=frame.columns)
    text, _ = task_table(tmp_path, pd.concat([frame, bound]))
    assert r"\let\termspanel\empty" in text and r"\num{-90.0}" in text and r"\mathrm{KL}" not in text
    many = pd.concat([frame.assign(model=frame.model + str(i)) for i in range(5)])
    many.to_csv(tmp_path / "metrics.csv", index=False)
    models = [f"{model}{i}" for i in range(5) for model in ("a", "b")]
    tabulate_task(tmp_path / "metrics.csv", "t", models, [], {}, {}, tmp_path / "t.tex")
    assert r"$\mathrm{KL}_{z}$" in (tmp_path / "t.tex").read_text()


def test_a_model_without_metrics_is_refused(tmp_path):
    metrics(0.1).to_csv(tmp_path / "metrics.csv", index=False)
    with pytest.raises(Refused, match="task t has no rows of c"):
        tabulate_task(tmp_path / "metrics.csv", "t", ["a", "c"], [], {}, {}, tmp_path / "t.tex")
    assert not (tmp_path / "t.tex").exists()


def provenance(folder, model: str, settings: dict, task: str = "t", **changed):
    path = folder / "runs" / task / model / "provenance.json"
    path.parent.mkdir(parents=True)
    made = {
        "settings": settings,
        "seeds": [0, 1],
        "versions": {"python": "3.11.2"},
        "commit": "ab" * 20,
        "dirty": False,
    }
    path.write_text(json.dumps(made | {"device": "cpu", "seconds": 98.7, "host": "den", "date": "2026"} | changed))
    return path


def test_the_list_of_runs_has_settings_and_code_but_no_times(tmp_path):
    asked = {"module": "vae", "settings": {"n_latent": 4}, "training": {"epochs": 50, "clip": 1.0}, "n_components": 3}
    other = asked | {"training": {"epochs": 70, "clip": 1.0}}
    paths = [provenance(tmp_path, model, settings) for model, settings in (("a", asked), ("b", asked), ("c", other))]
    paths.append(provenance(tmp_path, "k", {"n_init": 10}))
    list_runs(paths, {"a": "Model A", "t": "Task"}, tmp_path / "runs.tex")
    text = (tmp_path / "runs.tex").read_text()
    assert r"\section{Task}\label{runs:t}" in text and "epochs~50, clip~1" in text
    assert r"\run{All networks}{}{K~3, n latent~4}" in text and r"\run{Model A, b}{\texttt{vae}}{}" in text
    assert r"\run{c}{\texttt{vae}}{epochs~70}" in text
    assert r"\run{k}{baseline}{n init~10}" in text and "abababababab" in text
    assert "98.7" not in text and "den" not in text and "2026" not in text


def test_tasks_with_identical_runs_share_a_section(tmp_path):
    paths = [provenance(tmp_path, "a", {"n_init": n}, task) for task, n in (("one", 4), ("two", 5), ("three", 4))]
    list_runs(paths, {"one": "Task one"}, tmp_path / "runs.tex")
    text = (tmp_path / "runs.tex").read_text()
    assert r"\section{Task one, three}\label{runs:one}\label{runs:three}" in text
    assert r"\section{two}\label{runs:two}" in text and text.count("n init~4") == 1


def test_the_heads_of_a_section_of_many_tasks_are_short(tmp_path):
    paths = [provenance(tmp_path, "a", {"n_init": 4}, task) for task in ("one", "two", "three")]
    list_runs(paths, {"one": "Task one"}, tmp_path / "runs.tex")
    text = (tmp_path / "runs.tex").read_text()
    assert r"\section{Task one and 2 more}\label{runs:one}" in text
    assert r"\textit{Tasks}: Task one, two, three." in text


def test_a_run_without_its_record_is_refused(tmp_path):
    with pytest.raises(Refused, match="at least one run"):
        list_runs([], {}, tmp_path / "runs.tex")
    path = provenance(tmp_path, "a", {})
    path.write_text("{}")
    with pytest.raises(Refused, match=r"provenance.json: the keys settings"):
        list_runs([path], {}, tmp_path / "runs.tex")


def test_a_chosen_number_of_components_stands_in_its_task_s_section_with_its_evidence(tmp_path):
    paths = [provenance(tmp_path, "a", {"n_init": n}, task) for task, n in (("one", 4), ("two", 5))]
    sweep = tmp_path / "choices/two/components.csv"
    sweep.parent.mkdir(parents=True)
    table = pd.DataFrame({"n_components": [2, 3], "elbo": [-9.25, -8.0], "elbo_gap": [1.25, 0], "elbo_se": [0.5, 0]})
    table = table.assign(ari_seeds=[0.5, np.nan], ari_parts=[0.25, 0.75], n_used=[2, 2.5], communities=7)
    table.assign(chosen=[False, True]).to_csv(sweep, index=False)
    list_runs(paths, {}, tmp_path / "runs.tex", [sweep])
    before, section = (tmp_path / "runs.tex").read_text().split(r"\label{runs:two}")
    assert r"chose \(K=3\)" in section and "finds 7 communities" in section and "chose" not in before
    assert "2 & -9.25 & 1.25 & 0.50 & 0.500 & 0.250 & 2.0" in section
    assert r"\textbf{3} & -8.00 & 0.00 & 0.00 & \multicolumn{1}{c}{--} & 0.750 & 2.5" in section
    table.drop(columns="elbo").assign(chosen=True).to_csv(sweep, index=False)
    with pytest.raises(Refused, match=r"components.csv: found no elbo; delete it"):
        list_runs(paths, {}, tmp_path / "runs.tex", [sweep])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (None, "none"),
        (0.001, "0.001"),
        (128, "128"),
        (["neighbours", "affine"], "neighbours and affine"),
        ([], "none"),
    ],
)
def test_a_setting_is_printed_without_brackets_and_quotes(value, text):
    assert setting_text(value) == text
