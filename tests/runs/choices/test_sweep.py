"""What a sweep measures, against scikit-learn; its candidates, draws and seeds; K = 3 found in three blobs."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from gmvae.data.prepare import prepare
from gmvae.pipeline.errors import Refused
from gmvae.runs.choices import candidates, sweep
from gmvae.runs.choices.choose import choose_components, short_training
from gmvae.training.schedule import Training

TRAINING = {"epochs": 40, "batch_size": 64, "learning_rate": 5e-3, "autoencode_epochs": 8, "guide_epochs": 8}


def random_fits(k: int = 4, n: int = 60) -> list[sweep.Fit]:
    """Fits on three draws, two seeds each; a tenth of the rows changes its cluster from fit to fit."""
    draws, truth = np.random.default_rng(0), np.arange(60) % k
    clusters = [np.where(draws.random(n) < 0.1, draws.integers(k, size=n), truth) for _ in range(6)]
    return [sweep.Fit(i // 2, cluster, draws.normal(-50, 1, 12)) for i, cluster in enumerate(clusters)]


def test_stability_is_the_mean_index_of_scikit_learn_within_and_between_draws():
    fits = random_fits()
    pairs = [(one, other) for i, one in enumerate(fits) for other in fits[:i]]
    scores = {
        same: [adjusted_rand_score(a.cluster, b.cluster) for a, b in pairs if (a.part == b.part) == same]
        for same in (True, False)
    }
    measures = sweep.measure_fits(fits, 4)
    assert len(scores[True]) == 3 and len(scores[False]) == 12
    assert measures["ari_seeds"] == pytest.approx(np.mean(scores[True]))
    assert measures["ari_parts"] == pytest.approx(np.mean(scores[False]))
    assert measures["elbo"] == pytest.approx(np.mean([fit.elbo for fit in fits]))


def test_components_with_few_rows_are_not_in_use():
    cluster = np.repeat([0, 1, 2], [300, 698, 2])
    fits = [sweep.Fit(part, cluster, np.zeros(3)) for part in (0, 1)]
    measures = sweep.measure_fits(fits, 5)
    assert measures["n_used"] == 2 and measures["ari_parts"] == 1 and np.isnan(measures["ari_seeds"])


def test_a_gap_of_the_elbo_and_its_error_are_those_of_paired_rows(monkeypatch):
    """The row's own level, which is far larger than the difference, cancels."""
    draws = np.random.default_rng(1)
    level, gain = draws.normal(0, 100, (3, 50)), {2: draws.normal(0, 1, (3, 50)), 3: draws.normal(2, 1, (3, 50))}
    fits = {k: [sweep.Fit(part, np.arange(50) % k, level[part] + gain[k][part]) for part in range(3)] for k in gain}
    monkeypatch.setattr(sweep, "fit_part", lambda shared, part, k: [fits[k][part]])
    low, high = sweep.measure_numbers(None, [2, 3])
    difference = (gain[3] - gain[2]).ravel()
    assert high["elbo_gap"] == high["elbo_se"] == 0
    assert low["elbo_gap"] == pytest.approx(difference.mean())
    assert low["elbo_se"] == pytest.approx(difference.std(ddof=1) / np.sqrt(150))


def test_candidates_grow_with_the_rows():
    assert candidates.candidate_numbers(72) == [2, 3]
    assert candidates.candidate_numbers(1200) == [2, 3, 4, 5, 6, 7, 8, 10, 12]
    for n_rows in (72, 800, 2000, 10**6):
        numbers = candidates.candidate_numbers(n_rows)
        assert numbers == sorted(set(numbers)) and numbers[-1] <= 30 and 8 * numbers[-1] ** 2 <= n_rows
    assert candidates.candidate_numbers(10**6)[-1] == 30
    with pytest.raises(Refused, match="found auto with 71 training rows; allowed: at least 72 rows"):
        candidates.candidate_numbers(71)


def test_a_draw_leaves_out_a_fifth_and_seeds_are_no_study_s():
    inside, outside = candidates.draw_part(0, 100)
    assert len(inside) == 80 and sorted([*inside, *outside]) == list(range(100))
    assert set(outside) != set(candidates.draw_part(1, 100)[1])
    seeds = [seed for part in range(3) for seed in candidates.part_seeds(part)]
    assert len(set(seeds)) == 6 and min(seeds) > 10_000
    assert len(candidates.draw_subset(10**5)) == 4000 and len(candidates.draw_subset(3999)) == 3999


@pytest.mark.parametrize("n_rows", [80, 1500, 100_000])
@pytest.mark.parametrize(("epochs", "first"), [(100, 20), (3, 1), (400, 0)])
def test_a_short_training_keeps_the_phases_and_ends_free(n_rows, epochs, first):
    own = Training(
        epochs, 128, 1e-3, autoencode_epochs=first, guide_epochs=first, guide="leiden", views=("neighbours",)
    )
    short = short_training(own, n_rows)
    assert short.epochs <= max(3, epochs) and short.phase(short.epochs - 1) == "free"
    assert (short.autoencode_epochs > 0) == (short.guide_epochs > 0) == (first > 0)
    assert short.guide == "kmeans" and short.views == ()


@pytest.fixture(scope="module")
def choice(tmp_path_factory):
    """The folder of a choice between 2, 3, 4 and 6 components for three blobs."""
    folder = tmp_path_factory.mktemp("choice")
    settings = {"n_classes": 3, "n_per_group": 40, "shift": 0.5, "distance": 6.0}
    prepare("toy", folder / "data.h5ad", "Blobs", settings=settings, test_share=0.2)
    run_choice(folder, "components")
    return folder


def run_choice(folder, name: str, **options) -> None:
    settings = {"n_latent": 4, "n_hidden": 32}
    files = folder / "data.h5ad", folder / f"{name}.json", folder / f"{name}.csv"
    arguments = {"candidates": [2, 3, 4, 6], "device": "cpu"} | options
    default = torch.get_default_dtype()
    choose_components(*files, "gmdvae", settings, TRAINING, **arguments)
    torch.set_default_dtype(default)


@pytest.mark.slow
def test_three_blobs_get_three_components(choice):
    table = pd.read_csv(choice / "components.csv")
    record = json.loads((choice / "components.json").read_text())
    assert record["n_components"] == 3 and "stability" in record["reason"]
    assert list(table.n_components) == [2, 3, 4, 6] and list(table.n_components[table.chosen]) == [3]
    assert table.ari_parts.between(-1, 1).all() and (table.communities == table.communities[0]).all()


@pytest.mark.slow
def test_a_choice_has_the_same_bytes_again_and_does_not_depend_on_the_other_candidates(choice):
    run_choice(choice, "again", candidates=[3, 4])
    first, again = (pd.read_csv(choice / f"{name}.csv", dtype=str) for name in ("components", "again"))
    columns = ["n_components", "elbo", "ari_seeds", "ari_parts", "n_used"]
    assert (
        again[columns].to_csv()
        == first.loc[first.n_components.isin(["3", "4"]), columns].reset_index(drop=True).to_csv()
    )


@pytest.mark.slow
def test_candidates_beyond_the_rows_are_refused(choice):
    with pytest.raises(Refused, match="found 97 among the candidates; allowed: at most 96"):
        run_choice(choice, "never", candidates=[2, 97])
    assert not (choice / "never.json").exists()
