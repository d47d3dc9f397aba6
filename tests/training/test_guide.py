"""The labels of the phase `guide`: from which clustering, how observed labels name it, and what is refused."""

import numpy as np
import pytest
import torch
from support.models import blob_rows, small_model, train_model

from gmvae.nn.inference import cluster_rows
from gmvae.pipeline.errors import Refused
from gmvae.runs.nearest_rows import nearest_rows
from gmvae.runs.train import check_training
from gmvae.training.communities import leiden_communities
from gmvae.training.guide import guide_labels, name_clusters
from gmvae.training.loop import train_to_end
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

SEEDS = [3, 11]
BASE = {"epochs": 4, "batch_size": 16, "learning_rate": 0.01, "autoencode_epochs": 1, "guide_epochs": 1}


def with_graph(rows):
    """The rows with their 15 nearest neighbours."""
    x = rows.x.double().numpy()
    return rows._replace(neighbours=torch.as_tensor(nearest_rows(x, x, 15, np.arange(len(x)))[0]))


def test_a_mixture_finds_a_narrow_class_inside_a_wide_one():
    """A linear identity encoder: the latent is the data, in which k-means can only cut the wide class in two."""
    truth = torch.arange(400) % 2
    x = torch.randn(400, 2, generator=torch.Generator().manual_seed(0)) * torch.where(truth == 0, 0.1, 4.0)[:, None]
    model = small_model("ae", n_features=2, n_layers=0, n_latent=2)
    for s in range(2):
        model.encoder[0].weight.data[s] = torch.eye(2)
    rows = blob_rows(n=400, n_classes=2)._replace(x=x, target=x)
    for guide, at_least in (("mixture", 0.97), ("kmeans", 0.0)):
        agreement = (guide_labels(model, rows, SEEDS, guide) == truth).double().mean(1)
        accuracy = torch.maximum(agreement, 1 - agreement)
        assert (accuracy > at_least).all() and (guide == "mixture" or (accuracy < 0.9).all())


@pytest.mark.parametrize("guide", ["kmeans", "mixture", "leiden"])
def test_a_seeds_guide_does_not_depend_on_other_seeds(guide):
    rows = with_graph(blob_rows(n=90))
    draws = torch.randn(90, 6, generator=torch.Generator().manual_seed(0))
    rows = rows._replace(x=draws, target=draws)
    alone = rows._replace(label=rows.label[1:])
    together = guide_labels(small_model("gmdvae", seeds=SEEDS), rows, SEEDS, guide)
    assert torch.equal(together[1:], guide_labels(small_model("gmdvae", seeds=SEEDS[1:]), alone, SEEDS[1:], guide))


def test_communities_are_the_guide_and_each_seed_has_its_own():
    rows = blob_rows(n=300, n_classes=6)
    x = torch.randn(300, 6, generator=torch.Generator().manual_seed(0))
    rows = with_graph(rows._replace(x=x, target=x))
    labels = guide_labels(small_model("gmdvae", n_components=6), rows, SEEDS, "leiden")
    for s, seed in enumerate(SEEDS):
        assert np.array_equal(labels[s].numpy(), leiden_communities(rows.neighbours.numpy(), 6, seed))
    assert not torch.equal(labels[0], labels[1])


def test_clusters_get_the_names_that_most_observed_labels_agree_with():
    clusters = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3])
    label = np.array([2, 2, -1, 0, -1, 2, -1, -1, -1])
    # Cluster 0 is class 2 and cluster 1 is class 0; clusters 2 and 3 share the two codes left. A label stays as it is.
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


def test_a_run_that_starts_from_separate_communities_keeps_them():
    rows, model = with_graph(blob_rows(n=90)), small_model("gmdvae")
    phases = {"epochs": 60, "autoencode_epochs": 10, "guide_epochs": 30, "guide": "leiden", "guide_weight": 20.0}
    train_model(model, rows, Training(**BASE | phases), SEEDS)
    clusters = cluster_rows(model, rows, None).argmax(-1)
    for s in range(2):
        assert len({(int(code), i % 3) for i, code in enumerate(clusters[s])}) == 3


def test_the_setting_chooses_the_labels_of_the_phase():
    x = torch.randn(90, 6, generator=torch.Generator().manual_seed(0))
    rows, labels = with_graph(blob_rows(n=90)._replace(x=x, target=x)), {}
    for guide in ("kmeans", "mixture", "leiden"):
        plan = Training(**BASE, guide=guide)
        state = TrainingState(small_model("gmdvae"), plan, SEEDS, rows.device)

        def after_step(steps, state=state, plan=plan, guide=guide):
            if plan.phase(state.epoch) == "guide":
                labels[guide] = state.label.clone()

        train_to_end(state, rows, plan, after_step)
    assert torch.equal(labels["leiden"], guide_labels(small_model("gmdvae"), rows, SEEDS, "leiden"))
    assert not torch.equal(labels["kmeans"], labels["mixture"]) and not torch.equal(labels["kmeans"], labels["leiden"])


def test_the_weight_of_the_guide_is_that_of_the_label_in_its_phase():
    plan = Training(**BASE, guide_weight=7.0, label_weight=2.0)
    assert plan.label_weight_in("guide") == 7.0
    assert plan.label_weight_in("free") == 2.0
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
