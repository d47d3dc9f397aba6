"""The table of published results: what it shows beside them, for small hand-written metrics and rows."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT
from gmvae.thesis.tables.published import COLUMNS, list_published, read_published

TABLE = ROOT / "thesis" / "published.csv"
NAMES = {"a": "Model A", "b": "Model B", "t": "Task T", "accuracy": "Accuracy", "ari": "ARI"}
TASKS = {
    "t": {"labels": "none", "n_components": {"a": 5, "b": 5}},
    "u_1": {"labels": "none", "n_components": {"a": 3, "b": 3}},
    "u_2": {"labels": "none", "n_components": {"a": 3, "b": 3}},
}
VALUES = {  # by task and model: accuracy and training objective of seeds 0, 1, 2
    ("t", "a"): ([0.90, 0.94, 0.95], [3, 5, 4]),
    ("t", "b"): ([0.91, 0.91, 0.91], [1, 1, 1]),
    ("u_1", "a"): ([0.2, 0.4, 0.6], [9, 8, 7]),
    ("u_2", "a"): ([0.4, 0.4, 0.1], [7, 8, 9]),
}


@pytest.fixture
def metrics(tmp_path):
    rows = []
    for (task, model), pair in VALUES.items():
        for metric, split, values in zip(("accuracy", "objective"), ("test", "train"), pair, strict=True):
            rows += [(task, model, seed, split, metric, value) for seed, value in enumerate(values)]
            rows += [(task, model, seed, "val", metric, 0.5) for seed in range(3)]  # of another split, not used
    path = tmp_path / "metrics.csv"
    pd.DataFrame(rows, columns=["task", "model", "seed", "split", "metric", "value"]).to_csv(path, index=False)
    return path


def row(**entries) -> dict:
    """A row of published.csv about accuracy on task t, set against model a."""
    base = {"task": "t", "measure": "accuracy", "ours": "a", "kind": "published", "statistic": "mean", "low": "0.5"}
    return dict.fromkeys(COLUMNS, "") | base | entries


def list_rows(metrics, *rows, tasks=TASKS) -> tuple[str, pd.DataFrame]:
    """The LaTeX and the table that the step makes of such rows."""
    hand_written = metrics.with_name("published.csv")
    pd.DataFrame(rows, columns=COLUMNS).to_csv(hand_written, index=False)
    output = metrics.with_name("out.tex")
    list_published(metrics, hand_written, tasks, NAMES, output)
    return output.read_text(), pd.read_csv(output.with_suffix(".csv"))


def test_ours_is_the_mean_over_seeds_and_the_seed_that_its_objective_picks(metrics):
    text, judged = list_rows(metrics, row())
    (line,) = judged.itertuples()
    assert line.mean == pytest.approx(0.93) and line.sd == pytest.approx(np.std([0.90, 0.94, 0.95], ddof=1))
    assert line.picked == 0.94 and line.min == 0.90 and line.n_seeds == 3
    assert line.split == "test" and line.n_components == 5
    assert r"\num{0.930}" in text and r"picked \num{0.940}" in text
    assert r"\publishedentry{\textbf{Task T}: accuracy, $K=5$}{Model A: " in text


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        ("0.92", "", "above"),
        ("0.93", "", "equal"),
        ("0.94", "", "below"),
        ("0.90", "0.93", "within"),
        ("0.1", "0.2", "above"),
    ],
)
def test_our_mean_is_above_below_within_or_equal_to_a_published_value(metrics, low, high, verdict):
    text, judged = list_rows(metrics, row(low=low, high=high, what="Others", source="x2000"))
    assert judged.verdict.item() == verdict
    relation = {"equal": "Ours equals"}.get(verdict, f"Ours is {verdict}")
    assert rf"{relation}: Others~\cite{{x2000}}, {low}{f' to {high}' if high else ''}." in text


@pytest.mark.parametrize(
    ("statistic", "low", "verdict"),
    [
        ("mean", "0.93", "reached"),
        ("mean", "0.931", "missed"),
        ("picked", "0.94", "reached"),
        ("picked", "0.941", "missed"),
        ("min", "0.90", "reached"),
        ("min", "0.91", "missed"),
        ("max", "0.95", "reached"),
        ("max", "0.94", "missed"),
        ("mean", "b", "reached"),
        ("min", "b", "missed"),
        ("mean", "c", "open"),
    ],
)
def test_an_aim_is_reached_or_missed_by_its_statistic(metrics, statistic, low, verdict):
    text, judged = list_rows(metrics, row(), row(kind="aim", statistic=statistic, low=low))
    assert judged.verdict.iloc[1] == verdict
    assert ("not measured" if verdict == "open" else verdict) in text.partition("Aim:")[2]


def test_a_value_of_the_draft_stands_apart_from_those_of_others(metrics):
    drafts = row(kind="draft", low="0.90", high="0.95", what="by hand"), row(kind="draft", low="0.8")
    text, _ = list_rows(metrics, row(what="Others"), *drafts)
    assert r"Ours is above: Others, 0.5. \textit{The author's draft:} 0.90 to 0.95 (by hand); 0.8." in text


def test_drafts_and_aims_alone_have_no_entry(metrics):
    text, judged = list_rows(metrics, row(kind="draft"), row(kind="aim"))
    assert r"\let\publishedrows\empty" in text and len(judged) == 2


def test_other_models_of_the_study_are_in_the_csv_if_they_were_run(metrics):
    text, judged = list_rows(metrics, row(), row(kind="here", low="b"), row(kind="here", low="c"))
    assert len(judged) == 2
    here = judged[judged.kind == "here"].iloc[0]
    assert here["mean"] == pytest.approx(0.91) and here.verdict == "above"
    assert "Model A: " in text and "Model B" not in text and "Ours is above: , 0.5." in text
    assert r"\let\publishedrows\empty" in list_rows(metrics, row(kind="here", low="b"))[0]


def test_a_pattern_is_the_mean_over_its_tasks_seed_by_seed(metrics):
    text, judged = list_rows(metrics, row(task="u_*", title="All of U"))
    (line,) = judged.itertuples()
    by_seed = [0.3, 0.4, 0.35]
    assert line.mean == pytest.approx(np.mean(by_seed)) and line.sd == pytest.approx(np.std(by_seed, ddof=1))
    assert line.picked == pytest.approx((0.2 + 0.1) / 2)  # seed 0 of the one, seed 2 of the other
    assert r"\textbf{All of U}" in text and "$K=3$" in text


def test_a_pattern_with_a_task_that_lacks_the_value_is_open(metrics):
    lacking = TASKS | {"u_3": TASKS["u_1"]}
    text, judged = list_rows(metrics, row(task="u_*"), tasks=lacking)
    assert judged.verdict.item() == "open" and "not measured" in text


def test_rows_of_tasks_outside_the_study_are_left_out(metrics):
    text, judged = list_rows(metrics, row(task="mars"))
    assert judged.empty and r"\let\publishedrows\empty" in text
    assert list_rows(metrics, row(), row(task="mars"))[1].task.tolist() == ["t"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"kind": "rumour"}, "line 2: .*kind 'rumour'.*published, draft, here, aim"),
        (
            {"kind": "aim", "statistic": "best"},
            "line 2: .*statistic 'best'.*mean, picked, min, max",
        ),
        ({"low": "high"}, "line 2: .*low 'high'.*a number"),
        ({"spread": "some"}, "line 2: .*spread 'some'.*a number"),
        ({"kind": "aim", "low": ""}, "line 2: low empty"),
    ],
)
def test_an_invalid_row_is_refused_with_its_line(metrics, entries, message):
    with pytest.raises(Refused, match=message):
        list_rows(metrics, row(**entries))


def test_other_columns_are_refused(tmp_path):
    (tmp_path / "published.csv").write_text("task,low\nt,1\n")
    with pytest.raises(Refused, match=r"published.csv: .*columns task, low; .*task, title"):
        read_published(tmp_path / "published.csv")


def test_every_source_is_in_the_bibliography():
    bibliography = (ROOT / "thesis/references.bib").read_text(encoding="utf-8")
    keys = set(re.findall(r"^@\w+\{([^,]+),", bibliography, re.MULTILINE))
    table = read_published(TABLE)
    assert set(table.source[table.kind == "published"]) <= keys
    assert set(table.source[table.kind != "published"]) == {""}


def test_every_row_is_of_a_task_and_of_models_that_the_config_has():
    config = read_config(ROOT / "config.yaml")
    table = read_published(TABLE)
    for row in table.itertuples():
        meant = [task for task in config["tasks"] if re.fullmatch(row.task.replace("*", ".*"), task)]
        assert meant, row.task
        assert all(row.ours in config["tasks"][task]["models"] for task in meant), (row.task, row.ours)


def test_the_bytes_are_the_same_each_time(metrics):
    assert list_rows(metrics, row(), row(kind="aim"))[0] == list_rows(metrics, row(), row(kind="aim"))[0]


def test_the_step_imports_neither_torch_nor_scanpy():
    code = "import sys, gmvae.thesis.tables.published; assert not {'torch', 'scanpy', 'umap'} & set(sys.modules)"
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
