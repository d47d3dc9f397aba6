"""The mixture models against their papers, and what must hold of them together (thesis, chapter 4)."""

import math

import pytest
import torch
from support import papers
from support.models import (
    SEEDS,
    C,
    D,
    K,
    L,
    blob_rows,
    permute_components,
    perturb,
    redraw_noise,
    small_batch,
    small_model,
    train_model,
)
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from gmvae.nn.batches import one_hot
from gmvae.nn.divergences import log_normal
from gmvae.nn.inference import cluster_rows, row_terms
from gmvae.nn.mixtures import choose_component, draw_z_and_w, labels_or_posterior, select_component
from gmvae.nn.objective import elbo, loss
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.pipeline.errors import Refused
from gmvae.runs.embed import make_showcase
from gmvae.training.schedule import Training

VARIANTS = [
    ("gmvae", {"mixture_kl": "closed"}),
    ("gmvae", {"mixture_kl": "sampled"}),
    ("gmdvae", {"mixture_kl": "closed"}),
    ("gmdvae", {"mixture_kl": "sampled"}),
    ("gmdvae", {"dirichlet": "conjugate"}),
    ("gmdvae_joint", {"mixture_kl": "closed"}),
    ("gmdvae_joint", {"mixture_kl": "sampled"}),
    ("vade", {"gamma": "paper"}),
    ("vade", {"gamma": "optimal"}),
    ("m2", {}),
]
every_variant = pytest.mark.parametrize(("module", "settings"), VARIANTS, ids=[f"{m}-{s}" for m, s in VARIANTS])


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def model_and_batch(module, *, n_components=K, likelihood="normal", labelled=False, **settings):
    """A model in evaluation mode and a batch of 5 rows with 2 draws."""
    model = perturb(small_model(module, likelihood, n_components=n_components, **settings)).eval()
    return model, small_batch(model, likelihood=likelihood, n_components=n_components, labelled=labelled)


def hide_last_labels(batch):
    """The batch with the labels of its first rows only."""
    label = batch.label.clone()
    label[:, 2:] = 0
    return batch._replace(label=label)


def diagonal(mean, log_variance):
    return Independent(Normal(mean, (log_variance / 2).exp()), 1)


def add_axis(moments, dim=1):
    """Moments [S, B, L] with an axis for the draws."""
    return tuple(moment.unsqueeze(dim) for moment in moments)


# The papers, in numpy


def check_against(paper, model, batch):
    """Compare every term that the paper's function returns, for every seed and row, to 1e-6."""
    terms = model.terms(batch)
    terms |= {"elbo": elbo(terms)}
    for s in range(len(SEEDS)):
        weights = papers.weights_of(model, s)
        for b in range(batch.x.shape[1]):
            label = batch.label[s, b].numpy() if batch.label[s, b].any() else None
            for name, value in paper(weights, batch.x[s, b].numpy(), batch.noise[s, :, b].numpy(), label).items():
                assert abs(float(terms[name][s, b]) - value) < 1e-6, (name, s, b)


@torch.no_grad()
@pytest.mark.parametrize("gamma", ["paper", "optimal"])
def test_vade_is_its_paper_s_objective(gamma):
    model, batch = model_and_batch("vade", likelihood="bernoulli", labelled=True, gamma=gamma)
    check_against(lambda *row: papers.vade(*row, gamma), model, hide_last_labels(batch))


@torch.no_grad()
@pytest.mark.parametrize("mixture_kl", ["closed", "sampled"])
def test_gmvae_is_its_paper_s_objective(mixture_kl):
    model, batch = model_and_batch("gmvae", likelihood="bernoulli", labelled=True, mixture_kl=mixture_kl)
    check_against(lambda *row: papers.gmvae(*row, mixture_kl, K), model, hide_last_labels(batch))


@torch.no_grad()
def test_m2_is_its_paper_s_objective():
    model, batch = model_and_batch("m2", likelihood="bernoulli", labelled=True)
    check_against(lambda *row: papers.m2(*row, K), model, hide_last_labels(batch))


# K = 1


def copy_weights(model, other):
    """The model with what it shares with another one copied."""
    own = model.state_dict()
    own |= {name: value for name, value in other.state_dict().items() if name in own}
    model.load_state_dict(own)
    return model


