"""The macros that the text quotes: values of the test split, fixed digits, readable refusals."""

import anndata
import numpy as np
import pandas as pd
import pytest

from gmvae.pipeline.errors import Refused
from gmvae.thesis.numbers import largest_share_error, rank_text, write_numbers
from gmvae.thesis.rule_options import title_page
from gmvae.thesis.typeset import format_fixed, labels_in_words, latex_number, latex_text, lower_first

NAMES = {"a": "Model α_1", "t": "Task", "negative_binomial": "negative binomial"}
TASKS = {"t": {"dataset": "d", "labels": 0.05, "n_components": 7}}
FRONT = {"author": "A & B", "place": "Berlin", "figures": {"x": "all"}}


def metrics() -> pd.DataFrame:
    """Two seeds of one model: the training split has the better objective at seed 1."""
    rows = []
    for seed, (accuracy, objective) in enumerate([(0.5, -20.0), (0.75, -10.0)]):
        for split, shift in (("train", 0.2), ("test", 0.0)):
            rows.append(("t", "a", seed, split, "accuracy", accuracy + shift))
            rows.append(("t", "a", seed, split, "objective", objective + shift))
    return pd.DataFrame(rows, columns=["task", "model", "seed", "split", "metric", "value"])


@pytest.fixture
def folder(tmp_path):
    metrics().to_csv(tmp_path / "metrics.csv", index=False)
    obs = pd.DataFrame(
        {
            "label": pd.Categorical(["p"] * 3 + ["q"] * 2),
            "split": pd.Categorical(["train", "test", "train", "train", "test"]),
        },
        index=list("vwxyz"),
    )
    adata = anndata.AnnData(X=np.ones((5, 3), np.float32), obs=obs, uns={"likelihood": "negative_binomial"})
    adata.write_h5ad(tmp_path / "d.h5ad")
    return tmp_path


def numbers_file(folder) -> str:
    write_numbers(
        folder / "metrics.csv", [folder / "d.h5ad"], TASKS, ["t/latents"], NAMES, FRONT, folder / "numbers.tex"
    )
    return (folder / "numbers.tex").read_text()


def test_a_number_of_components_that_a_sweep_chose_is_a_fact_of_the_task_and_of_the_study(folder, monkeypatch):
    assert "sweep" not in numbers_file(folder)
    monkeypatch.setitem(TASKS["t"], "sweep", True)
    lines = numbers_file(folder).splitlines()
    assert {r"\setfact{t.sweep}{}", r"\setfact{study.sweep}{}", r"\setfact{t.components}{7}"} <= set(lines)


@pytest.mark.parametrize(
    "line",
    [
        r"\setresult{t.a.accuracy.mean}{\num{0.625}}",
        r"\setresult{t.a.accuracy.sd}{\num{0.177}}",
        r"\setresult{t.a.accuracy.min}{\num{0.500}}",
        r"\setresult{t.a.accuracy.max}{\num{0.750}}",
        r"\setresult{t.a.accuracy.picked}{\num{0.750}}",
        r"\setresult{t.a.objective.mean}{\num{-15.0}}",
        r"\settasks{t}",
        r"\settask{t}{Task}",
        r"\setfigure{t/latents}",
        r"\setfact{t.train}{\num{3}}",
        r"\setfact{t.labels}{\qty{5}{\percent} of the labels are seen}",
        r"\setfact{t.components}{7}",
        r"\setname{a}{Model \ensuremath{\alpha}\_1}",
        r"\setmeta{author}{A \& B}",
        r"\setmeta{seeds}{2}",
        r"\setfact{t.seeds}{2}",
        r"\setfact{d.n}{\num{5}}",
        r"\setfact{d.train}{\num{3}}",
        r"\setfact{d.test}{\num{2}}",
        r"\setfact{d.features}{\num{3}}",
        r"\setfact{d.classes}{\num{2}}",
        r"\setfact{d.smallest}{\num{2}}",
        r"\setfact{d.likelihood}{negative binomial}",
    ],
)
def test_each_macro_has_its_value(folder, line):
    assert line in numbers_file(folder).splitlines()


def quality_file(folder, reasons: list[str], removed: list[int]) -> list[str]:
    """The lines on the dataset's quality control, of cells with these reasons for their removal."""
    adata = anndata.read_h5ad(folder / "d.h5ad")
    codes = np.array(removed, np.int8)
    adata.uns["quality"] = {"total": np.ones(len(codes)), "removed": codes, "reasons": np.array(reasons, dtype=object)}
    adata.write_h5ad(folder / "d.h5ad")
    return [line for line in numbers_file(folder).splitlines() if "dropped" in line or "raw_cells" in line]


def test_the_cells_that_the_quality_control_removed_are_facts_of_dataset_and_task(folder):
    lines = quality_file(folder, ["", "max_mito", "min_n_genes", "unlabelled"], [0, 0, 0, 0, 0, 1, 1, 2, 3])
    for key in ("d", "t"):
        assert rf"\setfact{{{key}.raw_cells}}{{\num{{9}}}}" in lines
        assert rf"\setfact{{{key}.dropped}}{{\num{{4}}}}" in lines
        assert rf"\setfact{{{key}.dropped_share}}{{\qty{{44.4}}{{\percent}}}}" in lines
        by = r"\num{2} by \code{max\_mito}, \num{1} by \code{min\_genes}, \num{1} without a label"
        assert rf"\setfact{{{key}.dropped_by}}{{{by}}}" in lines
    assert not [line for line in lines if "mostly_dropped" in line]


