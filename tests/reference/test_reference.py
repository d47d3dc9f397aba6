"""The committed reference of a study, the wall times in it, and the comparison of a user's metrics with it."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support import finished

from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT
from gmvae.reference import wall_times
from gmvae.reference.compare import compare_with_reference
from gmvae.reference.differences import difference_of_means, run_states
from gmvae.reference.keep import fingerprint, keep_reference


def kept(folder, study: str = "small"):
    """The reference made from a checkout."""
    output = folder / "results/reference" / study
    keep_reference(study, folder / "results", output, folder / "config.yaml")
    return output


@pytest.fixture
def checkout(tmp_path):
    return finished.checkout(tmp_path)


def test_the_metrics_are_kept_byte_for_byte(checkout):
    assert (kept(checkout) / "metrics.csv").read_bytes() == (checkout / "results/metrics.csv").read_bytes()


def test_provenance_says_how_the_study_was_made(checkout):
    said = json.loads((kept(checkout) / "provenance.json").read_text())
    assert said["commits"] == ["c" * 40] and not said["dirty"] and said["devices"] == ["cpu"]
    assert said["config"]["studies"] == {"small": finished.CONFIG["studies"]["small"]}
    assert set(said["config"]["tasks"]) == {"toy", "digits_20"} and "mars" not in said["config"]["datasets"]
    assert said["machine"]["cores"] >= 1 and said["machine"]["cpu"] and said["machine"]["hosts"] == ["here"]
    assert said["versions"] == {"python": ["3.11.2"]}


def test_wall_times_are_those_of_the_study_s_jobs(checkout):
    wall = json.loads((kept(checkout) / "provenance.json").read_text())["wall"]
    assert wall["rules"]["train"] == {"jobs": 2, "sum_s": 20.0, "max_s": 14.0}
    assert wall["rules"]["prepare"] == {"jobs": 1, "sum_s": 4.0, "max_s": 4.0} and "fetch" not in wall["rules"]
    assert wall["seconds"] == 20 + 1.5 and wall["jobs_at_once"] == 2


def test_busy_seconds_and_jobs_at_once_are_those_of_a_clock():
    draws = np.random.default_rng(1)
    starts = draws.integers(0, 300, 40)
    jobs = [
        wall_times.Job(start, start + length, "r", ())
        for start, length in zip(starts, draws.integers(1, 9, 40), strict=True)
    ]
    running = np.array([sum(job.start <= t < job.end for job in jobs) for t in range(400)])
    assert wall_times.busy_seconds(jobs) == (running > 0).sum() and wall_times.most_at_once(jobs) == running.max()


@pytest.mark.parametrize(("seconds_too_early", "at_once"), [(0.004, 1), (0.05, 2)])
def test_a_job_that_seems_to_begin_a_tick_early_does_not_overlap_the_one_before(seconds_too_early, at_once):
    jobs = [wall_times.Job(0.0, 5.0, "r", ("a",)), wall_times.Job(5.0 - seconds_too_early, 9.0, "r", ("b",))]
    assert wall_times.most_at_once(jobs) == at_once


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(38.4, "38 s"), (59.7, "1 min"), (1067.9, "18 min"), (3595, "1 h 0 min"), (6725, "1 h 52 min")],
)
def test_durations_are_said_as_people_do(seconds, said):
    assert wall_times.format_duration(seconds) == said


def test_runs_are_listed_with_what_decides_their_digits(checkout):
    runs = pd.read_csv(kept(checkout) / "runs.csv").set_index(["task", "model"])
    assert len(runs) == 5 and runs.loc[("toy", "ae"), "seeds"] == "0 1 2 3"
    assert runs.loc[("toy", "ae"), "fingerprint"] == fingerprint(finished.made("toy", "ae"))
    assert runs.fingerprint.is_unique
    made = finished.made("toy", "ae")
    assert fingerprint(made | {"seconds": 9.0, "host": "there", "date": "later"}) == fingerprint(made)
    assert fingerprint(made | {"versions": {"python": "3.12.0"}}) != fingerprint(made)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda table: table[table.model != "ae"], r"lacks 1 runs \(toy/ae\)"),
        (lambda table: pd.concat([table, table.assign(task="mars")]), r"has, beyond the study, 3 runs"),
    ],
)
def test_metrics_of_another_study_are_refused(checkout, damage, said):
    path = checkout / "results/metrics.csv"
    damage(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(Refused, match=said):
        kept(checkout)
    assert not (checkout / "results/reference").exists()


def test_an_unknown_study_and_missing_metrics_are_refused(checkout):
    with pytest.raises(Refused, match=r"--study large: .* allowed: small, other"):
        kept(checkout, "large")
    (checkout / "results/metrics.csv").unlink()
    with pytest.raises(Refused, match=r"metrics.csv is missing: run .*study=small"):
        kept(checkout)


def test_a_damaged_benchmark_file_and_none_at_all_are_refused(checkout):
    logs = checkout / "results/logs"
    finished.write_benchmark(logs, "train/toy/ae", 0.0, 1.0).write_text("")
    with pytest.raises(Refused, match=r"train/toy/ae.benchmark.tsv"):
        kept(checkout)
    shutil.rmtree(logs)
    with pytest.raises(Refused, match=r"results/logs: no benchmark files"):
        kept(checkout)


def compared(checkout, other, capsys) -> str:
    """What is printed of one checkout's metrics beside the reference kept by another."""
    capsys.readouterr()
    compare_with_reference(checkout / "results", kept(other).parent)
    return capsys.readouterr().out


