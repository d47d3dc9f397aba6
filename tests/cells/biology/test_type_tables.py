"""Types against clusters: counts and recall against scikit-learn, and what conditions fill."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, recall_score

from gmvae.cells.biology.type_tables import compose_clusters, count_types, majority_types, recall_by_type
from gmvae.metrics.scores import agreement

LABELS = ["B", "NK", "T"]


@pytest.fixture
def obs():
    generator = np.random.default_rng(0)
    truth = generator.integers(3, size=500)
    cluster = np.where(
        generator.random(500) < 0.8, truth + 3 * (generator.random(500) < 0.5), generator.integers(6, size=500)
    )
    columns = {
        "label": pd.Categorical.from_codes(truth, LABELS),
        "cluster": pd.Categorical.from_codes(cluster, [str(k) for k in range(6)]),
        "split": pd.Categorical(np.where(generator.random(500) < 0.3, "test", "train")),
    }
    return pd.DataFrame(columns)


def test_a_cluster_stands_for_the_majority_of_its_training_cells(obs):
    assert majority_types(obs, 7, False).tolist() == [0, 1, 2, 0, 1, 2, -1]
    assert majority_types(obs, 5, True).tolist() == [0, 1, 2, -1, -1]


def test_counts_are_the_confusion_matrix(obs):
    counts = count_types(obs).pivot_table(
        index="label", columns="cluster", values="cells", aggfunc="sum", observed=True
    )
    codes = obs["label"].cat.codes, obs["cluster"].astype(int)
    assert np.array_equal(counts.fillna(0), confusion_matrix(*codes)[:3])


def test_recall_is_that_of_scikit_learn_and_its_weighted_mean_the_purity(obs):
    names = majority_types(obs, 6, False)
    table = recall_by_type(obs, names)
    test = (obs["split"] == "test").to_numpy()
    truth, predicted = obs["label"].cat.codes.to_numpy(), names[obs["cluster"].astype(int)]
    assert table["recall"].to_numpy() == pytest.approx(recall_score(truth[test], predicted[test], average=None))
    assert table["recall_train"].to_numpy() == pytest.approx(recall_score(truth[~test], predicted[~test], average=None))
    purity = agreement(truth[test], obs["cluster"].astype(int).to_numpy()[test], names)
    assert np.average(table["recall"], weights=table["cells"]) == pytest.approx(purity)
    assert table["clusters"].tolist() == ["0 3", "1 4", "2 5"]
    wrong = confusion_matrix(truth[test], predicted[test]) * (1 - np.eye(3))
    assert table["taken_for"].tolist() == [LABELS[other] for other in wrong.argmax(axis=1)]


def test_a_condition_that_fills_a_cluster_shows(obs):
    condition = np.where(obs["cluster"] == "2", "treated", np.where(np.arange(500) % 2, "control", "treated"))
    table = compose_clusters(obs.assign(condition=pd.Categorical(condition)))
    assert table["share"].groupby(table["cluster"], observed=True).sum().to_numpy() == pytest.approx(1)
    own = table[table["cluster"] == "2"]
    assert own["value"].tolist() == ["treated"] and own["share"].tolist() == [1.0]
    assert own["overall"].iloc[0] == pytest.approx(np.mean(condition == "treated"))


def test_a_batch_that_is_the_condition_is_shown_once(obs):
    plate = pd.Categorical(np.where(np.arange(500) % 2, "plate 1", "plate 2"))
    both = obs.assign(condition=plate, batch=plate.rename_categories({"plate 1": "one", "plate 2": "two"}))
    assert set(compose_clusters(both)["kind"]) == {"condition"}
    donor = pd.Categorical(np.where(np.arange(500) % 3, "x", "y"))
    assert set(compose_clusters(both.assign(batch=donor))["kind"]) == {"condition", "batch"}
    assert compose_clusters(obs).empty
