"""Claims: their language, the verdicts, and that no false claim is printed unmarked."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


MARGINS = {"accuracy": 0.05}


def judge(frame: pd.DataFrame, claim: str, margins: dict = MARGINS, intervals: dict | None = None) -> list:
    return judge_claim(frame, claim, margins, {"truth": "truth"}, intervals or {})


def verdict(
    claim: str, frame: pd.DataFrame | None = None, margins: dict = MARGINS, intervals: dict | None = None
) -> str:
    judged = judge(metrics() if frame is None else frame, claim, margins, intervals)
    return claim_state(correct_verdicts({claim: judged})[claim])


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("a.accuracy > b.accuracy in t", "tested"),
        ("b.accuracy < a.accuracy in t", "tested"),
        ("b.accuracy > a.accuracy in t", "failed"),
        ("b.accuracy > c.accuracy in t", "failed"),
        ("b.accuracy ~ c.accuracy in t", "tested"),
        ("a.accuracy ~ b.accuracy in t", "failed"),
        ("a.accuracy ~ d.accuracy in t", "failed"),
        ("a.accuracy > d.accuracy in t", "tested"),
        ("d.accuracy > a.accuracy in t", "failed"),
        ("a.accuracy > best(*.accuracy) in t", "tested"),
        ("d.accuracy > best(b|c.accuracy) in t", "tested"),
        ("d.accuracy > best(*.accuracy) in t", "failed"),
        ("d.accuracy < best(*.accuracy) in t", "tested"),
        ("best(b|c.accuracy) < a.accuracy in t", "tested"),
        ("min(a.accuracy) > max(b|c.accuracy) in t", "counted"),
        ("min(d.accuracy) > max(*.accuracy) in t", "failed"),
        ("min(d.accuracy) >= 0.7 in t", "counted"),
        ("max(d.accuracy) < 0.7 in t", "failed"),
        ("a.accuracy > b.accuracy and b.accuracy ~ c.accuracy in t", "tested"),
        ("a.accuracy > b.accuracy and min(a.accuracy) > 0.5 in t", "tested"),
        ("a.accuracy > b.accuracy and b.accuracy > c.accuracy in t", "failed"),
    ],
)
def test_verdicts(claim, expected):
    assert verdict(claim) == expected


@pytest.mark.parametrize("n_seeds", [2, 3, 7])
def test_below_eight_seeds_every_seed_decides_and_nothing_is_tested(n_seeds):
    frame = metrics(n_seeds)
    assert verdict("a.accuracy > b.accuracy in t", frame) == "untested"
    assert verdict("b.accuracy > a.accuracy in t", frame) == "failed"
    assert verdict("b.accuracy ~ c.accuracy in t", frame) == "untested"
    assert verdict("b.accuracy ~ c.accuracy in t", frame, {"accuracy": 1e-4}) == "failed"
    assert judge(frame, "a.accuracy > b.accuracy in t")[0].difference.over_seeds is None
    one_below = (frame.model == "a") & (frame.seed == 0)
    frame.loc[one_below, "value"] = 0.5  # the mean of a is still the larger one
    assert verdict("a.accuracy > b.accuracy in t", frame) == "failed"


@pytest.mark.parametrize("interval", [(0.1, 0.3), (-0.01, 0.3), (-0.3, -0.1)])
def test_with_few_seeds_the_interval_over_rows_has_to_bear_the_claim_out(interval):
    low, high = interval
    rows = {("t", "a", "b", "accuracy"): interval, ("t", "b", "a", "accuracy"): (-high, -low)}
    expected = "untested" if low > 0 else "failed"
    assert verdict("a.accuracy > b.accuracy in t", metrics(3), intervals=rows) == expected
    assert verdict("b.accuracy < a.accuracy in t", metrics(3), intervals=rows) == expected
    assert verdict("a.accuracy > b.accuracy in t", metrics(8), intervals=rows) == "tested"  # the seeds are enough


@pytest.mark.parametrize(("interval", "expected"), [((-0.04, 0.04), "untested"), ((-0.06, 0.04), "failed")])
def test_with_few_seeds_equality_has_to_hold_over_the_rows_too(interval, expected):
    rows = {("t", "b", "c", "accuracy"): interval}
    assert verdict("b.accuracy ~ c.accuracy in t", metrics(3), intervals=rows) == expected


def test_two_results_that_no_seed_changes_are_not_tested():
    frame = metrics()
    frame.loc[frame.model == "c", "value"] = 0.6
    assert verdict("d.accuracy > c.accuracy in t", frame) == "untested"


def test_wide_scatter_is_no_evidence_of_equality():
    """With few seeds a plain test would not tell them apart, and that used to pass for equality."""
    frame = metrics()
    scattered = frame.model.isin(["b"])
    frame.loc[scattered, "value"] += np.tile([0.2, -0.2, 0.15, -0.15], scattered.sum() // 4)
    assert verdict("b.accuracy ~ c.accuracy in t", frame) == "failed"


def test_a_claim_of_equality_is_against_the_margin_of_its_metric():
    assert verdict("a.accuracy ~ b.accuracy in t", margins={"accuracy": 0.5}) == "tested"
    with pytest.raises(Refused, match=r"thesis\.margins has no accuracy"):
        verdict("b.accuracy ~ c.accuracy in t", margins={"nmi": 0.1})


def test_a_claim_against_the_best_rival_holds_against_each():
    of_each = [judge(metrics(), f"a.accuracy > {rival}.accuracy in t")[0].p for rival in "bcd"]
    (against_best,) = judge(metrics(), "a.accuracy > best(*.accuracy) in t")
    assert against_best.p == max(of_each) and against_best.right.model == "d"


def test_a_claim_that_the_best_rival_is_ahead_pays_for_the_choice():
    (alone,), (chosen,) = (judge(metrics(), f"b.accuracy < {side} in t") for side in ("a.accuracy", "best(*.accuracy)"))
    assert chosen.right.model == "a" and chosen.p == pytest.approx(3 * alone.p)


def test_controls_are_no_rivals():
    frame = pd.concat([metrics(), metrics().query("model == 'a'").assign(model="truth", value=1.0)])
    assert verdict("a.accuracy > best(*.accuracy) in t", frame) == "tested"
    assert verdict("max(*.accuracy) < min(truth.accuracy) in t", frame) == "counted"  # unless they are named


def test_holm_counts_every_test_of_the_text():
    frame = metrics()  # the smallest p is 1/256: alone a claim holds, among thirteen it cannot
    assert verdict("a.accuracy > b.accuracy in t", frame) == "tested"
    larger, smaller = ("ab", "ac", "ad", "db", "dc"), ("ba", "ca", "da", "bd", "cd")
    texts = [f"{left}.accuracy > {right}.accuracy in t" for left, right in larger]
    texts += [f"{left}.accuracy < {right}.accuracy in t" for left, right in smaller]
    texts += [f"{model}.accuracy > best(b|c.accuracy) in t" for model in "ad"]
    texts += ["b.accuracy ~ c.accuracy in t", "min(a.accuracy) > max(d.accuracy) in t"]
    family = correct_verdicts({text: judge(frame, text) for text in texts})
    assert [claim_state(family[text]) for text in texts] == ["failed"] * 13 + ["counted"]
    assert family[texts[0]][0].p == pytest.approx(13 * sign_flip_p(np.ones(8)))


def test_a_comparison_of_two_claims_is_one_test():
    texts = ["a.accuracy > b.accuracy in t", "a.accuracy > b.accuracy and a.accuracy > c.accuracy in t"]
    family = correct_verdicts({text: judge(metrics(), text) for text in texts})
    assert family[texts[0]][0].p == family[texts[1]][0].p == pytest.approx(2 * sign_flip_p(np.ones(8)))


CLAIMS = [f"{left}.accuracy {sign} {right}.accuracy in t" for left in "abcd" for right in "abcd" for sign in "<>~"]


@settings(deadline=None, max_examples=60)
@given(st.sets(st.sampled_from(CLAIMS), min_size=1, max_size=12), st.sampled_from(CLAIMS), st.integers(7, 10))
def test_more_claims_make_no_claim_easier(texts, another, n_seeds):
    """Neither one of a difference nor one of equality."""
    frame = metrics(n_seeds)
    judged = {text: judge(frame, text) for text in sorted(texts | {another})}
    fewer = correct_verdicts({text: judged[text] for text in texts - {another}})
    more = correct_verdicts(judged)
    for text, of_claim in fewer.items():
        assert all(wide.p is None or wide.p >= narrow.p for narrow, wide in zip(of_claim, more[text], strict=True))
        assert claim_state(more[text]) in (claim_state(of_claim), "failed")


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
        ("a*.accuracy > b.accuracy in t", r"`a\*.accuracy`"),
        ("rank(a.accuracy) < 0.8 in t", r"`rank\(a.accuracy\)`"),
        ("a.accuracy ~ 0.5 in t", "stand with min"),
        ("a.accuracy > 0.5 in t", "stand with min"),
        ("a.accuracy >= b.accuracy in t", "stand with min"),
        ("a.accuracy > min(b.accuracy) in t", "stand with min"),
        ("a.accuracy ~ best(*.accuracy) in t", "two models"),
        ("best(a.accuracy) > best(b.accuracy) in t", "one model"),
        ("a.accuracy > b.nmi in t", "two metrics"),
    ],
)
def test_a_side_that_was_not_measured_or_does_not_parse_is_refused(claim, message):
    frame = pd.concat([metrics(), metrics().assign(metric="nmi")])
    with pytest.raises(Refused, match=message):
        judge(frame, claim)


def claims_file(folder, text: str, mode: str, intervals: list | None = None) -> str:
    """The claims.tex of a text, from the metrics above."""
    (folder / "text.tex").write_text(text)
    metrics().to_csv(folder / "metrics.csv", index=False)
    names = {"a": "Model A", "t": "Task"}
    output = folder / "claims.tex"
    check_claims(folder / "metrics.csv", [folder / "text.tex"], names, mode, MARGINS, {}, output, intervals)
    return (folder / "claims.tex").read_text()


def test_the_interval_over_rows_stands_beside_the_test(tmp_path):
    line = "task,model,rival,metric,value,low,high\nt,b,a,accuracy,-0.2,-0.31,-0.11\nt,a,,accuracy,0.8,0.71,0.91\n"
    (tmp_path / "intervals.csv").write_text(line)
    texts = r"\claim{a.accuracy > b.accuracy in t}{A wins.} \overrows{t.a.accuracy} \overrows{t.b.accuracy}"
    text = claims_file(tmp_path, texts, "fail", [tmp_path / "intervals.csv"])
    assert r"), over the rows \num{0.110} to \num{0.310}, $p=0.004$" in text
    assert r"\newcommand\claimsoverrows{1}" in text and r"\newcommand\claimsclearoverrows{1}" in text
    assert r"\setvalue{overrows}{t.a.accuracy}{\num{0.710} to \num{0.910}}" in text
    assert r"\setvalue{overrows}{t.b.accuracy}{--}" in text


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
        tmp_path,
        "\\claim{a.accuracy\n  > b.accuracy in t}{x} \\claim{min(d.accuracy) > max(b.accuracy) in t}{y}",
        "fail",
    )
    assert r"\setclaim{a.accuracy > b.accuracy in t}{C1}{tested}" in text
    assert r"\setclaim{min(d.accuracy) > max(b.accuracy) in t}{C2}{counted}" in text
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