@torch.no_grad()
@pytest.mark.parametrize("mixture_kl", ["closed", "sampled"])
def test_one_component_gmvae_and_gmdvae_are_one_two_layer_autoencoder(mixture_kl):
    """p(w) p(z|w) p(x|z) with q(z|x) q(w|x), its divergence from torch.distributions."""
    model, batch = model_and_batch("gmvae", n_components=1, mixture_kl=mixture_kl)
    other = copy_weights(small_model("gmdvae", n_components=1, mixture_kl=mixture_kl).eval(), model)
    terms, same = model.terms(batch), other.terms(batch)
    for name in ("kl_y", "kl_d"):
        assert torch.allclose(terms.get(name, torch.zeros(1)), torch.zeros(1))
        assert torch.allclose(same[name], torch.zeros(1))
    assert all(torch.allclose(terms[name], same[name]) for name in terms)
    q_z, q_w = model.q_z(batch.x), model.q_w(batch.x)
    z, w = draw_z_and_w(q_z, q_w, batch.noise)
    p_z = diagonal(*(moment.squeeze(-2) for moment in model.p_z(w)))
    kl_z = kl_divergence(diagonal(*add_axis(q_z)), p_z)
    if mixture_kl == "sampled":
        kl_z = log_normal(z, *add_axis(q_z)) - p_z.log_prob(z)
    assert torch.allclose(terms["kl_z"], kl_z.mean(1))
    assert torch.allclose(terms["kl_w"], kl_divergence(diagonal(*q_w), diagonal(*(0 * m for m in q_w))))
    log_p_x = Normal(model.decoder(z), 1.0).log_prob(batch.target.unsqueeze(1)).sum(-1)
    assert torch.allclose(terms["reconstruction"], log_p_x.mean(1))


@torch.no_grad()
@pytest.mark.parametrize("module", ["gmvae", "gmdvae"])
def test_one_standard_component_gives_the_vae_s_terms_plus_kl_w(module):
    model, batch = model_and_batch(module, n_components=1)
    for parameter in model.p_z.network[-1].parameters():
        parameter.zero_()
    vae = copy_weights(small_model("vae").eval(), model)
    terms, expected = model.terms(batch), vae.terms(batch._replace(noise=batch.noise[..., :L]))
    assert all(torch.allclose(terms[name], expected[name]) for name in expected)
    assert torch.allclose(elbo(terms), elbo(expected) - terms["kl_w"]) and (terms["kl_w"] > 0).all()


@torch.no_grad()
@pytest.mark.parametrize("gamma", ["paper", "optimal"])
def test_one_component_vade_is_a_vae_with_a_learned_prior(gamma):
    model, batch = model_and_batch("vade", n_components=1, gamma=gamma)
    terms = model.terms(batch)
    prior = diagonal(model.z_mean, model.z_log_variance)  # S, 1
    assert torch.allclose(terms["kl_z"], kl_divergence(diagonal(*model.q_z(batch.x)), prior))
    assert torch.allclose(terms["kl_y"], torch.zeros(1))
    model.z_mean.data.zero_(), model.z_log_variance.data.zero_()
    vae = copy_weights(small_model("vae").eval(), model)
    terms, expected = model.terms(batch), vae.terms(batch)
    assert all(torch.allclose(terms[name], expected[name]) for name in expected)


# Algebra


@torch.no_grad()
def test_sampled_gmvae_has_no_y_left():
    """kl_z + kl_y = log q(z|x) - log sum_j p(z|w,y=j) / K, the mixture's density from torch.distributions."""
    model, batch = model_and_batch("gmvae", mixture_kl="sampled")
    terms, q_z = model.terms(batch), model.q_z(batch.x)
    z, w = draw_z_and_w(q_z, model.q_w(batch.x), batch.noise)
    uniform = Categorical(torch.full((*z.shape[:-1], K), 1 / K))
    mixture = MixtureSameFamily(uniform, diagonal(*model.p_z(w))).log_prob(z)
    assert torch.allclose(terms["kl_z"] + terms["kl_y"], (log_normal(z, *add_axis(q_z)) - mixture).mean(1))


