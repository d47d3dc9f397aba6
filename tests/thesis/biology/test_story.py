"""The section of a task's cells: figures without overlaps, facts that follow the tables, and words for all of them."""

import re

import pandas as pd
import pytest
from support.drawing import overlapping_texts
from support.findings import LABELS, made_up_cells, made_up_tables

from gmvae.cells.exports import FINDINGS
from gmvae.formats.writing import write_csv
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT
from gmvae.thesis.biology.facts import cell_facts, composition_facts, word_list
from gmvae.thesis.biology.story import cell_figures, tell_cells

FIGURES = {"summary", "map", "markers", "types", "composition", "changes", "predictions"}


def written(folder, tables, cells):
    """The paths of cells.csv and of the tables, written to the folder."""
    write_csv(cells, folder / "cells.csv")
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv")
    return folder / "cells.csv", [folder / f"{name}.csv" for name in FINDINGS]


@pytest.mark.parametrize(("labels", "conditions"), [(True, True), (False, True), (True, False), (False, False)])
def test_figures_are_drawn_of_what_there_is_and_texts_do_not_overlap(labels, conditions):
    figures = cell_figures(
        made_up_cells(labels=labels, conditions=conditions), made_up_tables(labels=labels, conditions=conditions)
    )
    absent = set() if labels else {"types"}
    absent |= set() if conditions else {"composition", "changes", "predictions"}
    assert set(figures) == FIGURES - absent
    for name, figure in figures.items():
        assert overlapping_texts(figure) == [], name


def test_thirty_clusters_fit():
    for figure in cell_figures(made_up_cells(900, 30), made_up_tables(30)).values():
        assert overlapping_texts(figure) == []


def test_every_fact_that_the_section_quotes_is_there_and_every_condition_is_known():
    text = (ROOT / "thesis/experiments/cells.tex").read_text(encoding="utf-8")
    tables = made_up_tables()
    produced = set(cell_facts(tables))
    # what depends on the numbers: the other outcomes of the same tables
    tables["findings"]["value"] = [0.9, 4, 0.9, 0.52, 0.55, 0.51, 0.5, 40, 0.1, 29, 0.7, 0.8, 0.1, 0.02]
    produced |= set(cell_facts(tables))
    tables["findings"].loc[tables["findings"]["measure"] == "right", "value"] = 1.0
    produced |= set(cell_facts(tables))
    tables["findings"]["value"] = [0.9, 4, 0.9, 0.52, 0.7, 0.66, 0.5, 40, 0.1, 29, 0.7, 0.8, 0.1, 0.02]
    produced |= (
        set(cell_facts(tables))
        | {"filled_batch", "mixed_condition"}
        | {f"figure.{name}" for name in FIGURES}
        | {"in_full"}
    )
    asked = set(re.findall(r"#1\.cells\.([\w.]+)\}", text)) | {
        f"figure.{name}" for name in re.findall(r"\\cellfigure\{#1\}\{(\w+)\}", text)
    }
    assert asked <= produced, asked - produced
    assert not re.search(r"\\fact\{#1\.cells\.(?:figure|overconfident|passing)", text)  # these have no value


def test_facts_follow_the_tables():
    tables = made_up_tables()
    facts = cell_facts(tables)
    assert facts["sharing"] == r"0 and 1 (\num{15} of \num{20})"
    assert facts["missed"].startswith(r"B \& <b>\_1 (\qty{20}{\percent}, taken for CD14+ Monocyte")
    assert facts["filled_condition"].count("control") == 4 and "filled_batch" not in facts
    assert facts["n_everywhere"] == r"\num{5}" and "gene\\_6" in facts["everywhere"]
    assert "perfect" not in facts
    assert "overconfident" in facts and "recognised" in facts and "mostly_prior" in facts and "too_small" in facts
    tables["shared_markers"]["share"] = 0.1
    assert "sharing" not in cell_facts(tables)
    bare = cell_facts(made_up_tables(labels=False, conditions=False))
    assert not {"recall", "ece", "changes", "has_condition", "n_typed"} & set(bare) and "suggested" in bare


def test_clusters_that_no_condition_fills_have_a_range_of_shares():
    shares = {"0": 0.95, "1": 0.3, "2": 0.6}
    rows = [("condition", value, k, 0.4) for k in shares for value in ("ctrl", "stim")]
    table = pd.DataFrame(rows, columns=["kind", "value", "cluster", "overall"])
    table["share"] = [share if value == "ctrl" else 1 - share for (_, value, k, _) in rows for share in [shares[k]]]
    table.loc[table["value"] == "stim", "overall"] = 0.6
    text = composition_facts(table)["mixed_condition"]
    assert text == r"\qty{30}{\percent} to \qty{60}{\percent} are ctrl, of all cells \qty{40}{\percent}"
    assert "mixed_condition" not in composition_facts(table[table["cluster"] == "0"])


def test_a_long_list_says_how_many_more_there_are():
    assert word_list(["a", "b"]) == "a, b"
    assert word_list(list("abcdefgh"), 6) == r"a, b, c, d, e, f and \num{2} more"


def test_the_step_writes_macros_and_a_fresh_folder_the_same_each_time(tmp_path):
    cells, findings = written(tmp_path, made_up_tables(), made_up_cells())
    outputs = {"figures": tmp_path / "figures", "output": tmp_path / "macros.tex"}
    tell_cells(cells, findings, "mine", **outputs)
    macros, drawing = outputs["output"].read_bytes(), (tmp_path / "figures/markers.pdf").read_bytes()
    (tmp_path / "figures/old.pdf").touch()
    tell_cells(cells, findings, "mine", **outputs)
    assert outputs["output"].read_bytes() == macros and (tmp_path / "figures/markers.pdf").read_bytes() == drawing
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        f"{name}.{end}" for name in FIGURES for end in ("pdf", "svg")
    }
    lines = macros.decode().splitlines()
    assert r"\setfact{mine.cells.in_full}{}" in lines  # alone it is told in full
    assert r"\setfact{mine.cells}{}" in lines and r"\setfact{mine.cells.figure.map}{}" in lines
    assert all(label not in macros.decode() for label in LABELS[:1])  # its special characters are escaped


def test_of_several_tasks_one_is_told_in_full(tmp_path):
    (tmp_path / "mine").mkdir(), (tmp_path / "larger").mkdir()
    cells, findings = written(tmp_path / "mine", made_up_tables(), made_up_cells(conditions=False))
    larger, _ = written(tmp_path / "larger", made_up_tables(conditions=False), made_up_cells(400))
    for compared, is_full in ([cells, larger], False), ([cells], True):
        changes = [path.with_name("changes.csv") for path in compared[1:]]
        tell_cells(cells, findings, "mine", tmp_path / "f", tmp_path / "m.tex", compared, changes)
        assert (r"\setfact{mine.cells.in_full}{}" in (tmp_path / "m.tex").read_text()) is is_full


def test_a_missing_table_is_refused(tmp_path):
    cells, findings = written(tmp_path, made_up_tables(), made_up_cells())
    with pytest.raises(Refused, match=r"found no generated\.csv; run the step `findings` of task mine again"):
        tell_cells(
            cells, [path for path in findings if path.stem != "generated"], "mine", tmp_path / "f", tmp_path / "m.tex"
        )
