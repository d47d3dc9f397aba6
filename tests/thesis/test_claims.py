"""Claims: their language, the verdicts, and that no false claim is printed unmarked."""

import numpy as np
import pandas as pd
import pytest

from gmvae.metrics.statistics import sign_flip_p
from gmvae.pipeline.errors import Refused
from gmvae.thesis.claims import check_claims, find_claims
from gmvae.thesis.verdicts import claim_state, claim_task, correct_verdicts, judge_claim


def metrics(n_seeds: int = 8) -> pd.DataFrame:
    """Accuracies: a clearly above b, c like b, d the same in every seed."""
    draws = np.random.default_rng(3)
    noise = draws.standard_normal((n_seeds, 3)) * 0.01
    by_model = {"a": 0.8 + noise[:, 0], "b": 0.6 + noise[:, 1], "c": 0.6 + noise[:, 2], "d": np.full(n_seeds, 0.7)}
    rows = [
        ("t", model, seed, split, "accuracy", value)
        for model, by_seed in by_model.items()
        for seed, value in enumerate(by_seed)
        for split in ("train", "test")
    ]
    return pd.DataFrame(rows, columns=["task", "model", "seed", "split", "metric", "value"])


def verdict(claim: str, frame: pd.DataFrame | None = None) -> str:
    return claim_state(correct_verdicts({claim: judge_claim(metrics() if frame is None else frame, claim)})[claim])


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("a.accuracy > b.accuracy in t", "tested"),
        ("b.accuracy < a.accuracy in t", "tested"),
        ("b.accuracy > a.accuracy in t", "failed"),
        ("b.accuracy > c.accuracy in t", "failed"),
        ("b.accuracy ~ c.accuracy in t", "tested"),
        ("a.accuracy ~ b.accuracy in t", "failed"),
        ("a.accuracy > d.accuracy in t", "untested"),
        ("d.accuracy > a.accuracy in t", "failed"),
        ("a.accuracy > 0.5 in t", "untested"),
        ("min(a.accuracy) > max(b.accuracy) in t", "counted"),
        ("min(d.accuracy) >= 0.7 in t", "counted"),
        ("max(d.accuracy) < 0.7 in t", "failed"),
        ("a.accuracy > b.accuracy and b.accuracy ~ c.accuracy in t", "tested"),
        ("a.accuracy > b.accuracy and a.accuracy > d.accuracy in t", "untested"),
        ("a.accuracy > b.accuracy and b.accuracy > c.accuracy in t", "failed"),
    ],
)
def test_verdicts(claim, expected):
    assert verdict(claim) == expected


def test_below_six_seeds_the_sign_decides_and_nothing_is_tested():
    assert verdict("a.accuracy > b.accuracy in t", metrics(5)) == "untested"
    assert verdict("b.accuracy > a.accuracy in t", metrics(5)) == "failed"


def test_holm_counts_every_directed_test_of_the_text():
    frame = metrics(6)  # the smallest p is 1/64: alone a claim holds, among four it cannot
    assert verdict("a.accuracy > b.accuracy in t", frame) == "tested"
    texts = ["a.accuracy > b.accuracy in t", "a.accuracy > c.accuracy in t", "b.accuracy < a.accuracy in t"]
    texts += ["c.accuracy < a.accuracy in t", "b.accuracy ~ c.accuracy in t", "a.accuracy > d.accuracy in t"]
    family = correct_verdicts({text: judge_claim(frame, text) for text in texts})
    assert [claim_state(family[text]) for text in texts] == ["failed"] * 4 + ["tested", "untested"]
    assert family[texts[0]][0].p == pytest.approx(4 * sign_flip_p(np.ones(6)))


def test_a_rank_correlation_can_be_claimed():
    frame = metrics()
    objective = frame[frame.model == "a"].assign(metric="objective", value=lambda rows: -rows.value)
    frame = pd.concat([frame, objective])
    assert verdict("rank(a.accuracy) <= -1 in t", frame) == "counted"
    assert verdict("rank(a.accuracy) > 0 in t", frame) == "failed"
    assert verdict("rank(a.accuracy) > 0 in t", frame[frame.seed == 0]) == "untested"  # there is none


@pytest.mark.parametrize(
    "claim", ["a.accuracy > b.accuracy", "a.accuracy is b.accuracy in t", "a.accuracy > in t", "a > b > c in t"]
)
def test_a_claim_that_does_not_parse_is_refused(claim):
    with pytest.raises(Refused, match="not of the form"):
        claim_task(claim)


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ("a.accuracy > e.accuracy in t", "e.accuracy in t; .*a, b, c, d"),
        ("a.accuracy > b in t", "`b`"),
        ("min(a.accuracy > b.accuracy in t", r"`min\(a.accuracy`"),
        ("a.accuracy ~ 0.5 in t", "two models"),
    ],
)
def test_a_side_that_was_not_measured_or_does_not_parse_is_refused(claim, message):
    with pytest.raises(Refused, match=message):
        judge_claim(metrics(), claim)


def claims_file(folder, text: str, mode: str) -> str:
    """The claims.tex of a text, from the metrics above."""
    (folder / "text.tex").write_text(text)
    metrics().to_csv(folder / "metrics.csv", index=False)
    check_claims(
        folder / "metrics.csv", [folder / "text.tex"], {"a": "Model A", "t": "Task"}, mode, folder / "claims.tex"
    )
    return (folder / "claims.tex").read_text()


def test_a_false_claim_is_refused_with_its_values(tmp_path):
    with pytest.raises(
        Refused, match=r"`b.accuracy > a.accuracy in t` in .*text.tex: b.accuracy = 0.5\d+, a.accuracy"
    ) as refusal:
        claims_file(tmp_path, r"\claim{b.accuracy > a.accuracy in t}{B wins.}", "fail")
    assert "\n" not in str(refusal.value) and not (tmp_path / "claims.tex").exists()


def test_in_mode_warn_a_false_claim_is_marked_with_its_values(tmp_path):
    text = claims_file(tmp_path, r"\claim{b.accuracy > a.accuracy in t}{B wins.}", "warn")
    assert r"\setclaim{b.accuracy > a.accuracy in t}{C1}{failed}{b, accuracy \num{0.5" in text
    assert "Model A" in text and "does not hold" in text


def test_true_claims_are_numbered_and_listed(tmp_path):
    text = claims_file(
        tmp_path, "\\claim{a.accuracy\n  > b.accuracy in t}{x} \\claim{d.accuracy > b.accuracy in t}{y}", "fail"
    )
    assert r"\setclaim{a.accuracy > b.accuracy in t}{C1}{tested}" in text
    assert r"\setclaim{d.accuracy > b.accuracy in t}{C2}{untested}" in text
    assert r"\newcommand\claimfamily{1}" in text and r"\claimtarget{C2} & Task" in text


def test_a_claim_about_a_task_outside_the_study_is_no_claim_here(tmp_path):
    text = claims_file(tmp_path, r"\claim{z.accuracy > b.accuracy in other}{x}", "fail")
    assert r"\setclaim{z.accuracy > b.accuracy in other}{}{outside}{}" in text and r"\claimtarget" not in text


def test_comments_and_definitions_are_no_claims(tmp_path):
    (tmp_path / "a.tex").write_text("% \\claim{x > y in t}{z}\n\\newcommand\\claim[2]{#1}\n5\\% \\claim{a > b in t}{z}")
    assert list(find_claims([tmp_path / "a.tex"])) == ["a > b in t"]


def test_an_unknown_mode_is_refused(tmp_path):
    with pytest.raises(Refused, match="allowed: fail, warn"):
        claims_file(tmp_path, "", "ignore")
