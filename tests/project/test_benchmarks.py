"""The benchmarks count what they say: ratios within rounds, products' operations, seconds of jobs; their data sets."""

import sys

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from support import finished
from support.models import train_model
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import inputs, memory, processes, products, ratios, records, startup, workflow
from gmvae.formats.dataset import load_dataset
from gmvae.formats.weights import build_model
from gmvae.nn.batches import rows_from_dataset
from gmvae.pipeline.errors import Refused
from gmvae.thesis.tables.speed import tabulate_speed
from gmvae.training.schedule import Training


def runs(cases: dict[str, list[float]], **said) -> pd.DataFrame:
    """A benchmark's rows: the seconds of each case by round, for ten rows shown."""
    rows = [
        said | {"case": case, "round": i, "seconds": value, "rows": 10, "megabytes": 2048}
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
        "startup": pd.DataFrame({"step": ["train"] * 3, "round": [1, 2, 3], "seconds": [3, 2, 9], "imports": "torch"}),
    }
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    records.record([{"x": 1}], tmp_path / "peer_provenance.csv")
    made = pd.read_csv(tmp_path / "provenance.csv", dtype=str).assign(benchmark="peer", load=3.6)
    made.to_csv(tmp_path / "provenance.csv", index=False)
    return tmp_path


def test_a_ratio_is_the_median_over_rounds_and_a_missed_aim_is_named(measured, capsys):
    ratios.ratios(measured, measured / "ratios.csv")
    found = pd.read_csv(measured / "ratios.csv").set_index("key")
    assert found.loc["peer.1.float32", ["median", "low", "high"]].tolist() == [4, 3, 8]
    assert found.loc["peer.2.bfloat16", "median"] == 8
    assert found.loc["seeds.digits_gmdvae", "median"] == 5 and found.loc["seeds.digits_gmdvae", "met"] == "yes"
    assert found.loc["precision.cells_vae", "median"] == 1.5
    assert found.loc["products.cells_vae.float32", "median"] == 0.25
    assert found.loc["growth.time", "median"] == pytest.approx(1.6) and found.loc["growth.time", "met"] == "no"
    assert found.loc["growth.memory", "median"] == 2
    assert found.loc["workflow", "median"] == pytest.approx(1.04)
    (line,) = capsys.readouterr().out.splitlines()
    assert "a million cells/10,000 1.60 (aim: at most 1.5)" in line and "float32 4.00;" in line


def test_the_book_quotes_the_ratios_and_draws_every_part(measured):
    ratios.ratios(measured, measured / "ratios.csv")
    made = measured / "out"
    tabulate_speed(sorted(measured.glob("*.csv")), {"gmdvae": "GMΔVAE"}, made / "speed.tex", made / "speed.pdf")
    lines = (made / "speed.tex").read_text(encoding="utf-8").splitlines()
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
        r"\codename{train} & 3.00 & torch \\",
    ):
        assert line in lines, line
    assert {path.suffix for path in made.iterdir()} == {".tex", ".pdf", ".svg"}


def test_a_missing_benchmark_is_refused_by_name(measured, tmp_path):
    ratios.ratios(measured, measured / "ratios.csv")
    kept = [path for path in measured.glob("*.csv") if path.stem != "growth"]
    with pytest.raises(Refused, match=r"growth\.csv is missing; measure it with `make bench`"):
        tabulate_speed(kept, {}, tmp_path / "speed.tex", tmp_path / "speed.pdf")


def test_products_have_the_operations_that_pytorch_counts():
    a, b, c = torch.randn(3, 5), torch.randn(5, 7), torch.randn(4, 3, 5)
    with products.Recorder() as recorder, FlopCounterMode(display=False) as counter:
        _ = a @ b
        torch.addmm(torch.zeros(7), a, b)
        torch.bmm(c, c.transpose(1, 2))
        torch.baddbmm(torch.zeros(4, 1, 3), c, c.transpose(1, 2))
    assert len(recorder.calls) == 4
    assert sum(map(products.operations, recorder.calls)) == counter.get_total_flops()


def test_a_training_s_products_are_all_recorded_and_can_be_made_again():
    adata = anndata.AnnData(np.random.default_rng(0).random((20, 6), np.float32), uns={"likelihood": "normal"})
    rows = rows_from_dataset(adata, np.full(20, -1), 2, 1, torch.device("cpu"))
    settings = {"n_features": 6, "likelihood": "normal", "seeds": [0, 1], "n_latent": 2, "n_hidden": 3, "n_layers": 1}
    with products.Recorder() as recorder:
        train_model(build_model("vae", settings), rows, Training(epochs=1, batch_size=20, learning_rate=1e-3), [0, 1])
    forward = 6 * 3 + 3 * 2 * 2 + 2 * 3 + 3 * 6
    backward = 2 * forward - 6 * 3  # no gradient of the data is asked for
    assert sum(map(products.operations, recorder.calls)) == 2 * 2 * 20 * (forward + backward)
    for call in recorder.calls:
        call[0](*[products.filled(part) for part in call[1]])


def test_the_jobs_of_a_study_are_counted_by_rule(tmp_path):
    for name, start, end in (("train/toy/a", 1.0, 4.5), ("train/toy/b", 0.0, 2.0), ("collect", 0.0, 1.0)):
        finished.write_benchmark(tmp_path / "results/logs", name, start, end)
    assert workflow.jobs(tmp_path) == {"collect": {"jobs": 1, "seconds": 1.0}, "train": {"jobs": 2, "seconds": 5.5}}


def test_cells_and_images_keep_the_contract_of_data_sets(tmp_path):
    for given in (inputs.cells(tmp_path, 400), inputs.images(tmp_path, 50)):
        adata = load_dataset(given[1])
        seen = pd.read_csv(given[3], dtype=str, keep_default_na=False)
        assert seen["row"].tolist() == adata.obs_names[adata.obs["split"] == "train"].tolist()
        assert (seen["label"] == "").all() and len(seen) == adata.n_obs - 100
    assert inputs.images(tmp_path, 50) and adata.n_vars == 784
    counts = load_dataset(tmp_path / "cells400.h5ad").layers["counts"]
    assert 0.05 < counts.nnz / np.prod(counts.shape) < 0.1


def test_memory_is_the_process_s_own_and_not_its_parent_s():
    held = np.ones(1 << 26)  # half a gigabyte
    code = "from benchmarks.memory import peak_megabytes; print(peak_megabytes())"
    assert held.sum() and float(processes.answer([sys.executable, "-c", code])) < 400 < memory.peak_megabytes()


def test_a_process_that_fails_is_refused_with_what_it_said():
    with pytest.raises(Refused, match=r"benchmarks\.nothing: exit status 1: .*No module named benchmarks\.nothing"):
        processes.printed(["benchmarks.nothing"])


def test_a_benchmark_s_line_of_provenance_is_replaced(tmp_path):
    for _ in range(2):
        records.record([{"x": 1}], tmp_path / "a.csv")
        records.record([{"x": 2}], tmp_path / "b.csv")
    assert pd.read_csv(tmp_path / "provenance.csv")["benchmark"].tolist() == ["a", "b"]


def test_what_a_step_imports_is_seen():
    assert startup.imported("gmvae.thesis.tables.task") and "torch" not in startup.imported("gmvae.thesis.tables.task")
    assert "torch" in startup.imported("gmvae.runs.train")
