"""One Dirichlet variable for all rows: against the model with one for each, draws, algebra and quadrature."""

import itertools
import math

import numpy as np
import pytest
import torch
from support.models import SEEDS, K, blob_rows, perturb, redraw_noise, small_batch, small_model, train_model
from torch.distributions import Categorical, Dirichlet, Independent, MixtureSameFamily, Normal, kl_divergence

from gmvae.nn.batches import make_batch, select_rows
from gmvae.nn.divergences import log_beta, log_normal
from gmvae.nn.mixtures import draw_z_and_w, labels_or_posterior
from gmvae.nn.objective import elbo
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.training.schedule import Training


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def refreshed(n=60, labelled=0, **settings):
    """A model whose a is that of n rows, in evaluation mode, and their batch at the draws that a is from."""
    rows = select_rows(blob_rows(labelled=labelled), torch.arange(n))
    model = perturb(small_model("gmdvae_shared", **settings)).eval()
    model.refresh(rows)
    noise = draw_normals(make_generators(SEEDS, "weights of the set"), 1, n, model.n_noise)
    return model, make_batch(rows, torch.arange(n).expand(len(SEEDS), -1), noise)


def classes(model, batch):
    """The label of each row, else q(y|z) at its one draw, [S, B, K]."""
    return labels_or_posterior(batch.label, model.cluster(batch))


@torch.no_grad()
@pytest.mark.parametrize("labelled", [0, 1])
@pytest.mark.parametrize("mixture_kl", ["closed", "sampled"])
def test_with_a_single_row_it_is_the_conjugate_gmdvae(mixture_kl, labelled):
    """A variable of a set of one row is one of the row: the same terms at the draw that a is from."""
    model, batch = refreshed(1, labelled, mixture_kl=mixture_kl, alpha=0.7)
    other = small_model("gmdvae", mixture_kl=mixture_kl, alpha=0.7, dirichlet="conjugate").eval()
    other.load_state_dict({name: value for name, value in model.state_dict().items() if name not in ("a", "n_rows")})
    terms, expected = model.terms(batch), other.terms(batch)
    assert terms.keys() == expected.keys()
    assert all(torch.allclose(terms[name], expected[name]) for name in expected)


@torch.no_grad()
@pytest.mark.parametrize("labelled", [0, 20])
def test_the_divergences_of_all_rows_leave_beta_functions(labelled):
    """sum of kl_y and kl_d = - sum of the rows' entropies + log B(alpha) - log B(alpha + sum q): d is paid for once."""
    model, batch = refreshed(labelled=labelled, alpha=0.4)
    terms, q = model.terms(batch), classes(model, batch)
    assert torch.allclose(model.a, 0.4 + q.sum(1)) and int(model.n_rows) == 60
    assert (model.a.sum(-1) - K * 0.4).allclose(torch.tensor(60.0))
    total = (terms["kl_y"] + terms["kl_d"]).sum(-1)
    closed = (q * q.clamp(min=1e-300).log()).sum((1, 2)) + log_beta(model.alpha) - log_beta(model.a)
    assert torch.allclose(total, closed)


@torch.no_grad()
def test_no_other_a_has_smaller_divergences():
    model, batch = refreshed()
    best, a = elbo(model.terms(batch)).sum(-1), model.a.clone()
    torch.manual_seed(0)
    for size in (0.01, 0.1, 1.0):
        for _ in range(20):
            model.a.copy_(a * (size * torch.randn_like(a)).exp())
            assert (elbo(model.terms(batch)).sum(-1) < best).all()


@torch.no_grad()
def test_terms_are_those_of_draws_of_d():
    model, batch = refreshed(alpha=0.7)
    batch = redraw_noise(batch, model, 2)
    terms, posterior = model.terms(batch), Dirichlet(model.a)
    q_y = Categorical(logits=model.q_y(draw_z_and_w(model.q_z(batch.x), model.q_w(batch.x), batch.noise)[0]))
    torch.manual_seed(0)
    d = posterior.sample((4000,))[:, :, None, None]  # draws, S, 1, 1, K
    each = (q_y.probs * (q_y.logits - d.log())).sum(-1).mean(2)
    assert ((each.mean(0) - terms["kl_y"]).abs() < 5 * each.std(0) / 4000**0.5).all()
    price = kl_divergence(posterior, Dirichlet(torch.full((K,), 0.7)))
    assert torch.allclose(terms["kl_d"].sum(-1), price) and torch.allclose(terms["kl_d"][:, 0], price / 60)


