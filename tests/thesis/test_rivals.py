"""The table of other packages: its rows and macros, and its sentences, for small measured values."""

import json

import numpy as np
import pandas as pd
import pytest

from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT
from gmvae.thesis.tables.rivals import COLUMNS, MEASURES, standing, tabulate_rivals

NAMES = {"t": "Task T", "u": "Task U", "gmdvae": "Ours", "cgmdvae": "Ours, conditional"}


def lines(task: str, model: str, accuracy: list[float], **entries) -> list[dict]:
    """A model's lines on a task, one for each seed from 4 on."""
    base = dict.fromkeys(COLUMNS) | {"task": task, "model": model, "split": "test", "purity": 0.5}
    base |= {"settings": json.dumps({"epochs": 400}), "versions": "scvi-tools 1.4.2"} | entries
    return [base | {"seed": seed, "accuracy": value} for seed, value in enumerate(accuracy, 4)]


def tabulated(folder, rows: list[dict], tasks=("t", "u")) -> tuple[str, pd.DataFrame]:
    """The LaTeX and the table that the step makes of such rows."""
    pd.DataFrame(rows).to_csv(folder / "rivals.csv", index=False)
    tabulate_rivals([folder / "rivals.csv"], list(tasks), NAMES, folder / "out.tex")
    return (folder / "out.tex").read_text(), pd.read_csv(folder / "out.csv")


def test_a_row_has_the_mean_and_the_spread_over_seeds_of_the_test_split(tmp_path):
    values = [0.50, 0.56, 0.59]
    rows = lines("t", "scvi_leiden", values) + lines("t", "scvi_leiden", [0.9], split="train")
    text, table = tabulated(tmp_path, rows)
    (line,) = table[table.measure == "accuracy"].itertuples()
    assert line.mean == pytest.approx(np.mean(values)) and line.sd == pytest.approx(np.std(values, ddof=1))
    assert line.n_seeds == 3
    assert r"\quad scVI + Leiden & \num{0.550}\,{\tiny$\pm$\,0.046}" in text
    assert "iLISI" not in text  # no task of it has conditions


def test_only_tasks_of_the_study_have_rows_and_without_any_all_macros_are_empty(tmp_path):
    rows = lines("t", "scvi_leiden", [0.5]) + lines("u", "scanvi", [0.6])
    text, table = tabulated(tmp_path, rows, tasks=["u"])
    assert set(table.task) == {"u"} and "scANVI" in text and "scVI + Leiden" not in text
    text, table = tabulated(tmp_path, rows, tasks=["v"])
    assert table.empty and text.count(r"\empty") == 7


def test_a_task_without_another_package_has_no_rows(tmp_path):
    rows = lines("t", "pca50_leiden", [0.5]) + lines("t", "gmdvae", [0.6]) + lines("u", "harmony_leiden", [0.6])
    text, table = tabulated(tmp_path, rows)
    assert set(table.task) == {"u"} and r"\let\rivallabels\empty" in text and r"\let\rivalmixing\empty" not in text
    assert "scANVI" in tabulated(tmp_path, lines("u", "scanvi", [0.6]))[0].partition("rivallabels")[2]


def test_the_sentence_sets_the_conditional_model_beside_the_best_rival_by_mean(tmp_path):
    rows = lines("t", "gmdvae", [0.9, 0.9], ilisi=1.1) + lines("t", "cgmdvae", [0.70, 0.72], ilisi=1.6)
    rows += lines("t", "pca50_leiden", [0.8, 0.8], ilisi=1.0)
    rows += lines("t", "harmony_leiden", [0.60, 0.62], ilisi=1.9) + lines("t", "scvi_leiden", [0.50, 0.52], ilisi=1.2)
    text, _ = tabulated(tmp_path, rows)
    assert r"Task T: the Ours, conditional has an accuracy of \num{0.710}" in text
    assert "of Harmony + Leiden, the best of the others" in text and "of scVI" not in text
    assert r", above the \num{0.610}" in text and r"its iLISI is \num{1.60}" in text and r"below the \num{1.90}" in text


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (0.7, 0.6, "above"),
        (0.5, 0.6, "below"),
        (0.61, 0.6, "within the spread of"),
        (0.6, 0.619, "within the spread of"),
    ],
)
def test_means_within_both_spreads_together_are_within_the_spread(one, other, words):
    rows = pd.DataFrame({"mean": [one, other], "sd": [0.01, 0.01]})
    assert standing(*rows.itertuples()) == words


def test_epochs_seeds_and_versions_are_those_of_the_rivals(tmp_path):
    rows = lines("t", "scvi_leiden", [0.5, 0.6]) + lines("t", "gmdvae", [0.5], settings="", versions="")
    rows += lines("t", "harmony_leiden", [0.5], settings="{}", versions="harmonypy 2.1.0")
    text, _ = tabulated(tmp_path, rows)
    macros = dict(part.split("{%\n", 1) for part in text.split("\\def\\")[1:])
    assert macros["rivalepochs"].startswith("400\n") and macros["rivalseeds"].startswith("4, 5\n")
    assert macros["rivalversions"].startswith("harmonypy 2.1.0; scvi-tools 1.4.2\n")


def test_where_the_values_are_not_checked_out_there_is_no_row(tmp_path):
    tabulate_rivals([], ["t"], NAMES, tmp_path / "out.tex")
    assert pd.read_csv(tmp_path / "out.csv").empty


def test_a_table_without_a_column_is_refused(tmp_path):
    pd.DataFrame([{"task": "t"}]).to_csv(tmp_path / "rivals.csv", index=False)
    with pytest.raises(Refused, match="lacks the columns accuracy"):
        tabulate_rivals([tmp_path / "rivals.csv"], ["t"], NAMES, tmp_path / "out.tex")


def test_the_committed_values_are_complete_and_bounded():
    table = pd.read_csv(ROOT / "results/reference/rivals.csv")
    assert not table.duplicated(["task", "model", "seed", "split"]).any()
    assert set(table.split) <= {"test"} and set(table.columns) >= COLUMNS
    for measure in MEASURES[:-1]:
        assert table[measure].dropna().between(-1, 1).all()
    assert table["ilisi"].dropna().ge(1 - 1e-9).all()
