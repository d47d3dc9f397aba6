"""What is said of the means of predicted responses, for small made-up means."""

import pandas as pd
import pytest

from gmvae.thesis.tables.response_words import response_words

NAMES = {
    "kriging": "Kriging",
    "mean_shift": "Mean shift",
    "cvae": "CVAE",
    "scgen": "scGen",
    "fitted_combination": "Fit",
}


def means(**values) -> pd.DataFrame:
    """Summaries of the tasks' mean, given as model__way=mean; seeds scatter by 0.01."""
    rows = [(*key.split("__"), "change_r2", "mean", mean, 0.01) for key, mean in values.items()]
    return pd.DataFrame(rows, columns=["model", "way", "measure", "task", "mean", "sd"])


def test_networks_are_set_beside_the_best_simple_expectation_and_the_reference():
    table = means(kriging__plain=0.7, mean_shift__plain=0.5, cvae__plain=0.6, cvae__combined=0.75, scgen__near=0.7,
                  cvae__combined_fixed=0.9, fitted_combination__plain=0.74, fitted_combination__ceiling=1)  # fmt: skip
    text = response_words(table, NAMES)
    assert r"Kriging predicts the change best, with a mean $r^2$ of \num{0.700}" in text
    assert r"CVAE is best, with \num{0.600}: below it and above Mean shift (\num{0.500})." in text
    assert r"that of CVAE with kriging, \num{0.750}, above Kriging alone" in text
    assert r"has \num{0.740}: the best prediction is within the spread of it." in text
    assert "0.900" not in text and "1.000" not in text  # chosen with the truth in sight, and no prediction


@pytest.mark.parametrize("values", [{"kriging__plain": 0.7}, {"cvae__plain": 0.6}])
def test_without_a_network_or_an_expectation_nothing_is_said(values):
    assert response_words(means(**values), NAMES) == ""