def test_the_same_metrics_are_said_to_be_the_same(checkout, capsys):
    said = compared(checkout, checkout, capsys)
    assert "byte for byte" in said and "5 runs of both: 5 have the same values" in said
    assert "0 of 7 figures are outside" in said and "OUTSIDE" not in said
    assert said.index("Toy") < said.index("Digits, 20") and said.index("Truth") < said.index("GMΔVAE")


def test_figures_far_from_the_reference_are_marked(checkout, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    mine = finished.checkout(tmp_path / "mine", shift=0.05)
    said = compared(mine, checkout, capsys)
    (line,) = [line for line in said.splitlines() if "OUTSIDE" in line]
    assert "GMΔVAE" in line and "Accuracy" in line and "+" in line
    assert "byte for byte" not in said and "1 of 7 figures are outside" in said
    assert "OTHER DIGITS" in line and "1 runs were made alike" in said  # the same provenance promises the same digits


def test_other_versions_promise_no_digits(checkout, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    mine = finished.checkout(tmp_path / "mine", shift=1e-4)
    path = mine / "results/runs/toy/gmdvae/provenance.json"
    path.write_text(json.dumps(finished.made("toy", "gmdvae") | {"versions": {"python": "3.13.0"}}))
    said = compared(mine, checkout, capsys)
    assert "OTHER DIGITS" not in said and "OUTSIDE" not in said and "5 runs of both: 4 have" in said


def test_another_processor_promises_no_digits(checkout, tmp_path, capsys, monkeypatch):
    (tmp_path / "mine").mkdir()
    mine = finished.checkout(tmp_path / "mine", shift=1e-4)
    folder = kept(checkout)
    monkeypatch.setattr("gmvae.reference.compare.processor_name", lambda: "another")
    compare_with_reference(mine / "results", folder.parent)
    assert "OTHER DIGITS" not in capsys.readouterr().out


def test_a_part_of_the_study_is_compared_with_its_reference(checkout, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    mine = finished.checkout(tmp_path / "mine")
    table = finished.metrics()
    extra = table[table.task == "toy"].assign(task="venus")
    pd.concat([table[table.task == "toy"], extra]).to_csv(
        mine / "results/metrics.csv", index=False, float_format="%.9g"
    )
    said = compared(mine, checkout, capsys)
    assert "The reference alone has 2 runs, of digits_20." in said and "You alone have 3 runs, of venus." in said


def test_no_metrics_and_no_reference_are_refused_with_the_remedy(checkout, tmp_path):
    with pytest.raises(Refused, match=r"metrics.csv is missing: run `make` first"):
        compare_with_reference(tmp_path / "nowhere", kept(checkout).parent)
    with pytest.raises(Refused, match="no reference has a run of these tasks; there are references of: none"):
        compare_with_reference(checkout / "results", tmp_path / "nowhere")


def series(values) -> pd.Series:
    return pd.Series(list(values), index=range(len(values)))


def test_a_difference_is_counted_in_the_pooled_spread():
    draws = np.random.default_rng(0)
    one, other = draws.normal(0, 1, 7), draws.normal(0.4, 2, 5)
    t = stats.ttest_ind(other, one)  # pooled: t = difference / (pooled sd * sqrt(1/n + 1/m))
    assert difference_of_means(series(one), series(other))["units"] == pytest.approx(
        t.statistic * np.sqrt(1 / 7 + 1 / 5)
    )


@pytest.mark.parametrize("errors", [2.9, 3.1])
def test_outside_is_beyond_three_standard_errors(errors):
    draws = np.random.default_rng(0)
    one, other = draws.normal(0, 1, 7), draws.normal(0, 2, 5)
    welch = stats.ttest_ind(other, one, equal_var=False)  # unequal variances: t = difference / standard error
    moved = other + (errors - welch.statistic) * (other.mean() - one.mean()) / welch.statistic
    assert difference_of_means(series(one), series(moved))["outside"] == (errors > 3)


@pytest.mark.parametrize(("difference", "outside"), [(0.0, False), (1e-10, False), (1e-3, True), (-1e-3, True)])
def test_where_nothing_varies_any_difference_is_outside(difference, outside):
    compared_means = difference_of_means(series([0.5] * 3), series([0.5 + difference] * 3))
    assert compared_means["outside"] == outside and np.isinf(compared_means["units"]) == outside
    assert not outside or np.sign(compared_means["units"]) == np.sign(difference)


def test_digits_tell_runs_apart_that_no_spread_does():
    table = finished.metrics().astype({"value": str})
    changed = table.copy()
    row = table.index[(table.model == "ae") & (table.split == "train")][0]
    changed.loc[row, "value"] += "1"
    states = run_states(table, changed, {("toy", "ae")}).set_index(["task", "model"]).state
    assert states[("toy", "ae")] == "broken" and set(states.drop(("toy", "ae"))) == {"same"}


@pytest.mark.parametrize("module", ["gmvae.reference.compare", "gmvae.reference.keep", "gmvae.reference.readme"])
def test_the_commands_import_neither_torch_nor_scanpy(module):
    code = f"import sys, {module}; assert not {{'torch', 'scanpy', 'umap'}} & set(sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