@torch.no_grad()
def test_optimal_gamma_maximises_the_elbo():
    """Given q(z|x) and the draws, every other gamma, the paper's too, has a smaller ELBO."""
    model, batch = model_and_batch("vade", gamma="optimal")
    q_z, log_pi = model.q_z(batch.x), model.p_y()[:, None]
    each = kl_divergence(diagonal(*add_axis(q_z, 2)), diagonal(*add_axis((model.z_mean, model.z_log_variance))))
    terms = model.terms(batch)
    best = terms["kl_z"] + terms["kl_y"]
    assert torch.allclose(best, -(log_pi - each).logsumexp(-1))
    log_gamma = model.log_gamma(batch.noise[..., :L], q_z)[:, 0]
    for size in (0.01, 0.1, 1.0):
        other = (log_gamma + size * torch.randn(50, *log_gamma.shape)).log_softmax(-1)
        assert ((other.exp() * (each + other - log_pi)).sum(-1) >= best).all()
    model.gamma = "paper"
    assert (elbo(model.terms(batch)) < elbo(terms)).all()


@torch.no_grad()
@pytest.mark.parametrize("dirichlet", ["network", "conjugate"])
def test_p_x_with_a_symmetric_dirichlet_does_not_depend_on_alpha_and_is_gmvae_s(dirichlet):
    model, batch = model_and_batch("gmvae")
    expected = model.log_weights(batch)
    for alpha in (0.1, 1.0, 30.0):
        other = small_model("gmdvae", dirichlet=dirichlet, alpha=alpha).eval()
        prior = other.alpha.clone()
        assert torch.allclose(copy_weights(other, model).log_weights(batch), expected)
        assert torch.equal(other.alpha, prior)


@torch.no_grad()
@every_variant
def test_an_observed_label_costs_minus_its_log_prior(module, settings):
    if settings.get("dirichlet") != "conjugate" and module == "gmdvae":
        settings = settings | {"dirichlet": "conjugate"}  # with a network, kl_y + kl_d is no log p(y)
    model, batch = model_and_batch(module, labelled=True, **settings)
    terms = model.terms(batch)
    log_p_y = model.p_y()[:, None] if module == "vade" else torch.full((1, 1, K), -math.log(K))
    cost = terms["kl_y"] + terms.get("kl_d", 0)
    assert torch.allclose(cost, -(batch.label * log_p_y).sum(-1))


# Draws


def close_to_mean(each, value):
    """Within five standard errors of the mean of draws [n, ...]; a class of 1e-6 may never be drawn."""
    return ((each.mean(0) - value).abs() < 5 * each.std(0) / len(each) ** 0.5 + 1e-4).all()


@torch.no_grad()
@pytest.mark.parametrize("module", ["gmvae", "gmdvae"])
def test_closed_kl_z_is_the_mean_over_y_of_an_independent_draw_of_z(module):
    """y ~ q(y|z) at the batch's z, then the log-ratio of the densities at another draw of z."""
    model, batch = model_and_batch(module)
    q_z, q_w = model.q_z(batch.x), model.q_w(batch.x)
    noise_z, noise_w = batch.noise[..., :L], batch.noise[..., L:]
    z = q_z[0].unsqueeze(1) + (q_z[1] / 2).exp().unsqueeze(1) * noise_z
    p_z = model.p_z(q_w[0].unsqueeze(1) + (q_w[1] / 2).exp().unsqueeze(1) * noise_w)
    log_p_y = model.p_y(z, p_z) if module == "gmvae" else model.q_y(z)
    torch.manual_seed(0)
    y = Categorical(logits=log_p_y).sample((20_000,))  # n, S, k, B
    other = diagonal(*add_axis(q_z)).expand(z.shape[:-1]).sample((20_000,))
    log_p_z = torch.stack([diagonal(*(m[..., j, :] for m in p_z)).log_prob(other) for j in range(K)], -1)
    each = diagonal(*add_axis(q_z)).log_prob(other) - log_p_z.gather(-1, y.unsqueeze(-1)).squeeze(-1)
    assert close_to_mean(each.mean(2), model.terms(batch)["kl_z"])


