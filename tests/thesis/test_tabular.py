"""The parts that the LaTeX tables share, and the one list of LaTeX packages."""

from gmvae.pipeline.checks.latex_programs import PACKAGES, install_advice
from gmvae.thesis.tabular import define_macro, small_spread, tabular


def test_a_tabular_has_a_right_aligned_column_for_each_head_but_the_first():
    text = tabular(["", "A", "B"], [["x", "1", "2"], ["y", "3", "4"]])
    assert text.startswith("\\fittedtabular{rr}{\\toprule\n & A & B \\\\\n\\midrule\n")
    assert text.endswith("x & 1 & 2 \\\\\ny & 3 & 4 \\\\\n\\bottomrule}")


def test_a_spread_is_padded_to_the_widest_of_its_column():
    assert r"\phantom{00}1.5" in small_spread(1.5, 1, width=5)
    assert "phantom" not in small_spread(100.5, 1, width=5)


def test_a_macro_without_a_body_is_empty_for_ifx():
    assert define_macro("rows", "") == r"\let\rows\empty"
    assert define_macro("rows", "x & y") == "\\def\\rows{%\nx & y\n}"


def test_the_advice_for_missing_latex_names_each_package_of_the_list():
    packages = [line for line in PACKAGES.read_text(encoding="utf-8").splitlines() if line[:1].isalpha()]
    assert {"biber", "lmodern"} < set(packages) and install_advice().endswith(" ".join(packages))
