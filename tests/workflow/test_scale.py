"""The benchmark of size: its simulated cells have the right moments, and time and memory stay within limits."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import scale
from benchmarks.support import simulation
from gmvae.pipeline.errors import Refused


def test_gene_parameters_give_the_requested_density():
    mean, dispersion = simulation.gene_parameters(30_000, 0.05)
    assert mean.shape == dispersion.shape == (30_000,)
    assert abs((1 - simulation.zero_probability(mean, dispersion)).mean() - 0.05) < 1e-6


def test_simulated_counts_have_the_moments_of_their_distribution():
    known = [(0.02, 0.5), (0.3, 1.0), (4.0, 2.0)]
    mean, dispersion = np.repeat(known, 30_000 // 3, axis=0).T
    counts = simulation.draw_counts(np.random.default_rng(0), 400, mean, dispersion)
    for group, (m, theta) in zip(np.split(counts.toarray().astype(float), 3, axis=1), known, strict=True):
        assert abs(group.mean() / m - 1) < 0.01
        assert abs((group == 0).mean() - (1 + m / theta) ** -theta) < 0.001
        assert abs(group.var() / (m + m**2 / theta) - 1) < 0.03  # cells that are drawn twice add 2 % to the first group


def test_a_full_disk_is_refused_in_one_line(tmp_path):
    with pytest.raises(Refused, match=r"10000000000 cells need 300000\.0 GB.*--folder") as refusal:
        scale.measure_preparation(tmp_path / "out.csv", [10**10], folder=tmp_path)
    assert "\n" not in str(refusal.value) and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_cell_costs_no_more_among_a_hundred_thousand_than_among_ten_thousand(tmp_path):
    scale.measure_preparation(tmp_path / "out.csv", [10_000, 100_000], folder=tmp_path)
    table = pd.read_csv(tmp_path / "out.csv")
    few, many = table["cpu_microseconds_per_cell"]
    assert many < 1.5 * few and table["megabytes"].max() < 8192
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
