"""The terms of the Dirichlet mixture against torch.distributions, a sum over draws, or algebra (thesis, chapter 4)."""

import math

import pytest
import torch
from support.models import SEEDS, K, perturb, small_batch, small_model
from torch.distributions import Categorical, Dirichlet, Independent, MixtureSameFamily, Normal, kl_divergence

from gmvae.nn.divergences import kl_standard_normal, log_beta


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def model_and_batch(**settings):
    """A model in evaluation mode and a batch."""
    model = perturb(small_model("gmdvae", **settings)).eval()
    return model, small_batch(model)


def diagonal(mean, log_variance):
    return Independent(Normal(mean, (log_variance / 2).exp()), 1)


def posteriors_and_draws(model, batch):
    """q(z|x) and q(w|x) per row, and the draws of z and w, [S, k, B, L] and [S, k, B, W]."""
    q_z, q_w = diagonal(*model.q_z(batch.x)), diagonal(*model.q_w(batch.x))
    noise_z, noise_w = batch.noise[..., : model.n_latent], batch.noise[..., model.n_latent :]
    z = q_z.mean.unsqueeze(1) + q_z.stddev.unsqueeze(1) * noise_z
    return q_z, q_w, z, q_w.mean.unsqueeze(1) + q_w.stddev.unsqueeze(1) * noise_w


@torch.no_grad()
def test_terms_are_those_of_the_densities():
    model, batch = model_and_batch(mixture_kl="sampled", alpha=0.7)
    terms = model.terms(batch)
    q_z, q_w, z, w = posteriors_and_draws(model, batch)
    components = diagonal(*model.p_z(w))  # S, k, B, K
    q_y = Categorical(logits=model.y_logits(z))
    q_d = Dirichlet(model.q_d(z, q_y.probs))
    log_p_z = (q_y.probs * components.log_prob(z.unsqueeze(-2))).sum(-1)
    log_q_z = torch.stack([q_z.log_prob(draw) for draw in z.unbind(1)], 1)
    assert torch.allclose(terms["kl_z"], (log_q_z - log_p_z).mean(1))
    assert torch.allclose(terms["kl_w"], kl_divergence(q_w, diagonal(0 * q_w.mean, 0 * q_w.mean)))
    assert torch.allclose(terms["kl_d"], kl_divergence(q_d, Dirichlet(torch.full((K,), 0.7))).mean(1))
    decoded = Normal(model.decoder(z), 1.0)
    assert torch.allclose(terms["reconstruction"], decoded.log_prob(batch.target.unsqueeze(1)).sum(-1).mean(1))


@torch.no_grad()
def test_kl_y_is_its_mean_over_dirichlet_draws():
    model, batch = model_and_batch()
    _, _, z, _ = posteriors_and_draws(model, batch)
    q_y = model.q_y(z).exp()
    torch.manual_seed(0)
    d = Dirichlet(model.q_d(z, q_y)).sample((40_000,))
    each = (q_y * (q_y.log() - d.clamp(min=1e-300).log())).sum(-1)
    error = 5 * each.std(0) / 200
    exact = (q_y * q_y.log()).sum(-1) - (q_y * (torch.digamma(model.q_d(z, q_y)))).sum(-1)
    exact = exact + torch.digamma(model.q_d(z, q_y).sum(-1))
    assert ((each.mean(0) - exact).abs() < error + 1e-3).all()
    assert torch.allclose(model.terms(batch)["kl_y"], exact.mean(1))


@torch.no_grad()
def test_closed_kl_z_is_the_mean_over_an_independent_draw_of_z():
    model, batch = model_and_batch()
    q_z, _, z, w = posteriors_and_draws(model, batch)
    components, q_y = diagonal(*model.p_z(w)), model.q_y(z).exp()
    torch.manual_seed(0)
    other = q_z.sample((40_000,)).unsqueeze(2)  # draws, S, 1, B, L: not the z that q(y|z) is read at
    log_q = q_z.log_prob(other.squeeze(2)).unsqueeze(2)
    log_p = sum(q_y[..., j] * diagonal(*(m[..., j, :] for m in model.p_z(w))).log_prob(other) for j in range(K))
    each = (log_q - log_p).mean(2)
    assert components.batch_shape[-1] == K
    assert ((each.mean(0) - model.terms(batch)["kl_z"]).abs() < 5 * each.std(0) / 200).all()


@torch.no_grad()
def test_conjugate_dirichlet_leaves_beta_functions():
    model, batch = model_and_batch(dirichlet="conjugate", alpha=0.4)
    terms, (_, _, z, _) = model.terms(batch), posteriors_and_draws(model, batch)
    q_y = model.q_y(z).exp()
    closed = (q_y * q_y.log()).sum(-1) + log_beta(model.alpha) - log_beta(model.alpha + q_y)
    assert torch.allclose(terms["kl_y"] + terms["kl_d"], closed.mean(1))


@torch.no_grad()
def test_an_observed_label_costs_minus_its_log_prior():
    model = perturb(small_model("gmdvae", dirichlet="conjugate", alpha=2.0)).eval()
    terms = model.terms(small_batch(model, labelled=True))
    assert torch.allclose(terms["kl_y"] + terms["kl_d"], torch.full((len(SEEDS), 5), math.log(K)))


@torch.no_grad()
def test_importance_weights_are_those_of_the_densities():
    model, batch = model_and_batch()
    q_z, q_w, z, w = posteriors_and_draws(model, batch)
    mixture = MixtureSameFamily(Categorical(torch.full((K,), 1 / K).expand(*z.shape[:-1], K)), diagonal(*model.p_z(w)))
    log_q = torch.stack([q_z.log_prob(a) + q_w.log_prob(b) for a, b in zip(z.unbind(1), w.unbind(1), strict=True)], 1)
    log_p_x = Normal(model.decoder(z), 1.0).log_prob(batch.target.unsqueeze(1)).sum(-1)
    log_p = log_p_x + Normal(0.0, 1.0).log_prob(w).sum(-1) + mixture.log_prob(z)
    assert torch.allclose(model.log_weights(batch), log_p - log_q)


@torch.no_grad()
def test_prediction_is_the_mean_over_draws_of_z():
    model, batch = model_and_batch()
    _, _, z, _ = posteriors_and_draws(model, batch)
    by_draw = torch.stack([model.y_logits(draw).softmax(-1) for draw in z.unbind(1)])
    assert torch.allclose(model.cluster(batch), by_draw.mean(0))


@torch.no_grad()
def test_one_component_is_the_two_layer_autoencoder():
    model = perturb(small_model("gmdvae", n_components=1)).eval()
    batch = small_batch(model, n_components=1)
    terms, (q_z, q_w, _, w) = model.terms(batch), posteriors_and_draws(model, batch)
    assert torch.allclose(terms["kl_y"], torch.zeros(1)) and torch.allclose(terms["kl_d"], torch.zeros(1))
    only = diagonal(*(m.squeeze(-2) for m in model.p_z(w)))  # S, k, B
    moments = (q_z.mean.unsqueeze(1), 2 * q_z.stddev.unsqueeze(1).log())
    assert torch.allclose(terms["kl_z"], kl_divergence(diagonal(*moments), only).mean(1))
    assert torch.allclose(terms["kl_w"], kl_standard_normal(q_w.mean, 2 * q_w.stddev.log()))
