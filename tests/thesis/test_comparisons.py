"""Differences in the text: their sign, interval and words, and the best rival."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gmvae.pipeline.errors import Refused
from gmvae.thesis.claims import find_uses
from gmvae.thesis.comparisons import USE, comparison_macros, difference_text, standing_word


def macros(expression: str, n_seeds: int = 8) -> dict[str, str]:
    """What the macros print, for accuracies of 0.8 (a), 0.6 (b_one), 0.7 (b_two) and 1 (truth, a control)."""
    wobble = np.linspace(-0.02, 0.02, n_seeds)
    by_model = {"a": 0.8 + wobble, "b_one": 0.6 - wobble, "b_two": 0.7 - wobble, "truth": np.ones(n_seeds)}
    rows = [
        ("t", model, seed, "test", "accuracy", value)
        for model, by_seed in by_model.items()
        for seed, value in enumerate(by_seed)
    ]
    table = pd.DataFrame(rows, columns=["task", "model", "seed", "split", "metric", "value"])
    lines = comparison_macros(table, {expression: Path("x.tex")}, {"b_two": "Model B2"}, {"truth": "truth"})
    return {line.split("{")[1].rstrip("}"): line.split("}{", 2)[2][:-1] for line in lines}


def test_the_best_rival_is_computed():
    printed = macros("a.accuracy - best(*.accuracy) in t")
    assert printed["rival"] == "Model B2" and printed["rivalvalue"].startswith(r"\num{0.700}\,$\pm$\,")
    assert printed["difference"].startswith(r"\num{0.100} (\num{0.0") and printed["stands"] == "above"
    assert macros("b_one.accuracy - best(b*.accuracy) in t")["stands"] == "below"


def test_words_follow_the_interval():
    assert standing_word(np.array([0.1, 0.2, 0.3, 0.2, 0.1, 0.2])) == "above"
    assert standing_word(np.array([0.1, -0.2, 0.3, 0.2, -0.1, 0.2])) == "neither clearly above nor clearly below"


def test_few_seeds_are_told_one_by_one():
    assert standing_word(np.array([0.1, 0.2, 0.3])) == "in every seed above"
    assert standing_word(np.array([-0.1, -0.2, -0.3])) == "in every seed below"
    assert standing_word(np.zeros(3)) == standing_word(np.zeros(9)) == "level with"
    assert standing_word(np.array([0.1, -0.2, 0.3])) == "in some seeds above and in others not above"
    assert (
        difference_text(np.array([0.1, 0.2, 0.3]), "nmi") == r"\num{0.200} (\num{0.100} to \num{0.300} over the seeds)"
    )


def test_a_small_difference_of_bounds_does_not_print_as_zero():
    assert r"\num{-0.04}" in difference_text(np.full(3, -0.04), "bound")


def test_a_comparison_outside_the_study_sets_nothing():
    assert macros("a.accuracy - b_one.accuracy in other") == {}


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("a.accuracy b_one.accuracy in t", "is no comparison"),
        ("a.accuracy - c.accuracy in t", "x.tex: .*no c.accuracy"),
        ("a.accuracy - max(b_one.accuracy) in t", "best"),
        ("a.accuracy - 0.5 in t", "best"),
        ("a.accuracy - best(c*.accuracy) in t", "no best"),
    ],
)
def test_what_is_no_comparison_is_refused(expression, message):
    with pytest.raises(Refused, match=message):
        macros(expression)


def test_uses_are_found_once_and_not_in_comments(tmp_path):
    text = "\\stands{a.x -\n b.x in t} \\rival{a.x - b.x in t}% \\difference{c.x - d.x in t}\n"
    (tmp_path / "a.tex").write_text(text)
    assert list(find_uses([tmp_path / "a.tex"], USE)) == ["a.x - b.x in t"]
