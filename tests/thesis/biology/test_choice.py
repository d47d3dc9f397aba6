"""Which task's cells are told in full."""

import pandas as pd

from gmvae.thesis.biology.choice import told_in_full


def files(folder, **n_cells):
    """The paths of cells.csv and changes.csv of tasks; a negative number is one of cells under two conditions."""
    cells, changes = [], []
    for task, n in n_cells.items():
        (folder / task).mkdir()
        cells.append(folder / task / "cells.csv")
        changes.append(folder / task / "changes.csv")
        pd.DataFrame({"row": range(abs(n)), "label": "B"}).to_csv(cells[-1], index=False)
        pd.DataFrame({"type": ["B"] * (n < 0), "n_changed": [3] * (n < 0)}).to_csv(changes[-1], index=False)
    return cells, changes


def test_a_task_under_two_conditions_is_told_before_a_larger_one(tmp_path):
    assert told_in_full(*files(tmp_path, large=50, treated=-9, small=-4)) == "treated"


def test_without_conditions_it_is_the_task_with_most_cells_and_of_equal_ones_the_first(tmp_path):
    assert told_in_full(*files(tmp_path, one=5, two=9, three=9)) == "two"


def test_one_task_alone_is_told_in_full_and_none_is_no_error(tmp_path):
    cells, changes = files(tmp_path, mine=3)
    assert told_in_full(cells, changes) == told_in_full(cells, []) == "mine"
    assert told_in_full([], []) is None
