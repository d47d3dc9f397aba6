"""Differences in the text: their sign, interval and words, and the best rival."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gmvae.pipeline.errors import Refused
from gmvae.thesis.claims import find_uses
from gmvae.thesis.comparisons import USE, VERSUS, comparison_macros, difference_text, standing_word, versus_macros
from gmvae.thesis.sides import Difference


def accuracies(n_seeds: int = 8) -> pd.DataFrame:
    """Accuracies of 0.8 (a), 0.6 (b_one), 0.7 (b_two) and 1 (truth, a control)."""
    wobble = np.linspace(-0.02, 0.02, n_seeds)
    by_model = {"a": 0.8 + wobble, "b_one": 0.6 - wobble, "b_two": 0.7 - wobble, "truth": np.ones(n_seeds)}
    rows = [
        ("t", model, seed, "test", "accuracy", value)
        for model, by_seed in by_model.items()
        for seed, value in enumerate(by_seed)
    ]
    return pd.DataFrame(rows, columns=["task", "model", "seed", "split", "metric", "value"])


def macros(expression: str, n_seeds: int = 8, intervals: dict | None = None) -> dict[str, str]:
    """What the macros print for these accuracies."""
    lines = comparison_macros(
        accuracies(n_seeds), {expression: Path("x.tex")}, {"b_two": "Model B2"}, {"truth": "truth"}, intervals or {}
    )
    return {line.split("{")[1].rstrip("}"): line.split("}{", 2)[2][:-1] for line in lines}


def test_the_best_rival_is_computed():
    printed = macros("a.accuracy - best(*.accuracy) in t")
    assert printed["rival"] == "Model B2" and printed["rivalvalue"].startswith(r"\num{0.700}\,$\pm$\,")
    assert printed["difference"].startswith(r"\num{0.100} (\num{0.0") and printed["stands"] == "above"
    assert macros("b_one.accuracy - best(b*.accuracy) in t")["stands"] == "in every seed below"  # no seed changes it


def word(by_seed: list[float], over_rows: tuple[float, float] | None = None) -> str:
    return standing_word(Difference(np.array(by_seed), over_rows))


def test_words_follow_the_interval():
    assert word([0.1, 0.2, 0.3, 0.2, 0.1, 0.2, 0.1, 0.2]) == "above"
    assert word([0.1, -0.2, 0.3, 0.2, -0.1, 0.2, 0.1, -0.1]) == "neither clearly above nor clearly below"
    assert word([0.1, 0.2, 0.3, 0.2, 0.1, 0.2, 0.1, 0.2], (-0.5, 0.5)) == "above"  # the seeds are enough


def test_with_few_seeds_words_follow_the_interval_over_rows():
    assert word([0.1, 0.2, 0.3], (0.05, 0.3)) == "above"
    assert word([-0.1, -0.2, -0.3], (-0.4, -0.1)) == "below"
    assert word([0.1, 0.2, 0.3], (-0.01, 0.4)) == "neither clearly above nor clearly below"
    assert word([0.1, -0.01, 0.3], (0.01, 0.4)) == "in some seeds above and in others not above"
    assert word([0.1] * 9, (-0.1, 0.3)) == "neither clearly above nor clearly below"  # no seed changes anything


def test_few_seeds_without_rows_are_told_one_by_one():
    assert word([0.1, 0.2, 0.3]) == "in every seed above"
    assert word([-0.1, -0.2, -0.3]) == "in every seed below"
    assert word([0, 0, 0]) == word([0] * 9) == "level with"
    assert word([0.1, -0.2, 0.3]) == "in some seeds above and in others not above"


def test_a_difference_has_one_interval_and_with_few_seeds_every_value():
    by_seed = np.array([0.1, 0.2, 0.3])
    values = r"by seed \num{0.100}, \num{0.200}, \num{0.300})"
    assert difference_text(Difference(by_seed), "nmi") == rf"\num{{0.200}} ({values}"
    over_rows = r"\num{0.200} (\num{0.050} to \num{0.310} over the rows; "
    assert difference_text(Difference(by_seed, (0.05, 0.31)), "nmi") == over_rows + values
    same = difference_text(Difference(np.full(9, 0.2), (0.05, 0.31)), "nmi")
    assert same == r"\num{0.200} (\num{0.050} to \num{0.310} over the rows)"
    assert difference_text(Difference(np.array([0.2])), "nmi") == r"\num{0.200}"
    assert "rows" not in difference_text(Difference(np.arange(8.0), (0.05, 0.31)), "nmi")


def test_the_interval_over_rows_is_that_of_the_pair():
    rows = {("t", "a", "b_two", "accuracy"): (-0.05, 0.25), ("t", "a", "b_one", "accuracy"): (0.1, 0.3)}
    assert macros("a.accuracy - best(b*.accuracy) in t", 3, rows)["stands"].startswith("neither")
    assert macros("a.accuracy - b_one.accuracy in t", 3, rows)["stands"] == "above"


def test_versus_has_the_words_of_a_difference_and_refuses_unlike_results():
    rows = {("t", "a", "b_one", "accuracy"): (-1, 1)}

    def words(left: str, right: str) -> list[str]:
        table = pd.concat([accuracies(3), accuracies(3).assign(metric="objective")])
        return versus_macros(table, {(left, right): Path("x.tex")}, {}, rows)

    line = r"\setvalue{versus}{t.a.accuracy/t.b_one.accuracy}{neither clearly above nor clearly below}"
    assert words("t.a.accuracy", "t.b_one.accuracy") == [line]
    assert words("t.a.accuracy", "u.a.accuracy") == words("u.a.nmi", "u.b.nmi") == []
    assert words("t.a.accuracy", "t.a.nmi") == words("t.a.nmi", "t.b_one.nmi") == []  # left to LaTeX
    with pytest.raises(Refused, match=r"x.tex: in `.versus\{t.a.objective\}\{t.b_one.objective\}`: .* compare bound"):
        words("t.a.objective", "t.b_one.objective")


def test_a_small_difference_of_bounds_does_not_print_as_zero():
    assert r"\num{-0.04}" in difference_text(Difference(np.full(3, -0.04)), "bound")


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
    (tmp_path / "a.tex").write_text("\\versus{t.a.x}\n{t.b.x} \\versus{t.#1.x}{t.b.x}")
    assert list(find_uses([tmp_path / "a.tex"], VERSUS)) == [("t.a.x", "t.b.x")]