@torch.no_grad()
@pytest.mark.parametrize("gamma", ["paper", "optimal"])
def test_divergences_of_vade_are_means_over_y_and_z(gamma):
    model, batch = model_and_batch("vade", gamma=gamma)
    batch = batch._replace(noise=batch.noise[:, :1])
    terms, q_z = model.terms(batch), model.q_z(batch.x)
    log_gamma = model.log_gamma(q_z[0].unsqueeze(1) + (q_z[1] / 2).exp().unsqueeze(1) * batch.noise, q_z)[:, 0]
    torch.manual_seed(0)
    y, z = Categorical(logits=log_gamma).sample((40_000,)), diagonal(*q_z).sample((40_000,))  # n, S, B and n, S, B, L
    at_y = log_gamma.expand(len(y), -1, -1, -1).gather(-1, y.unsqueeze(-1)).squeeze(-1)
    log_pi = model.p_y()[:, None].expand(len(y), -1, 5, -1).gather(-1, y.unsqueeze(-1)).squeeze(-1)
    assert close_to_mean(at_y - log_pi, terms["kl_y"])
    moments = (model.z_mean, model.z_log_variance)
    mean, log_variance = (torch.stack([m[s][y[:, s]] for s in range(len(SEEDS))], 1) for m in moments)
    log_p_z = diagonal(mean, log_variance).log_prob(z)
    assert close_to_mean(diagonal(*q_z).log_prob(z) - log_p_z, terms["kl_z"])


@torch.no_grad()
def test_terms_of_m2_are_means_over_y_and_z():
    model, batch = model_and_batch("m2")
    terms = model.terms(redraw_noise(batch, model, 4000))
    q_y, q_z = Categorical(logits=model.q_y(batch.x)), model.q_z(batch.x)
    torch.manual_seed(0)
    y = q_y.sample((40_000,))  # n, S, B
    index = y[..., None, None].expand(-1, -1, -1, 1, L)
    mean, log_variance = (m.expand(len(y), *m.shape).gather(-2, index).squeeze(-2) for m in q_z)
    z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
    log_ratio = diagonal(mean, log_variance).log_prob(z) - Normal(0.0, 1.0).log_prob(z).sum(-1)
    assert close_to_mean(log_ratio, terms["kl_z"])
    assert close_to_mean(q_y.log_prob(y) + math.log(K), terms["kl_y"])
    h = model.decoder(torch.cat([z, one_hot(y, K)], -1).transpose(0, 1)).transpose(0, 1)
    log_p_x = Normal(h, 1.0).log_prob(batch.target).sum(-1)
    assert ((log_p_x.mean(0) - terms["reconstruction"]).abs() < 8 * log_p_x.std(0) / 4000**0.5).all()


@torch.no_grad()
@every_variant
def test_elbo_of_every_variant_is_at_most_its_bound(module, settings):
    model, batch = model_and_batch(module, **settings)
    batch = redraw_noise(batch, model, 2000)
    weights = model.log_weights(batch)  # S, k, B
    bounds = weights.unflatten(1, (200, 10)).logsumexp(2) - math.log(10)
    error = 5 * (bounds.std(1) / 200**0.5 + weights.std(1) / 2000**0.5)
    assert (elbo(model.terms(batch)) <= bounds.mean(1) + error).all()


@every_variant
def test_gradients_of_every_variant_reach_every_parameter(module, settings):
    model, batch = model_and_batch(module, labelled=True, **settings)
    terms = model.train().terms(hide_last_labels(batch))
    loss(terms, batch, 1.0, 1.0).sum().backward()
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all() and (parameter.grad.flatten(1) != 0).any(1).all(), name


@torch.no_grad()
@every_variant
def test_permuting_components_and_labels_of_every_variant_changes_no_term(module, settings):
    model, batch = model_and_batch(module, labelled=True, **settings)
    batch, order = hide_last_labels(batch), torch.tensor([2, 0, 1])
    before, weights, q = model.terms(batch), model.log_weights(batch), model.cluster(batch)
    permute_components(model, order)
    after = model.terms(batch._replace(label=batch.label[..., order]))
    assert all(torch.allclose(before[name], after[name]) for name in before)
    assert torch.allclose(weights, model.log_weights(batch))
    assert torch.allclose(q[..., order], model.cluster(batch))


# What each model does beside its objective


@torch.no_grad()
def test_gmvae_holds_kl_y_above_its_floor_only_while_training():
    free, batch = model_and_batch("gmvae")
    held, _ = model_and_batch("gmvae", kl_y_floor=0.5)
    assert (free.terms(batch)["kl_y"] < 0.5).any()
    assert torch.equal(held.terms(batch)["kl_y"], free.terms(batch)["kl_y"])
    assert torch.equal(held.train().terms(batch)["kl_y"], free.terms(batch)["kl_y"].clamp(min=0.5))


