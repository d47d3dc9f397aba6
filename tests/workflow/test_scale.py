"""The benchmark of size: its cells are what it says, and time and memory stay within their limits."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import scale, simulated
from gmvae.pipeline.errors import Refused


def test_gene_parameters_give_the_density_asked_for():
    mean, dispersion = simulated.gene_parameters(30_000, 0.05)
    assert mean.shape == dispersion.shape == (30_000,)
    assert abs((1 - simulated.absent(mean, dispersion)).mean() - 0.05) < 1e-6


def test_simulated_counts_have_the_moments_of_their_distribution():
    known = [(0.02, 0.5), (0.3, 1.0), (4.0, 2.0)]
    mean, dispersion = np.repeat(known, 30_000 // 3, axis=0).T
    counts = simulated.chunk(np.random.default_rng(0), 400, mean, dispersion)
    for group, (m, theta) in zip(np.split(counts.toarray().astype(float), 3, axis=1), known, strict=True):
        assert abs(group.mean() / m - 1) < 0.01
        assert abs((group == 0).mean() - (1 + m / theta) ** -theta) < 0.001
        assert abs(group.var() / (m + m**2 / theta) - 1) < 0.03  # draws that meet in a cell add 2 % to the first


def test_too_small_a_disk_is_refused_in_one_line(tmp_path):
    with pytest.raises(
        Refused, match=r"GB are free, 10000000000 cells need 300000\.0 GB; give another --folder"
    ) as refusal:
        scale.scale(tmp_path / "out.csv", [10**10], folder=tmp_path)
    assert "\n" not in str(refusal.value) and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_hundred_thousand_cells_cost_no_more_each_than_ten_thousand(tmp_path):
    scale.scale(tmp_path / "out.csv", [10_000, 100_000], folder=tmp_path)
    found = pd.read_csv(tmp_path / "out.csv")
    few, many = found["cpu_microseconds_per_cell"]
    assert many < 1.5 * few and found["megabytes"].max() < 8192
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
