"""The rule that picks a number of components, branch by branch, on tables made up for it."""

import numpy as np
import pandas as pd
import pytest

from gmvae.pipeline.errors import Refused
from gmvae.runs.choices.rule import choose_number


def table(stability: dict[int, float], gap: dict[int, float] | None = None, error: float = 0.01) -> pd.DataFrame:
    """A sweep's table: stability by number, and by how much the ELBO is below the highest."""
    gaps = gap or dict.fromkeys(stability, 0.0)
    lines = [
        {"n_components": k, "ari_parts": value, "elbo_gap": gaps[k], "elbo_se": error if gaps[k] else 0.0}
        for k, value in stability.items()
    ]
    return pd.DataFrame(lines)


def test_the_most_stable_number_is_chosen_whatever_the_order_of_the_lines():
    lines = table({2: 0.7, 3: 0.6, 4: 0.95, 5: 0.8, 6: 0.7})
    assert choose_number(lines)[0] == choose_number(lines[::-1])[0] == 4
    assert "0.95" in choose_number(lines)[1] and "end of" not in choose_number(lines)[1]


def test_of_numbers_that_are_nearly_as_stable_the_largest_is_chosen():
    assert choose_number(table({2: 0.96, 3: 0.5, 5: 0.945, 6: 0.93, 8: 0.5}))[0] == 5


def test_a_coarse_stable_division_that_describes_the_rows_worse_is_dropped():
    stability = {2: 0.99, 3: 0.6, 5: 0.9, 6: 0.8, 8: 0.7}
    number, reason = choose_number(table(stability, {2: 4.0, 3: 2.5, 5: 0.3, 6: 0.0, 8: 0.1}))
    assert number == 5 and "too low an ELBO: 2, 3" in reason


def test_a_lower_elbo_within_its_error_drops_nothing():
    number, reason = choose_number(table({2: 0.99, 3: 0.6, 5: 0.9}, {2: 4.0, 3: 2.5, 5: 0.0}, error=2.1))
    assert number == 2 and "ELBO" not in reason.replace("too low an ELBO: 3", "")


def test_a_number_above_the_highest_elbo_is_never_dropped():
    assert choose_number(table({2: 0.8, 3: 0.6, 5: 0.9}, {2: 0.1, 3: 0.0, 5: 9.0}))[0] == 5


def test_the_reason_names_an_end_of_the_candidates_and_data_without_clusters():
    assert choose_number(table({2: 0.9, 3: 0.5, 4: 0.4}))[1].endswith("2 is an end of the candidates")
    assert choose_number(table({2: 0.3, 3: 0.4, 4: 0.2}))[1].endswith("no number is stable, so take it as a guess")


def test_lines_without_an_index_are_passed_over_and_none_is_refused():
    assert choose_number(table({2: 0.5, 3: np.nan, 4: 0.4}))[0] == 2
    with pytest.raises(Refused, match="no two trainings to compare"):
        choose_number(table({2: np.nan}))
