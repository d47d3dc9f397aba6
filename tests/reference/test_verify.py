"""Which runs are drawn, what is taken over from the results, and the verdict on a run that was made again."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from support import finished

from gmvae.pipeline.errors import Refused
from gmvae.reference import verify
from gmvae.reference.remade import compare_run, largest_difference

COLUMNS = ["task", "model", "seed", "split", "metric", "value"]


def write_run(folder: Path, value: float = 0.9, weights: bytes = b"weights", seeds: int = 2) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [("toy", "ae", seed, "test", "accuracy", value + seed / 10) for seed in range(seeds)]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(folder / "metrics.csv", index=False)
    (folder / "weights.safetensors").write_bytes(weights)
    (folder / "provenance.json").write_text(f'{{"date": {os.times().elapsed}}}')
    return folder


@pytest.mark.parametrize(
    ("made", "same", "words"),
    [
        ({}, True, "equal to the byte (weights.safetensors, metrics.csv)"),
        ({"weights": b"others"}, True, "within the tolerance of 1e-06 (largest difference 0; other bytes in weights"),
        (
            {"value": 0.9 + 1e-7},
            True,
            "within the tolerance of 1e-06 (largest difference 1e-07; other bytes in metrics",
        ),
        ({"value": 0.9 + 1e-5}, False, "NOT EQUAL, beyond the tolerance of 1e-06: accuracy of seed"),
        ({"seeds": 3}, False, "NOT EQUAL, beyond the tolerance of 1e-06: metrics.csv has other rows (2 are kept, 3"),
    ],
)
def test_a_run_is_equal_within_the_tolerance_or_not(tmp_path, made, same, words):
    state = compare_run(write_run(tmp_path / "kept"), write_run(tmp_path / "made", **made), 1e-6)
    assert state.is_same == same and state.text.startswith(words)


def test_a_number_beside_none_is_beyond_any_tolerance_and_none_beside_none_is_equal(tmp_path):
    kept, made = (write_run(tmp_path / name) for name in ("kept", "made"))
    for folder, values in ((kept, [float("nan"), 1]), (made, [float("nan"), float("nan")])):
        table = pd.read_csv(folder / "metrics.csv").assign(value=values)
        table.to_csv(folder / "metrics.csv", index=False)
    assert largest_difference(kept / "metrics.csv", made / "metrics.csv")[0] == float("inf")
    assert largest_difference(made / "metrics.csv", made / "metrics.csv")[0] == 0
    assert not compare_run(kept, made, 1e9).is_same


def test_large_values_are_compared_as_parts_of_themselves(tmp_path):
    kept, made = write_run(tmp_path / "kept", -5000.0), write_run(tmp_path / "made", -5000.001)
    assert compare_run(kept, made, 1e-6).is_same and not compare_run(kept, made, 1e-7).is_same


def test_a_seed_draws_the_same_runs_and_at_least_one():
    runs = [("toy", f"model{i}") for i in range(25)]
    assert verify.draw_runs(runs, 0.1, 5) == verify.draw_runs(runs, 0.1, 5)
    assert len(verify.draw_runs(runs, 0.1, 5)) == 3 and len(verify.draw_runs(runs, 0, 5)) == 1
    assert verify.draw_runs(runs, 1, 5) == runs
    assert len({tuple(verify.draw_runs(runs, 0.1, seed)) for seed in range(20)}) > 10


@pytest.fixture
def checkout(tmp_path):
    """A checkout with two finished runs on the toy; the other runs of the study lack their metrics."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(finished.CONFIG))
    for model in ("ae", "truth"):
        write_run(tmp_path / "results/runs/toy" / model)
    (tmp_path / "results/data").mkdir()
    (tmp_path / "results/data/toy.h5ad").write_text("data")
    return tmp_path


def run_verify(checkout: Path, **options) -> None:
    verify.verify_runs("small", checkout / "results", checkout / "config.yaml", **options)


@pytest.fixture
def remake(monkeypatch):
    """Snakemake is not called: the runs that it is asked for are written, with a value that a test may set."""
    made = {"value": 0.9, "targets": []}

    def write_targets(folder, targets, study, configfiles):
        made["targets"] = targets
        for target in targets:
            assert not (folder / target).exists()
            write_run((folder / target).parent, made["value"])

    monkeypatch.setattr(verify, "make_again", write_targets)
    return made


def test_the_seed_is_printed_and_finished_runs_only_are_drawn(checkout, remake, capsys):
    run_verify(checkout, share=1.0, seed=3)
    assert remake["targets"] == [f"results/runs/toy/{model}/metrics.csv" for model in ("truth", "ae")]
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == "2 of 2 finished runs are made again (--seed 3)" and last.startswith("2 of 2 runs are what")
    run_verify(checkout)
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("1 of 2 finished runs") and len(remake["targets"]) == 1


def test_a_run_that_is_not_the_same_ends_with_a_refusal_by_name(checkout, remake, capsys):
    remake["value"] = 0.8
    with pytest.raises(Refused, match=r"1 of 1 runs are not what the results say: toy/(ae|truth)"):
        run_verify(checkout)
    assert "NOT EQUAL" in capsys.readouterr().out


def test_links_have_the_times_of_their_files_and_nothing_of_the_drawn_runs(checkout, tmp_path):
    results, folder = checkout / "results", tmp_path / "again"
    os.utime(results / "data/toy.h5ad", (1e9, 1e9))
    verify.link_results(results, folder, [("toy", "ae")])
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink()) == [
        "data/toy.h5ad",
        *(f"runs/toy/truth/{name}" for name in ("metrics.csv", "provenance.json", "weights.safetensors")),
    ]
    assert (folder / "data/toy.h5ad").lstat().st_mtime == 1e9
    shutil.rmtree(folder)
    assert (results / "data/toy.h5ad").read_text() == "data"


def test_no_finished_run_is_refused_with_the_command(checkout):
    shutil.rmtree(checkout / "results/runs")
    with pytest.raises(Refused, match=r"no run of study small is finished; run `snakemake"):
        run_verify(checkout)