def test_more_than_half_of_the_cells_removed_is_a_fact(folder):
    assert r"\setfact{t.mostly_dropped}{}" in quality_file(folder, ["", "min_n_genes"], [0, 1, 1])
    assert not [line for line in quality_file(folder, ["", "min_n_genes"], [0, 1]) if "mostly" in line]


def test_no_cell_removed_is_said_and_no_quality_control_is_not(folder):
    assert "dropped" not in numbers_file(folder)
    lines = quality_file(folder, [""], [0, 0])
    assert r"\setfact{d.dropped}{\num{0}}" in lines and not [line for line in lines if "dropped_by" in line]


def test_training_values_and_other_settings_are_left_out(folder):
    text = numbers_file(folder)
    assert "0.825" not in text and "figures" not in text


def test_the_same_results_give_the_same_bytes(folder):
    assert numbers_file(folder) == numbers_file(folder)


def test_unreadable_input_is_refused_by_name(folder):
    pd.DataFrame({"task": ["t"]}).to_csv(folder / "metrics.csv", index=False)
    with pytest.raises(Refused, match=r"metrics.csv: found the columns task; allowed: task, model"):
        numbers_file(folder)
    metrics().to_csv(folder / "metrics.csv", index=False)
    (folder / "d.h5ad").write_bytes(b"cut")
    with pytest.raises(Refused, match=r"d.h5ad: no readable"):
        numbers_file(folder)
    assert not (folder / "numbers.tex").exists()


def test_a_task_without_results_is_refused(folder):
    with pytest.raises(Refused, match="no rows of task u"):
        write_numbers(folder / "metrics.csv", [], TASKS | {"u": TASKS["t"]}, [], NAMES, FRONT, folder / "numbers.tex")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("none", "no label is seen"),
        ("all", "all labels are seen"),
        ("louvain", "Louvain clusters are seen as labels"),
        (100, r"\num{100} labels are seen"),
        ("batch:pbmc3k", r"the labels of the batch \code{pbmc3k} are seen"),
    ],
)
def test_the_labels_that_a_model_sees_are_named_in_words(labels, words):
    assert labels_in_words(labels) == words


@pytest.mark.parametrize(
    ("value", "places", "text"), [(0.9996, 3, "1.000"), (-0.0001, 3, "0.000"), (-12.34, 1, "-12.3"), (1797, 0, "1797")]
)
def test_fixed_digits(value, places, text):
    assert format_fixed(value, places) == text


@pytest.mark.parametrize(("name", "inside"), [("Accuracy", "accuracy"), ("NMI", "NMI"), ("R² of", "R² of"), ("", "")])
def test_names_inside_a_sentence_keep_their_abbreviations(name, inside):
    assert lower_first(name) == inside


def test_what_is_no_number_is_a_dash():
    assert latex_number(float("nan"), 2) == "--" and latex_number(0.5, 2) == r"\num{0.50}"


def test_special_characters_are_escaped():
    assert latex_text("50% & {a_b} ~") == r"50\% \& \{a\_b\} \textasciitilde{}"


def test_no_share_of_drawn_rows_scatters_more_than_the_largest_error():
    draws = np.random.default_rng(0)
    scatter = {share: (draws.binomial(140, share, 20_000) / 140).std() for share in (0.1, 0.5, 0.8)}
    assert scatter[0.5] == pytest.approx(largest_share_error(140), rel=0.02) == max(scatter.values())


def test_a_rank_correlation_has_its_interval_where_seeds_suffice():
    assert rank_text(0.5, 3) == r"\num{0.50}"
    assert rank_text(0.2, 10).endswith("which includes zero)")
    assert rank_text(0.95, 10).endswith("which does not include zero)")


def test_a_run_with_an_elbo_has_its_whole_divergence(folder):
    rows = [("t", "a", 0, "test", metric, value) for metric, value in (("kl_z", 2.0), ("kl_y", 1.5), ("elbo", -9.0))]
    pd.concat([metrics(), pd.DataFrame(rows, columns=metrics().columns)]).to_csv(folder / "metrics.csv", index=False)
    write_numbers(folder / "metrics.csv", [folder / "d.h5ad"], TASKS, [], NAMES, FRONT, folder / "numbers.tex")
    assert r"\setresult{t.a.divergence.mean}{\num{3.50}}" in (folder / "numbers.tex").read_text()


def test_the_title_page_has_institution_and_degree_where_they_are_known():
    thesis = {"author": "A", "place": "B", "date": "C", "claims": "fail"}
    config = {"thesis": thesis, "study": "s", "studies": {"s": {"title": "T"}}}
    assert title_page(config) == {"author": "A", "date": "C", "place": "B", "study": "T"}
    known = {"institution": "A University", "degree": "Master of Science"}
    assert title_page(config | {"thesis": thesis | known}) == title_page(config) | known