@torch.no_grad()
def test_importance_weights_are_means_over_d():
    """The density of z is that of the mixture with the mean weights, which is the mean density over draws of d."""
    model, batch = refreshed()
    q_z, q_w = model.q_z(batch.x), model.q_w(batch.x)
    z, w = draw_z_and_w(q_z, q_w, batch.noise)
    mean, log_variance = model.p_z(w)
    components = Independent(Normal(mean, (log_variance / 2).exp()), 1)
    weights = Dirichlet(model.a).mean[:, None, None].expand(*z.shape[:-1], K)
    mixture = MixtureSameFamily(Categorical(weights), components).log_prob(z)
    torch.manual_seed(0)
    log_d = Dirichlet(model.a).sample((4000,)).log()[:, :, None, None]
    each = ((log_d + components.log_prob(z.unsqueeze(-2))).logsumexp(-1) - mixture).exp()  # in units of the mixture's
    assert ((each.mean(0) - 1).abs() < 5 * each.std(0) / 4000**0.5).all()
    log_q = sum(log_normal(draw, *(m.unsqueeze(1) for m in q)) for draw, q in ((z, q_z), (w, q_w)))
    log_p_x = Normal(model.decoder(z), 1.0).log_prob(batch.target.unsqueeze(1)).sum(-1)
    assert torch.allclose(model.log_weights(batch), log_p_x + log_normal(w) + mixture - log_q)


@torch.no_grad()
def test_elbo_of_new_rows_is_at_most_their_bound():
    """Rows that a has not counted, under its weights; up to five standard errors."""
    model, _ = refreshed(20)
    batch = redraw_noise(small_batch(model), model, 4000)
    weights = model.log_weights(batch)
    bound, error = weights.logsumexp(1) - math.log(4000), 5 * weights.std(1) / 4000**0.5
    terms = model.terms(batch)
    assert (elbo(terms) + terms["kl_d"] <= bound + error).all()


@torch.no_grad()
@pytest.mark.parametrize("mixture_kl", ["closed", "sampled"])
def test_the_elbos_of_all_rows_bound_their_joint_density(mixture_kl):
    """log p(x_1, ..., x_N): p(x|y=j) by Gauss-Hermite quadrature over the noise, then the mean over d ~ Dir(alpha)."""
    model, batch = refreshed(4, n_latent=1, n_style=1, alpha=0.5, mixture_kl=mixture_kl)
    for parameter in model.parameters():
        parameter *= 0.3  # smooth enough for quadrature
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    noise = torch.tensor(list(itertools.product(node, repeat=2)))[None, :, None].expand(len(SEEDS), -1, 4, -1)
    log_weight = torch.tensor(np.log(np.outer(weight, weight)).ravel() - math.log(2 * math.pi))
    q_z, q_w = model.q_z(batch.x), model.q_w(batch.x)
    z, w = draw_z_and_w(q_z, q_w, noise)
    log_q = sum(log_normal(draw, *(m.unsqueeze(1) for m in q)) for draw, q in ((z, q_z), (w, q_w)))
    log_p = model.p.log_prob(batch.target, model.decoder(z)) + log_normal(w) - log_q + log_weight[None, :, None]
    each = (log_p.unsqueeze(-1) + log_normal(z.unsqueeze(-2), *model.p_z(w))).logsumexp(1)  # S, N, K: log p(x|y)
    torch.manual_seed(0)
    d = Dirichlet(model.alpha).sample((100_000, 1, 1)).clamp(min=1e-300)
    joint = (d.log() + each).logsumexp(-1).sum(-1).logsumexp(0) - math.log(100_000)  # S
    total = elbo(model.terms(redraw_noise(batch, model, 4000))).sum(-1)
    assert (total < joint + 0.05).all() and (total > joint - 5).all()


@torch.no_grad()
def test_with_a_large_alpha_its_weights_are_uniform_as_those_of_gmdvae_are():
    model, batch = refreshed(alpha=1e7)
    q = classes(model, batch)
    terms = model.terms(batch)
    assert torch.allclose(terms["kl_y"], (q * (K * q).log()).sum(-1), atol=1e-5)
    assert (terms["kl_d"] < 1e-5).all()


def test_training_leaves_the_weights_of_the_training_rows():
    """Classes in the shares 3, 2, 1: the mean weights are these shares, and samples come from them."""
    rows = blob_rows(n=120, labelled=120)
    shares = torch.tensor([60, 40, 20])
    code = torch.repeat_interleave(torch.arange(K), shares)
    keep = torch.cat([(rows.label[0] == j).nonzero()[:, 0].repeat(2)[:n] for j, n in enumerate(shares.tolist())])
    rows = select_rows(rows, keep)
    assert torch.equal(rows.label[0], code)
    hidden = rows._replace(label=torch.where(torch.arange(120) % 4 == 0, rows.label, -1))
    model = small_model("gmdvae_shared", n_hidden=32)
    plan = Training(epochs=60, batch_size=32, learning_rate=0.01, autoencode_epochs=20, guide_epochs=10)
    train_model(model, hidden, plan, SEEDS)
    assert int(model.n_rows) == 120
    assert torch.allclose(model.p_y(), (1 + shares) / 123.0, atol=0.02)
