"""The table of variants: rows by name, means and spreads of the test split, and sentences that follow the values."""

import numpy as np
import pandas as pd
import pytest

from gmvae.pipeline.sources import ROOT
from gmvae.thesis.tables.variants import tabulate_variants

NAMES = {"gmvae": "GMVAE", "gmdvae": "Ours", "gmdvae_plain": "no start", "gmdvae_alpha01": "alpha 0.1"}
OURS = [0.80, 0.82, 0.84]


def lines(task: str, model: str, values: list[float], measure: str = "accuracy", split: str = "test") -> list[dict]:
    """A line of metrics.csv for each seed."""
    return [
        {"task": task, "model": model, "seed": seed, "split": split, "metric": measure, "value": value}
        for seed, value in enumerate(values)
    ]


def tabulated(folder, rows: list[dict], margin: float = 0.02) -> str:
    """The LaTeX that the step makes of such lines."""
    pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False)
    tabulate_variants([folder / "metrics.csv"], sorted(NAMES), NAMES, margin, folder / "out.tex")
    return (folder / "out.tex").read_text()


def test_a_cell_has_mean_and_spread_of_the_test_split_and_the_model_itself_is_first(tmp_path):
    rows = lines("digits_ablation", "gmvae", [0.5]) + lines("digits_ablation", "gmdvae", OURS)
    text = tabulated(tmp_path, rows + lines("digits_ablation", "gmdvae", [0.1], split="train"))
    cell = rf"\num{{{np.mean(OURS):.3f}}}\,{{\tiny$\pm$\,{np.std(OURS, ddof=1):.3f}}}"
    assert rf"\quad Ours & {cell}" in text
    assert text.index(r"\quad Ours") < text.index(r"\quad GMVAE & \num{0.500} &")


def test_controls_and_measures_that_a_variant_lacks_have_no_number(tmp_path):
    rows = lines("pbmc3k_sizes", "gmdvae", OURS, "nmi") + lines("pbmc3k_sizes", "random", [0.1], "nmi")
    text = tabulated(tmp_path, rows)
    (line,) = [line for line in text.splitlines() if line.startswith(r"\quad")]
    assert line.count(r"\multicolumn{1}{c}{--}") == 5 and r"\let\variantwords\empty" in text


@pytest.mark.parametrize(("margin", "near"), [(0.02, 1), (0.3, 2), (0.001, 0)])
def test_the_words_name_what_lies_outside_of_the_margin(tmp_path, margin, near):
    rows = lines("digits_ablation", "gmdvae", OURS) + lines("digits_ablation", "gmdvae_plain", [0.6])
    text = tabulated(tmp_path, rows + lines("digits_ablation", "gmdvae_alpha01", [0.81]), margin)
    assert rf"\num{{{near}}} of \num{{2}} variants" in text
    assert (r"no start (\num{0.600})" in text) == (near < 2) and (r"alpha 0.1 (\num{0.810})" in text) == (near < 1)
    assert r"For all \(\alpha\) in the table the accuracy lies between \num{0.810} and \num{0.820}." in text


def test_without_kept_results_both_macros_are_empty(tmp_path):
    tabulate_variants([], [], NAMES, 0.02, tmp_path / "out.tex")
    assert (tmp_path / "out.tex").read_text().count(r"\empty") == 2


def test_the_kept_studies_have_both_sets(tmp_path):
    kept = sorted((ROOT / "results" / "reference").glob("ablations*/metrics.csv"))
    if not kept:
        pytest.skip("results/reference is not checked out")
    tabulate_variants(kept, list(NAMES), NAMES, 0.02, tmp_path / "out.tex")
    words = (tmp_path / "out.tex").read_text().partition(r"\def\variantwords")[2]
    assert "Digits: the model itself" in words and "PBMC 3k: the model itself" in words
