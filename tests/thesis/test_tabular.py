"""The parts that the LaTeX tables share, and the one list of LaTeX packages."""

import pandas as pd

from gmvae.pipeline.checks.latex_programs import PACKAGES, install_advice
from gmvae.thesis.tables.speed import gpu_sentences
from gmvae.thesis.tabular import define_macro, small_spread, tabular


def test_a_tabular_has_a_right_aligned_column_for_each_head_but_the_first():
    text = tabular(["", "A", "B"], [["x", "1", "2"], ["y", "3", "4"]])
    assert text.startswith("\\fittedtabular{rr}{\\toprule\n & A & B \\\\\n\\midrule\n")
    assert text.endswith("x & 1 & 2 \\\\\ny & 3 & 4 \\\\\n\\bottomrule}")


def test_a_line_above_the_head_stands_between_the_rule_and_the_head():
    text = tabular(["", "A", "B"], [["x", "1", "2"]], ["", r"\multicolumn{2}{c}{Both}"])
    assert " & \\multicolumn{2}{c}{Both} \\\\\n & A & B \\\\\n\\midrule" in text


def test_a_spread_is_padded_to_the_widest_of_its_column():
    assert r"\phantom{00}1.5" in small_spread(1.5, 1, width=5)
    assert "phantom" not in small_spread(100.5, 1, width=5)


def test_a_macro_without_a_body_is_empty_for_ifx():
    assert define_macro("rows", "") == r"\let\rows\empty"
    assert define_macro("rows", "x & y") == "\\def\\rows{%\nx & y\n}"


def test_the_advice_for_missing_latex_names_each_package_of_the_list():
    packages = [line for line in PACKAGES.read_text(encoding="utf-8").splitlines() if line[:1].isalpha()]
    assert {"biber", "lmodern"} < set(packages) and install_advice().endswith(" ".join(packages))


def test_the_sentence_on_the_gpu_compares_the_case_with_most_seeds_with_the_cpu_or_says_that_there_is_none():
    common = {"card": "Card 1_2", "of": "images", "software": "this project", "precision": "tf32"}
    gpu = [{"device": "cuda", "seeds": seeds, "rows_per_second": 3e5 * seeds, "busy": 0.5} for seeds in (1, 10)]
    cpu = [{"device": "cpu", "seeds": seeds, "rows_per_second": 1e5, "busy": None} for seeds in (1, 10)]
    peer = gpu[0] | {"software": "scvi-tools", "rows_per_second": 5e4}
    slow = gpu[1] | {"precision": "float32", "rows_per_second": 2e6}
    table = pd.DataFrame([common | {"milliseconds_per_step": 4.0} | row for row in [peer, *gpu, slow, *cpu]])
    text = gpu_sentences(table)
    assert r"scvi-tools trains one model on images at \num{50000} rows a second." in text and text.count("images") == 2
    assert (
        r"Card 1\_2" in text and r"images with 10 seeds in tf32 at \num{3000000} rows a second, \num{30} times" in text
    )
    assert r"\num{4.0}\,\unit{ms} a step" in text and r"\num{50} in a hundred" in text
    assert gpu_sentences(None) == gpu_sentences(table[table["device"] == "cpu"]) == "No GPU was measured."
