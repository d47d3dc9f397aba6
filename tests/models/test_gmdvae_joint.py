"""q(y|z,x): against the model whose network sees z alone, torch.distributions and draws (thesis, sec:exp-posterior)."""

import pytest
import torch
from support.models import SEEDS, K, L, perturb, small_batch, small_model
from torch.distributions import Categorical, Dirichlet, Independent, Normal, kl_divergence

from gmvae.nn.mixtures import draw_z_and_w


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def model_and_batch(labelled=False, **settings):
    """A model in evaluation mode and a batch."""
    model = perturb(small_model("gmdvae_joint", **settings)).eval()
    return model, small_batch(model, labelled=labelled)


def diagonal(mean, log_variance):
    return Independent(Normal(mean, (log_variance / 2).exp()), 1)


@torch.no_grad()
@pytest.mark.parametrize("mixture_kl", ["closed", "sampled"])
def test_where_its_network_ignores_x_it_is_the_conjugate_gmdvae(mixture_kl):
    """Zero weights on x in q(y|z,x), all else alike: the same terms, importance weights and clusters."""
    model, _ = model_and_batch(mixture_kl=mixture_kl, alpha=0.7)
    other = small_model("gmdvae", mixture_kl=mixture_kl, alpha=0.7, dirichlet="conjugate").eval()
    model.y_logits[0].weight[:, L:] = 0
    own = model.state_dict()
    own["y_logits.0.weight"] = own["y_logits.0.weight"][:, :L]
    other.load_state_dict(own)
    for labelled in (False, True):
        batch = small_batch(model, labelled=labelled)
        terms, expected = model.terms(batch), other.terms(batch)
        assert terms.keys() == expected.keys()
        assert all(torch.allclose(terms[name], expected[name]) for name in expected)
        assert torch.allclose(model.log_weights(batch), other.log_weights(batch))
        assert torch.allclose(model.cluster(batch), other.cluster(batch))


@torch.no_grad()
def test_the_importance_weights_do_not_see_the_class_network():
    model, batch = model_and_batch()
    before, terms = model.log_weights(batch), model.terms(batch)
    for parameter in model.y_logits.parameters():
        parameter += 1 + parameter.roll(1, -1)
    assert torch.equal(before, model.log_weights(batch))
    assert not torch.allclose(terms["kl_y"], model.terms(batch)["kl_y"])


@torch.no_grad()
def test_rows_at_the_same_z_differ_in_class_by_their_x():
    model, batch = model_and_batch()
    z = torch.ones(len(SEEDS), 2, 5, L)
    each = model.q_y(z, batch.x).exp()
    assert torch.allclose(each.sum(-1), torch.ones(len(SEEDS), 2, 5))
    assert torch.equal(each[:, 0], each[:, 1]) and not torch.allclose(each[:, :, 0], each[:, :, 1])
    row = torch.cat([z[1, 0, 3], batch.x[1, 3]])
    weights = [(layer.weight[1], layer.bias[1, 0]) for layer in (model.y_logits[0], model.y_logits[-1])]
    hidden = (row @ weights[0][0] + weights[0][1]).clamp(min=0)
    assert torch.allclose(each[1, 0, 3], (hidden @ weights[1][0] + weights[1][1]).softmax(-1))


@torch.no_grad()
def test_terms_are_means_over_draws_of_y_d_and_another_z():
    """kl_z closed: y of the batch's z, then the log-ratio at an independent z; kl_y and kl_d over draws of d."""
    model, batch = model_and_batch(alpha=0.7)
    terms, q_z = model.terms(batch), model.q_z(batch.x)
    z, w = draw_z_and_w(q_z, model.q_w(batch.x), batch.noise)
    q_y = Categorical(logits=model.q_y(z, batch.x))
    posterior, prior = Dirichlet(0.7 + q_y.probs), Dirichlet(torch.full((K,), 0.7))
    torch.manual_seed(0)
    d = posterior.sample((40_000,)).clamp(min=1e-300)
    each = (q_y.probs * (q_y.logits - d.log())).sum(-1).mean(2)
    assert ((each.mean(0) - terms["kl_y"]).abs() < 5 * each.std(0) / 200).all()
    assert torch.allclose(terms["kl_d"], kl_divergence(posterior, prior).mean(1))
    other = diagonal(*q_z).sample((40_000,)).unsqueeze(2)  # draws, S, 1, B, L
    log_p = sum(q_y.probs[..., j] * diagonal(*(m[..., j, :] for m in model.p_z(w))).log_prob(other) for j in range(K))
    each = (diagonal(*q_z).log_prob(other.squeeze(2)).unsqueeze(2) - log_p).mean(2)
    assert ((each.mean(0) - terms["kl_z"]).abs() < 5 * each.std(0) / 200).all()
