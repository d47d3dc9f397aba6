"""The benchmarks measure what they claim: ratios within rounds, operations of products, seconds of jobs; their data."""

import json
import sys

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from support import finished
from support.models import train_model
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import ratios, startup, workflow
from benchmarks.support import commands, datasets, memory, processes, records, time_products
from gmvae.formats.dataset import load_dataset
from gmvae.formats.weights import build_model
from gmvae.nn.batches import rows_from_dataset
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT
from gmvae.thesis.tables.speed import tabulate_speed
from gmvae.training.schedule import Training

COMMANDS = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "__init__")


def runs(cases: dict[str, list[float]], **columns) -> pd.DataFrame:
    """A benchmark's rows: the seconds of each case by round, for ten rows shown."""
    rows = [
        columns | {"case": case, "round": i, "seconds": value, "rows": 10, "megabytes": 2048}
        for case, values in cases.items()
        for i, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def measured(tmp_path):
    """A folder of benchmarks whose ratios are known."""
    peer = [runs({"scvi": [8, 80, 9], "float32": [2, 10, 3], "bfloat16": [1, 10, 9]}, threads=n) for n in (1, 2)]
    two = runs({"float32": [3.0], "bfloat16": [2.0]}, of="cells vae")
    shares = pd.DataFrame([{"of": "cells vae", "case": "float32", "seconds": 4.0, "product_seconds": 1.0}])
    jobs = [("train", 2, 90.0), ("figure", 3, 10.0), ("whole call", 5, 104.0), ("nothing to do", 0, 2.0)]
    tables = {
        "peer": pd.concat(peer),
        "seeds": runs({"1": [1, 1], "10": [4, 6]}, of="digits gmdvae"),
        "precision": two,
        "ceiling": shares,
        "growth": runs({"10000": [1.0, 1.0], "1000000": [1.4, 1.8], "100000": [1.2]}),
        "workflow": pd.DataFrame(jobs, columns=["rule", "jobs", "seconds"]).assign(study="tiny"),
    }
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    records.write_record([{"x": 1}], tmp_path / "peer_provenance.csv")
    provenance = pd.read_csv(tmp_path / "provenance.csv", dtype=str).assign(benchmark="peer", load=3.6)
    provenance.to_csv(tmp_path / "provenance.csv", index=False)
    return tmp_path


def test_a_ratio_is_the_median_over_rounds_and_a_missed_aim_is_printed(measured, capsys):
    ratios.write_ratios(measured, measured / "ratios.csv")
    table = pd.read_csv(measured / "ratios.csv").set_index("key")
    assert table.loc["peer.1.float32", ["median", "low", "high"]].tolist() == [4, 3, 8]
    assert table.loc["peer.2.bfloat16", "median"] == 8
    assert table.loc["seeds.digits_gmdvae", "median"] == 5 and table.loc["seeds.digits_gmdvae", "met"] == "yes"
    assert table.loc["precision.cells_vae", "median"] == 1.5
    assert table.loc["products.cells_vae.float32", "median"] == 0.25
    assert table.loc["growth.time", "median"] == pytest.approx(1.6) and table.loc["growth.time", "met"] == "no"
    assert table.loc["growth.memory", "median"] == 2
    assert table.loc["workflow", "median"] == pytest.approx(1.04)
    (line,) = capsys.readouterr().out.splitlines()
    assert "a million cells/10,000 1.60 (aim: at most 1.5)" in line and "float32 4.00;" in line


def test_the_book_quotes_the_ratios_and_draws_every_part(measured):
    ratios.write_ratios(measured, measured / "ratios.csv")
    book = measured / "out"
    tabulate_speed(sorted(measured.glob("*.csv")), {"gmdvae": "GMΔVAE"}, book / "speed.tex", book / "speed.pdf")
    lines = (book / "speed.tex").read_text(encoding="utf-8").splitlines()
    for line in (
        r"\setmeasured{peer.1.float32}{\num{4.00}}",
        r"\setmeasured{peer.1.float32.verdict}{met}",
        r"\setmeasured{growth.time.aim}{\num{1.5}}",
        r"\setmeasured{growth.time.verdict}{missed}",
        r"\setmeasured{epoch.scvi.1}{\num{9000.00}}",
        r"\setmeasured{workflow.own}{\num{4.0}}",
        r"\setmeasured{jobs}{\num{5}}",
        r"\setmeasured{machine.load}{\num{4}}",
        r"10 seeds/1, digits GM\ensuremath{\Delta}VAE & 5.00 & 4.00 to 6.00 & 5 & met \\",
        "No GPU was measured.",
    ):
        assert line in lines, line
    assert {path.suffix for path in book.iterdir()} == {".tex", ".pdf", ".svg"}


def test_a_missing_benchmark_is_refused_by_name(measured, tmp_path):
    ratios.write_ratios(measured, measured / "ratios.csv")
    others = [path for path in measured.glob("*.csv") if path.stem != "growth"]
    with pytest.raises(Refused, match=r"growth\.csv is missing; measure it with `make bench`"):
        tabulate_speed(others, {}, tmp_path / "speed.tex", tmp_path / "speed.pdf")


def test_the_operations_of_products_are_those_that_pytorch_counts():
    a, b, c = torch.randn(3, 5), torch.randn(5, 7), torch.randn(4, 3, 5)
    with time_products.ProductRecorder() as recorder, FlopCounterMode(display=False) as counter:
        _ = a @ b
        torch.addmm(torch.zeros(7), a, b)
        torch.bmm(c, c.transpose(1, 2))
        torch.baddbmm(torch.zeros(4, 1, 3), c, c.transpose(1, 2))
    assert len(recorder.calls) == 4
    assert sum(map(time_products.count_operations, recorder.calls)) == counter.get_total_flops()


def test_products_of_onednn_are_counted_as_well():
    if time_products.LINEAR is None:
        pytest.skip("this build of PyTorch has no such product")
    with time_products.ProductRecorder() as recorder:
        time_products.LINEAR(torch.randn(3, 5), torch.randn(7, 5), None, "none", [], "")
    assert time_products.count_operations(recorder.calls[0]) == 2 * 3 * 5 * 7


def test_all_products_of_a_training_are_recorded_and_can_be_repeated():
    adata = anndata.AnnData(np.random.default_rng(0).random((20, 6), np.float32), uns={"likelihood": "normal"})
    rows = rows_from_dataset(adata, np.full(20, -1), 2, 1, torch.device("cpu"))
    settings = {"n_features": 6, "likelihood": "normal", "seeds": [0, 1], "n_latent": 2, "n_hidden": 3, "n_layers": 1}
    with time_products.ProductRecorder() as recorder:
        train_model(build_model("vae", settings), rows, Training(epochs=1, batch_size=20, learning_rate=1e-3), [0, 1])
    forward = 6 * 3 + 3 * 2 * 2 + 2 * 3 + 3 * 6
    backward = 2 * forward - 6 * 3  # no gradient of the data is asked for
    assert sum(map(time_products.count_operations, recorder.calls)) == 2 * 2 * 20 * (forward + backward)
    for call in recorder.calls:
        call[0](*[time_products.restore_argument(argument) for argument in call[1]])


def test_the_jobs_of_a_study_are_counted_by_rule(tmp_path):
    for name, start, end in (("train/toy/a", 1.0, 4.5), ("train/toy/b", 0.0, 2.0), ("collect", 0.0, 1.0)):
        finished.write_benchmark(tmp_path / "results/logs", name, start, end)
    assert workflow.work_by_rule(tmp_path) == {
        "collect": {"jobs": 1, "seconds": 1.0},
        "train": {"jobs": 2, "seconds": 5.5},
    }


def test_datasets_of_the_benchmarks_are_valid_and_show_no_label(tmp_path):
    for options in (datasets.simulated_cells(tmp_path, 400), datasets.large_digits(tmp_path, 50)):
        adata = load_dataset(options[1])
        observed = pd.read_csv(options[3], dtype=str, keep_default_na=False)
        assert observed["row"].tolist() == adata.obs_names[adata.obs["split"] == "train"].tolist()
        assert (observed["label"] == "").all() and len(observed) == adata.n_obs - 100
    assert adata.n_vars == 784
    counts = load_dataset(tmp_path / "cells400.h5ad").layers["counts"]
    assert 0.05 < counts.nnz / np.prod(counts.shape) < 0.1


def test_the_study_s_own_run_of_the_digits_has_the_graph_that_it_starts_from(tmp_path):
    command = commands.study_run(datasets.digits_and_graph(tmp_path), "digits", "gmdvae", n_seeds=2)
    i = command.index("--training") + 1
    short = json.loads(command[i]) | {"epochs": 3, "autoencode_epochs": 1, "guide_epochs": 1}
    assert short["guide"] == "leiden" or "neighbours" in short["views"]
    command[i] = json.dumps(short)
    (row,) = processes.run_in_turn({"2": command}, 1)
    assert row["rows"] == 3 * np.ceil(0.8 * 1797) and row["seconds"] > 0


def test_peak_memory_leaves_out_the_parent_process():
    half_a_gigabyte = np.ones(1 << 26)
    code = "from benchmarks.support.memory import peak_megabytes; print(peak_megabytes())"
    of_child = float(processes.run_command([sys.executable, "-c", code]))
    assert half_a_gigabyte.sum() and of_child < 400 < memory.peak_megabytes()


def test_a_failing_process_is_refused_with_its_last_line():
    with pytest.raises(Refused, match=r"benchmarks\.nothing: exit status 1: .*No module named benchmarks\.nothing"):
        processes.run_module(["benchmarks.nothing"])


def test_a_second_run_of_a_benchmark_replaces_its_line_of_provenance(tmp_path):
    for _ in range(2):
        records.write_record([{"x": 1}], tmp_path / "a.csv")
        records.write_record([{"x": 2}], tmp_path / "b.csv")
    assert pd.read_csv(tmp_path / "provenance.csv")["benchmark"].tolist() == ["a", "b"]


def test_the_large_packages_that_a_step_imports_are_listed():
    assert startup.imported_packages("gmvae.thesis.tables.task") and "torch" not in startup.imported_packages(
        "gmvae.thesis.tables.task"
    )
    assert "torch" in startup.imported_packages("gmvae.runs.train")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_benchmark_describes_itself_and_its_options(name):
    """`make bench` calls each by this name; the modules of benchmarks/support are no commands of their own."""
    text = processes.run_command([sys.executable, "-m", f"benchmarks.{name}", "--help"])
    assert f"python -m benchmarks.{name}" in text and "--output" in text and "The csv file." in text