@torch.no_grad()
def test_gmvae_predicts_by_bayes_rule_over_draws_of_z_and_w():
    model, batch = model_and_batch("gmvae")
    z, w = draw_z_and_w(model.q_z(batch.x), model.q_w(batch.x), batch.noise)
    each = diagonal(*model.p_z(w)).log_prob(z.unsqueeze(-2)).exp()
    assert torch.allclose(model.cluster(batch), (each / each.sum(-1, keepdim=True)).mean(1))


def identity_model(module, **settings):
    """A model whose latent means are the data."""
    model = small_model(module, n_layers=0, n_latent=D, **settings)
    with torch.no_grad():
        model.q_z.network[0].weight.zero_()
        model.q_z.network[0].weight[:, :, :D] = torch.eye(D)
    return model


@pytest.mark.parametrize("labelled", [0, 300], ids=["hidden", "observed"])
def test_vade_starts_from_the_moments_of_its_latent(labelled):
    """Those of a mixture, which finds the classes in some order, or of the labelled classes in theirs."""
    rows, model = blob_rows(n=300, labelled=labelled), identity_model("vade")
    model.initialise(rows, SEEDS)
    truth = torch.arange(300) % K
    for s in range(len(SEEDS)):
        means = torch.stack([rows.x[truth == j].mean(0) for j in range(K)])
        order = torch.cdist(means, model.z_mean[s]).argmin(1)
        assert sorted(order.tolist()) == list(range(K))
        assert not labelled or order.tolist() == list(range(K))
        variances = torch.stack([rows.x[truth == j].var(0, unbiased=False) for j in range(K)])
        assert torch.allclose(model.z_mean[s][order], means, atol=1e-6)
        assert torch.allclose(model.z_log_variance[s][order].exp(), variances, rtol=1e-4)
        assert torch.allclose(model.p_y().exp()[s], torch.full((K,), 1 / K))


def test_vade_starts_in_the_order_of_few_labels_and_finds_a_class_without_labels():
    rows, model = blob_rows(n=300, labelled=12), identity_model("vade")
    few = torch.where(rows.label == 1, -1, rows.label)
    model.initialise(rows._replace(label=few), SEEDS)
    means = torch.stack([rows.x[torch.arange(300) % K == j].mean(0) for j in range(K)])
    assert torch.allclose(model.z_mean[0], means) and torch.allclose(model.z_mean[1], means)


def test_vade_can_start_at_random():
    model = identity_model("vade", initialise="none")
    before = [parameter.clone() for parameter in model.parameters()]
    model.initialise(blob_rows(), SEEDS)
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert not torch.equal(model.z_mean[0], model.z_mean[1])


@torch.no_grad()
def test_m2_decodes_the_given_class():
    model, batch = model_and_batch("m2")
    z = torch.randn(len(SEEDS), 5, L)
    y = one_hot(torch.tensor([0, 1, 2, 0, 1]).expand(len(SEEDS), -1), K)
    expected = model.decoder(torch.cat([z, y], -1))
    assert torch.allclose(model.decode(z, batch.condition, torch.ones(1), y), expected)
    each = [torch.eye(K)[j].expand_as(y) for j in range(K)]
    over = torch.stack([model.decode(z, batch.condition, torch.ones(1), one) for one in each])
    assert torch.allclose(model.decode(z, batch.condition, torch.ones(1)), over.mean(0))
    assert torch.allclose(model.embed(batch), (model.cluster(batch).unsqueeze(-1) * model.q_z(batch.x)[0]).sum(2))


@torch.no_grad()
def test_showcase_gives_m2_the_class():
    """Samples of component j are from p(x|y=j,z); a row is reconstructed under its own q(y|x)."""
    model, rows = perturb(small_model("m2")).eval(), blob_rows()
    showcase = make_showcase(model, rows, SEEDS, [0, 1, 2], 4)
    draws = make_generators(SEEDS, "sample")
    z = torch.stack([model.sample(4, draws=draws) for _ in range(K)], 1)  # S, K, 4, L
    y = torch.eye(K)[:, None].expand(len(SEEDS), K, 4, K)
    batch = small_batch(model, n=3)._replace(x=rows.x[:3].expand(len(SEEDS), -1, -1))
    expected = model.decoder(torch.cat([z, y], -1)).float()
    back = model.decode(model.embed(batch), batch.condition, torch.ones(1), model.cluster(batch)).float()
    for s, seed in enumerate(SEEDS):
        assert torch.allclose(torch.as_tensor(showcase[f"samples_{seed}"]), expected[s])
        assert torch.allclose(torch.as_tensor(showcase[f"reconstruction_{seed}"]), back[s])


