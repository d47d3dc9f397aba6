"""IDEC: its assignments, targets and weight against the paper's formulas, its start, and that refining helps."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from support.models import SEEDS, D, K, L, blob_rows, perturb, small_batch, small_model, train_model

from gmvae.metrics.scores import agreement, contingency, match_components
from gmvae.models.idec import Model
from gmvae.nn.batches import Rows
from gmvae.nn.inference import cluster_rows, embed_rows
from gmvae.nn.objective import loss
from gmvae.nn.random_streams import derive_key
from gmvae.pipeline.errors import Refused
from gmvae.training.guide import kmeans_labels
from gmvae.training.schedule import Training

PLAN = {"batch_size": 16, "learning_rate": 0.01}


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def student_assignments(z, centres):
    """The Student kernel of one degree of freedom (van der Maaten & Hinton 2008, with alpha = 1), row by row."""
    kernel = np.array([[(1 + np.sum((a - b) ** 2)) ** -1.0 for b in centres] for a in z])
    return kernel / kernel.sum(1, keepdims=True)


def sharpened_targets(q):
    """The paper's target: squares over the columns' sums, normalised by rows."""
    p = q**2 / q.sum(0)
    return p / p.sum(1, keepdims=True)


@torch.no_grad()
def test_assignments_and_their_targets_are_the_paper_s():
    model, rows = perturb(small_model("idec")), blob_rows()
    model.refresh(rows)
    model.train()
    index = torch.tensor([[7, 3, 50, 11, 20], [1, 0, 59, 30, 8]])  # each seed its own rows
    x = rows.x[index]
    batch = small_batch(model)._replace(x=x, target=x, index=index)
    terms = model.terms(batch)
    for s in range(len(SEEDS)):
        z = model.encoder(rows.x.expand(len(SEEDS), -1, -1))[s].numpy()
        q = student_assignments(z, model.centres[s].numpy())
        p = sharpened_targets(q)
        expected = (p * np.log(p / q)).sum(1)[index[s].numpy()]
        assert np.allclose(model.cluster(batch)[s], q[index[s].numpy()])
        assert np.allclose(terms["kl_cluster"][s], expected)
        assert (expected >= 0).all()


@torch.no_grad()
def test_targets_are_constant_until_they_are_refreshed():
    model, rows = small_model("idec", refresh_epochs=3), blob_rows()
    targets = []
    for _ in range(6):
        model.refresh(rows)
        targets.append(model.targets.clone())
        model.centres += 0.1 * torch.randn(model.centres.shape, generator=torch.Generator().manual_seed(1))
    same = [torch.equal(targets[i], targets[i + 1]) for i in range(5)]
    assert same == [True, True, False, True, True]


def test_no_gradient_goes_through_the_target():
    model, rows = perturb(small_model("idec")), blob_rows()
    batch = small_batch(model)._replace(x=rows.x[:5].expand(2, -1, -1), target=rows.x[:5].expand(2, -1, -1))
    model.refresh(rows)
    model.train()
    model.terms(batch)["kl_cluster"].sum().backward()
    refreshed = model.centres.grad.clone()
    model.centres.grad = None
    p = model.targets[:, :5]
    log_q = model.q_y(model.encoder(batch.x))
    (p * (p.log() - log_q)).sum().backward()
    assert torch.allclose(refreshed, model.centres.grad)
    model.centres.grad = None
    model.eval()  # the target is made of these very rows, and still a constant
    model.terms(batch)["kl_cluster"].sum().backward()
    assert torch.allclose(refreshed, model.centres.grad)


@torch.no_grad()
def test_rows_outside_the_training_split_are_sharpened_with_the_last_frequencies():
    model, rows = perturb(small_model("idec")), blob_rows()
    model.refresh(rows)
    model.eval()
    batch = small_batch(model)
    for s in range(len(SEEDS)):
        f = student_assignments(model.encoder(rows.x.expand(2, -1, -1))[s].numpy(), model.centres[s].numpy()).sum(0)
        q = model.cluster(batch)[s].numpy()
        p = q**2 / f
        p /= p.sum(1, keepdims=True)
        assert np.allclose(model.terms(batch)["kl_cluster"][s], (p * np.log(p / q)).sum(1))


@pytest.mark.parametrize(("likelihood", "per_feature"), [("normal", 0.05), ("bernoulli", 0.1)])
def test_automatic_weight_is_a_tenth_of_the_features_against_the_squared_error(likelihood, per_feature):
    """The normal log-density has half of the squared error, so half of the weight keeps the paper's balance."""
    model = small_model("idec", likelihood)
    assert model.kl_weight == pytest.approx(per_feature * D)
    assert small_model("idec", likelihood, cluster_weight=3.0).kl_weight == pytest.approx(30 * per_feature)


