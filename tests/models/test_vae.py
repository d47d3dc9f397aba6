"""The terms of the variational autoencoder against torch.distributions (thesis, chapter 3)."""

import pytest
import torch
from support.models import perturb, small_batch, small_model
from torch.distributions import Independent, Normal, kl_divergence


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@torch.no_grad()
def test_terms_and_weights_are_those_of_the_densities():
    model = perturb(small_model("vae")).eval()
    batch = small_batch(model, k=3)
    mean, log_variance = model.q_z(batch.x)
    q_z = Independent(Normal(mean, (log_variance / 2).exp()), 1)
    z = mean.unsqueeze(1) + (log_variance / 2).exp().unsqueeze(1) * batch.noise  # S, k, B, L
    prior = Independent(Normal(torch.zeros_like(mean), 1.0), 1)
    log_p_x = Normal(model.decoder(z), 1.0).log_prob(batch.target.unsqueeze(1)).sum(-1)
    terms = model.terms(batch)
    assert torch.allclose(terms["reconstruction"], log_p_x.mean(1))
    assert torch.allclose(terms["kl_z"], kl_divergence(q_z, prior))
    log_ratio = torch.stack([prior.log_prob(draw) - q_z.log_prob(draw) for draw in z.unbind(1)], 1)
    assert torch.allclose(model.log_weights(batch), log_p_x + log_ratio)