def test_optimal_variance_of_m2_weighs_the_classes():
    """One batch while training, and all rows afterwards, give the error that q(y|x) expects."""
    model, rows = small_model("m2", variance="optimal"), blob_rows()
    train_model(model, rows, Training(epochs=2, batch_size=60, learning_rate=0.01), SEEDS)
    with torch.no_grad():
        frozen = model.p.log_variance.flatten().exp()
        model.p.log_variance.zero_()
        rewards = row_terms(model, rows, make_generators(SEEDS, "variance"))["reconstruction"].mean(-1)
    assert torch.allclose(-2 * rewards / D - math.log(2 * math.pi), frozen)
    batch = small_batch(model)
    q_z = model.train().q_z(batch.x)
    z = q_z[0].unsqueeze(1) + (q_z[1] / 2).exp().unsqueeze(1) * batch.noise.unsqueeze(-2)
    errors = (model.decoder(model.append_every_class(z)) - batch.target[:, None, :, None]).square().mean((1, -1))
    variance = (model.cluster(batch) * errors).sum(-1).mean(-1)  # S
    best = -0.5 * D * (variance.log() + math.log(2 * math.pi) + 1)
    assert torch.allclose(model.terms(batch)["reconstruction"].mean(-1), best)


@pytest.mark.parametrize("module", ["gmvae", "vade", "m2"])
def test_classes_are_learned_from_few_labels(module):
    rows = blob_rows(n=120, labelled=12)
    guide = 0 if module == "vade" else 20
    plan = Training(epochs=80, batch_size=32, learning_rate=0.01, autoencode_epochs=30, guide_epochs=guide)
    model = small_model(module, n_hidden=32)
    train_model(model, rows, plan, SEEDS)
    clusters = cluster_rows(model, rows, None).argmax(-1)
    assert ((clusters == torch.arange(120) % K).double().mean(1) > 0.95).all()


@torch.no_grad()
@pytest.mark.parametrize("module", ["gmvae", "vade"])
def test_samples_of_a_component_have_its_moments(module):
    model, _ = model_and_batch(module)
    z = model.sample(20_000, component=1, draws=make_generators(SEEDS, "test"))
    if module == "vade":
        mean, variance = model.z_mean[:, 1], model.z_log_variance[:, 1].exp()
    else:
        means, log_variances = model.p_z(draw_normals(make_generators(SEEDS, "w"), 20_000, model.n_style))
        mean = means[:, :, 1].mean(1)
        variance = log_variances[:, :, 1].exp().mean(1) + means[:, :, 1].var(1)
    assert torch.allclose(z.mean(1), mean, atol=0.05 * float(variance.max().sqrt()))
    assert torch.allclose(z.var(1), variance, rtol=0.1)


def test_components_are_drawn_with_their_probabilities():
    p = torch.tensor([[0.7, 0.0, 0.3], [0.1, 0.6, 0.3]])
    y = choose_component(None, 20_000, p, make_generators(SEEDS, "test"))
    assert torch.allclose(one_hot(y, K).mean(1), p, atol=0.02)
    assert (choose_component(2, 5, p, make_generators(SEEDS, "test")) == 2).all()
    values = torch.randn(2, 20_000, K, L)
    assert torch.equal(select_component(values, y)[1, 7], values[1, 7, y[1, 7]])


def test_an_observed_label_replaces_the_probabilities():
    label, q = one_hot(torch.tensor([1, -1]), K), torch.rand(2, K)
    assert torch.equal(labels_or_posterior(label, q), torch.stack([torch.eye(K)[1], q[1]]))


@pytest.mark.parametrize(
    ("module", "setting", "allowed"),
    [
        ("gmvae", {"mixture_kl": "exact"}, "closed, sampled"),
        ("vade", {"gamma": "best"}, "paper, optimal"),
        ("vade", {"initialise": "kmeans"}, "mixture, none"),
    ],
)
def test_unknown_settings_are_refused(module, setting, allowed):
    ((key, value),) = setting.items()
    with pytest.raises(Refused, match=rf"^{module}\.{key}: found '{value}'.*{allowed}"):
        small_model(module, **setting, n_conditions=C)