@torch.no_grad()
def test_loss_is_proportional_to_the_paper_s():
    """D/2 times (the error averaged over the features, plus 0.1 of the divergence), up to a constant."""
    model = perturb(small_model("idec"))
    batch = small_batch(model)
    terms = model.terms(batch)
    ours = loss(terms, batch, model.kl_weight, 1.0)
    error = ((model.decoder(model.encoder(batch.x)) - batch.target) ** 2).mean((1, 2))
    theirs = error + 0.1 * terms["kl_cluster"].mean(1)
    assert torch.allclose(ours, D / 2 * theirs + D / 2 * np.log(2 * np.pi))


def test_loss_while_training_has_the_weight_and_the_logged_term_has_not():
    rows = blob_rows()
    model = small_model("idec", cluster_weight=4.0)
    history = train_model(model, rows, Training(epochs=3, autoencode_epochs=1, **PLAN), SEEDS)
    weight = np.where(history["phase"] == "autoencode", 0.0, 2.0)
    assert np.allclose(history["loss"], -history["reconstruction"] + weight * history["kl_cluster"])
    assert (history["kl_cluster"][history["phase"] != "autoencode"] > 0).all()


def test_the_start_is_the_autoencoder_with_k_means():
    """The same seeds give the same autoencoder, and the clusters are scikit-learn's on its latent."""
    rows, plan = blob_rows(), Training(epochs=4, autoencode_epochs=4, **PLAN)
    model, plain = small_model("idec"), small_model("ae")
    train_model(model, rows, plan, SEEDS)
    train_model(plain, rows, plan, SEEDS)
    assert torch.equal(embed_rows(model, rows), embed_rows(plain, rows))
    model.initialise(rows, SEEDS)
    clusters = cluster_rows(model, rows, None).argmax(-1)
    assert torch.equal(clusters, kmeans_labels(plain, rows, SEEDS))
    for s, seed in enumerate(SEEDS):
        z = embed_rows(plain, rows)[s].numpy()
        expected = KMeans(K, n_init=10, random_state=derive_key(seed, "kmeans") % 2**32).fit_predict(z)
        assert np.array_equal(clusters[s].numpy(), expected)
    assert model.centres.shape == (len(SEEDS), K, L)


def test_a_refresh_that_never_comes_is_refused():
    with pytest.raises(Refused, match=r"^idec\.refresh_epochs: found 0"):
        small_model("idec", refresh_epochs=0)


def record_start(model):
    """Let the model keep its clusters at the start, as `start`."""
    initialise = model.initialise

    def initialise_and_record(rows, seeds):
        initialise(rows, seeds)
        model.start = cluster_rows(model, rows, None).argmax(-1).numpy()

    model.initialise = initialise_and_record


def accuracies(clusters, truth):
    """The accuracy of each seed's clusters, [S]."""
    tables = [contingency(truth, cluster, 10, 10) for cluster in clusters]
    return np.array([agreement(truth, c, match_components(t)) for c, t in zip(clusters, tables, strict=True)])


def test_refining_raises_accuracy_over_autoencoder_and_k_means_on_digits():
    """On average over ten seeds; labels are used to count only."""
    torch.set_default_dtype(torch.float32)
    x, truth = load_digits(return_X_y=True)
    x, seeds = torch.as_tensor(x / 16, dtype=torch.float32), list(range(10))
    none = torch.full((len(x),), -1)
    rows = Rows(x, x, none, none.expand(len(seeds), -1), 0, 10)
    model = Model(64, "normal", seeds, 10, n_latent=10, n_hidden=128)
    record_start(model)
    plan = Training(epochs=60, autoencode_epochs=30, batch_size=128, learning_rate=1e-3)
    train_model(model, rows, plan, seeds)
    start, end = accuracies(model.start, truth), accuracies(cluster_rows(model, rows, None).argmax(-1).numpy(), truth)
    assert end.mean() > start.mean() + 0.01
