"""The benchmark of the GPU starts with PyTorch and NumPy alone, and its dry run writes no figures."""

import math
import os
import subprocess
import sys

import pandas as pd
import pytest
import torch

from benchmarks import ratios
from benchmarks.support import floor
from benchmarks.support.synthetic import Shape
from gmvae.pipeline.sources import ROOT

BLOCK = """
import sys, runpy
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if sys._getframe(3).f_globals.get("__name__") == "torch._dynamo.trace_rules":
            return None  # it only asks what there is
        if name.partition(".")[0] in {"anndata", "scanpy", "pandas", "pydantic", "scipy", "sklearn", "yaml", "h5py"}:
            raise ModuleNotFoundError(f"{name} is not there")
sys.meta_path.insert(0, Blocked())
sys.argv = ["gpu", *sys.argv[1:]]
runpy.run_module("benchmarks.gpu", run_name="__main__")
"""


def test_a_dry_run_needs_only_torch_and_numpy_and_writes_nothing(tmp_path):
    output = tmp_path / "gpu.csv"
    run = subprocess.run(
        [sys.executable, "-c", BLOCK, "--dry", "--output", str(output)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    lines = run.stdout.strip().splitlines()
    assert (
        lines.pop(0).startswith("none: ")
        and len(lines) == 3 * (3 + 2 + 2)
        and all("'rows_per_second'" in line for line in lines)
    )
    checked = [line for line in lines if "'precision': 'tf32'" in line]
    assert len(checked) == 7 and all("'same_bytes': 'yes'" in line and "'agrees': 'yes'" in line for line in checked)
    assert not output.exists()


def test_the_floor_of_a_step_is_that_of_its_products_counted_by_hand():
    """A vae's products: two hidden layers each way; forward once, backward twice, but the input has no gradient."""
    shape, n_seeds = Shape(8, 6, "bernoulli", 4, 8), 3
    encoder, decoder = (6 * 4, 4 * 4, 4 * 20), (10 * 4, 4 * 4, 4 * 6)
    multiplications = n_seeds * 8 * (3 * sum(encoder + decoder) - encoder[0])
    rates = floor.Rates(operations=1e9, bytes=math.inf)
    assert floor.floor_milliseconds(shape, "vae", n_seeds, rates) == pytest.approx(2 * multiplications / 1e6)
    assert floor.measure_rates(torch.device("cpu"), dry=True).operations > 0


def test_the_ratios_of_a_gpu_are_those_of_its_steps_and_rows(tmp_path):
    assert ratios.gpu_ratios(tmp_path) == {}
    names = [name for name in ("images", "cells 18,641 x 1,200") for _ in range(2)]
    table = pd.DataFrame({"device": "cuda", "of": names, "seeds": [1, 10] * 2, "rows_per_second": 270_000.0})
    table["software"], table["precision"] = "this project", "tf32"
    table["milliseconds_per_step"] = [2.0, 3.0, 2.0, 6.0]
    table = pd.concat([table, table.assign(device="cpu", milliseconds_per_step=9.0)])
    table.to_csv(tmp_path / "gpu.csv")
    found = {key: values.item() for (key, _), values in ratios.gpu_ratios(tmp_path).items()}
    assert found == {
        "gpu.seeds.images": 1.5,
        "gpu.seeds.cells_18641_x_1200": 3.0,
        "gpu.scvi.cells_18641_x_1200": 10.0,
    }
    peer = table.iloc[[2]].assign(software="scvi-tools", rows_per_second=30_000.0)
    pd.concat([table, peer]).to_csv(tmp_path / "gpu.csv")
    found = {key: values.item() for (key, _), values in ratios.gpu_ratios(tmp_path).items()}
    assert found["gpu.scvi.cells_18641_x_1200"] == 9.0
