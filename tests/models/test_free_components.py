"""cGMΔVAE with components that are free of the condition: what every model must hold, and where c has no part."""

import numpy as np
import pytest
import torch
from support.models import SEEDS, C, D, K, L, permute_components, perturb, redraw_noise, small_batch, small_model

from gmvae.nn.objective import elbo, loss
from gmvae.pipeline.errors import Refused


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(params=["network", "conjugate"])
def model(request):
    return perturb(small_model("cgmdvae", components="free", prior="learned", dirichlet=request.param)).eval()


@torch.no_grad()
def test_components_do_not_see_the_condition_and_encoder_and_decoder_do(model):
    batch = small_batch(model)
    c, other = batch.condition, batch.condition.flip(-1)
    _, _, z, w = model.posterior_draws(batch)
    y = model.q_y(z, c).exp()
    assert torch.equal(model.q_y(z, c), model.q_y(z, other)) and torch.equal(model.q_d(z, y, c), model.q_d(z, y, other))
    assert all(torch.equal(a, b) for a, b in zip(model.p_z(w, c), model.p_z(w, other), strict=True))
    assert not torch.allclose(model.p_x(z, c), model.p_x(z, other))
    assert not torch.allclose(model.embed(batch), model.embed(batch._replace(condition=other)))


@torch.no_grad()
def test_it_is_the_conditional_model_whose_components_ignore_the_condition(model):
    """Zero weights on c in the components of the conditional model, all else alike: the same terms and weights."""
    full = small_model("cgmdvae", prior="learned", dirichlet=model.dirichlet).eval()
    for mine, theirs in zip(full.parameters(), model.parameters(), strict=True):
        mine.zero_()
        mine[tuple(slice(n) for n in theirs.shape)] = theirs
    for labelled in (False, True):
        batch = small_batch(model, labelled=labelled)
        terms, expected = model.terms(batch), full.terms(batch)
        assert all(torch.allclose(terms[name], expected[name], rtol=1e-12) for name in expected)
        assert torch.allclose(model.log_weights(batch), full.log_weights(batch), rtol=1e-12)
    assert torch.allclose(model.convert(batch, 1), full.convert(batch, 1))


def test_gradients_reach_every_parameter(model):
    model.train()
    for labelled in (False, True):
        batch = small_batch(model, labelled=labelled)
        loss(model.terms(batch), batch, 1.0, 1.0).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and (parameter.grad.flatten(1) != 0).any(1).all(), name


@torch.no_grad()
def test_its_elbo_is_below_its_bound_which_is_below_log_p_x(model):
    """Up to five standard errors; log p(x|c) by quadrature over the noise of one z and one w."""
    batch = redraw_noise(small_batch(model), model, 4000)
    weights = model.log_weights(batch)
    bound, error = weights.logsumexp(1) - np.log(4000), 5 * weights.std(1) / 4000**0.5
    assert (elbo(model.terms(batch)) <= bound + error).all()
    tiny = small_model("cgmdvae", components="free", n_latent=1, n_style=1).eval()
    batch = small_batch(tiny, n=3)
    node, weight = np.polynomial.hermite_e.hermegauss(80)
    grid = torch.tensor(np.stack(np.meshgrid(node, node, indexing="ij"), -1).reshape(-1, 2))
    log_weight = torch.tensor(np.log(np.outer(weight, weight)).ravel() - np.log(2 * np.pi))
    noise = grid[None, :, None].expand(len(SEEDS), -1, 3, -1)
    log_p = (tiny.log_weights(batch._replace(noise=noise)) + log_weight[None, :, None]).logsumexp(1)
    weights = tiny.log_weights(redraw_noise(batch, tiny, 4000))
    bounds = weights.unflatten(1, (400, 10)).logsumexp(2) - np.log(10)
    assert (bounds.mean(1) <= log_p + 5 * bounds.std(1) / 20).all()
    error = (weights - (weights.logsumexp(1) - np.log(4000)).unsqueeze(1)).exp().std(1) / 4000**0.5
    assert ((weights.logsumexp(1) - np.log(4000) - log_p).abs() <= 0.05 + 5 * error).all()


@torch.no_grad()
def test_permuting_its_components_permutes_the_clusters_only(model):
    batch, order = small_batch(model, labelled=True), torch.tensor([2, 0, 1])
    before, clusters = model.terms(batch), model.cluster(batch)
    permute_components(model, order)
    after = model.terms(batch._replace(label=batch.label[..., order]))
    assert all(torch.allclose(before[name], after[name]) for name in before)
    assert torch.allclose(clusters[..., order], model.cluster(batch))


@torch.no_grad()
def test_through_w_only_the_decoder_tells_the_conditions_apart():
    model = perturb(small_model("cgmdvae", components="free")).eval()  # fixed prior: w is not carried
    batch = small_batch(model)
    before, after = model.conversion_means(batch, 1, "w")
    same = batch.condition[..., 1] == 1
    assert torch.equal(before.movedim(1, 2)[same], after.movedim(1, 2)[same])
    assert not torch.allclose(before.movedim(1, 2)[~same], after.movedim(1, 2)[~same])
    z = model.p_z(model.posterior_draws(batch)[3], batch.condition)[0]
    assert z.shape == (len(SEEDS), 2, 5, K, L) and before.shape == (len(SEEDS), 2, 5, D)


def test_an_unknown_form_of_components_is_refused():
    with pytest.raises(Refused, match=r"^cgmdvae\.components: found 'none'; allowed: conditional, free$"):
        small_model("cgmdvae", components="none", n_conditions=C)
