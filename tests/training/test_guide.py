"""The labels of the phase `guide`: from which clustering, how observed labels name it, and what is refused."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from support.models import blob_rows, small_model, train_model

from gmvae.nn.inference import cluster_rows
from gmvae.nn.nearest_rows import nearest_rows
from gmvae.pipeline.errors import Refused
from gmvae.runs.train import check_training
from gmvae.training.communities import leiden_communities
from gmvae.training.guide import guide_labels, mixture_labels, name_clusters
from gmvae.training.schedule import Training

SEEDS = [3, 11]
BASE = {"epochs": 4, "batch_size": 16, "learning_rate": 0.01, "autoencode_epochs": 1, "guide_epochs": 1}


def with_graph(rows):
    """The rows with their 15 nearest neighbours."""
    x = rows.x.double().numpy()
    return rows._replace(neighbours=torch.as_tensor(nearest_rows(x, x, 15, np.arange(len(x)))[0]))


def test_a_mixture_finds_classes_of_unlike_shapes():
    """A linear identity encoder: the latent is the data, two long and thin classes that k-means would cut across."""
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(400, 2, generator=draws) * torch.tensor([10.0, 0.3])
    truth = torch.arange(400) % 2
    x[:, 1] += 3 * truth
    model = small_model("ae", n_features=2, n_layers=0, n_latent=2)
    for s in range(2):
        model.encoder[0].weight.data[s] = torch.eye(2)
    rows = blob_rows(n=400, n_classes=2)._replace(x=x, target=x)
    clusters = mixture_labels(model, rows, SEEDS).numpy()
    for s in range(2):
        assert max((clusters[s] == truth.numpy()).mean(), (clusters[s] != truth.numpy()).mean()) > 0.99
        # Each row's is the component with the higher density, of normals fitted to the two clusters.
        parts = [x[clusters[s] == j].numpy() for j in range(2)]
        densities = [len(p) * multivariate_normal(p.mean(0), np.cov(p.T, bias=True)).pdf(x.numpy()) for p in parts]
        assert np.array_equal(np.argmax(densities, 0), clusters[s])


@pytest.mark.parametrize("guide", ["kmeans", "mixture", "leiden"])
def test_a_seeds_guide_does_not_depend_on_other_seeds(guide):
    rows = with_graph(blob_rows(n=90))
    draws = torch.randn(90, 6, generator=torch.Generator().manual_seed(0))
    rows = rows._replace(x=draws, target=draws)
    alone = rows._replace(label=rows.label[1:])
    together = guide_labels(small_model("gmdvae", seeds=SEEDS), rows, SEEDS, guide)
    assert torch.equal(together[1:], guide_labels(small_model("gmdvae", seeds=SEEDS[1:]), alone, SEEDS[1:], guide))


def test_communities_are_the_guide_and_each_seed_has_its_own():
    rows = blob_rows(n=300)
    x = torch.randn(300, 6, generator=torch.Generator().manual_seed(0))
    rows = with_graph(rows._replace(x=x, target=x))
    labels = guide_labels(small_model("gmdvae"), rows, SEEDS, "leiden")
    for s, seed in enumerate(SEEDS):
        assert np.array_equal(labels[s].numpy(), leiden_communities(rows.neighbours.numpy(), 3, seed))
    assert not torch.equal(labels[0], labels[1])


def test_clusters_get_the_names_that_most_observed_labels_agree_with():
    clusters = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3])
    label = np.array([2, 2, -1, 0, -1, 2, -1, -1, -1])
    # Cluster 0 is class 2 and cluster 1 is class 0; clusters 2 and 3 share the two codes left. One label stays as it is.
    named = name_clusters(clusters, label, 4)
    assert named[:6].tolist() == [2, 2, 2, 0, 0, 2]
    assert sorted({int(named[6]), int(named[8])}) == [1, 3] and named[6] == named[7]
    assert name_clusters(clusters, np.full(9, -1), 4).tolist() == clusters.tolist()


def test_few_labels_name_the_communities():
    rows = with_graph(blob_rows(n=90, labelled=6))
    wrong = rows.label.clone()
    wrong[:, 0] = 1  # the class of row 0 is 0; an observed label stays
    labels = guide_labels(small_model("gmdvae"), rows._replace(label=wrong), SEEDS, "leiden")
    assert (labels[:, 1:] == torch.arange(90)[1:] % 3).all() and (labels[:, 0] == 1).all()


@pytest.mark.parametrize("guide", ["kmeans", "mixture"])
def test_where_labels_are_observed_a_clustering_of_the_latent_gives_way_to_predictions(guide):
    rows, model = blob_rows(labelled=9), small_model("gmdvae")
    predicted = cluster_rows(model, rows, None).argmax(-1)
    labels = guide_labels(model, rows, SEEDS, guide)
    assert torch.equal(labels[:, 9:], predicted[:, 9:]) and torch.equal(labels[:, :9], rows.label[:, :9])


@pytest.mark.parametrize("guide", ["kmeans", "mixture", "leiden"])
def test_a_run_with_each_guide_finds_separate_classes(guide):
    rows, model = with_graph(blob_rows(n=90)), small_model("gmdvae")
    train_model(
        model, rows, Training(**BASE | {"epochs": 30, "autoencode_epochs": 5, "guide_epochs": 10}, guide=guide), SEEDS
    )
    clusters = cluster_rows(model, rows, None).argmax(-1)
    for s in range(2):
        pairs = {(int(a), i % 3) for i, a in enumerate(clusters[s])}
        assert len(pairs) == 3


def test_the_weight_of_the_guide_is_that_of_the_label_in_its_phase():
    plan = Training(**BASE, guide_weight=7.0, label_weight=2.0)
    assert plan.label_weight_for("guide", 100, 100) == 7.0
    assert plan.label_weight_for("free", 100, 10) == 2.0
    histories = [
        train_model(small_model("gmdvae"), blob_rows(), Training(**BASE, guide_weight=w), SEEDS) for w in (1.0, 50.0)
    ]
    guided = [frame[frame["phase"] == "guide"]["loss"].to_numpy() for frame in histories]
    assert (guided[1] > guided[0]).all()


def test_no_guide_allows_no_epochs_of_its_phase():
    settings = {"epochs": 4, "batch_size": 16, "learning_rate": 0.01, "guide": "none"}
    assert check_training(settings).guide == "none"
    with pytest.raises(
        Refused, match=r"training\.guide_epochs: found 2; allowed: 0, as training\.guide is none"
    ) as refusal:
        check_training(settings | {"guide_epochs": 2})
    assert "\n" not in str(refusal.value)
