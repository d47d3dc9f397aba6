"""The models with views: what ELBO(x; v) is of v = x, that it is a bound for any v, and what a view leaves alone."""

import pytest
import torch
from support.models import MODELS, SEEDS, K, permute_components, perturb, redraw_noise, small_batch, small_model

from gmvae.nn.batches import View
from gmvae.nn.divergences import log_normal
from gmvae.nn.mixtures import draw_z_and_w
from gmvae.nn.objective import elbo, loss
from gmvae.nn.random_streams import draw_normals, make_generators

VARIANTS = [
    ("gmvae", {"mixture_kl": "closed"}),
    ("gmvae", {"mixture_kl": "sampled"}),
    ("gmdvae", {"mixture_kl": "closed"}),
    ("gmdvae", {"mixture_kl": "sampled"}),
    ("gmdvae", {"dirichlet": "conjugate", "mixture_kl": "sampled"}),
    ("gmdvae_joint", {}),
    ("gmdvae_joint", {"mixture_kl": "sampled"}),
    ("gmdvae_shared", {}),
    ("gmdvae_shared", {"mixture_kl": "sampled"}),
    ("cgmdvae", {"mixture_kl": "sampled"}),
    ("cgmdvae", {"dirichlet": "conjugate", "prior": "learned"}),
    ("vade", {"gamma": "paper"}),
    ("vade", {"gamma": "optimal"}),
    ("m2", {}),
]
IDS = [f"{module}-{'-'.join(settings.values())}" for module, settings in VARIANTS]
every_variant = pytest.mark.parametrize(("module", "settings"), VARIANTS, ids=IDS)


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def of_itself(batch):
    """The batch whose view is the rows themselves, with the same noise."""
    return batch._replace(view=View(batch.x, batch.condition, batch.noise))


def with_view(batch):
    """The batch whose view is another row, moved, under that row's condition."""
    noise = draw_normals(make_generators(SEEDS, "view"), *batch.noise.shape[1:])
    return batch._replace(view=View(batch.x.roll(1, 1) + 0.3, batch.condition.roll(1, 1), noise))


def model_and_batch(module, settings, labelled=False):
    model = perturb(small_model(module, **settings)).eval()
    return model, small_batch(model, labelled=labelled)


def test_the_models_that_take_views():
    takers = {module for module in MODELS if small_model(module).takes_views}
    assert takers == {module for module, _ in VARIANTS}
    assert all(small_model(module).has_components for module in takers)


@pytest.mark.parametrize("module", MODELS)
def test_a_model_that_takes_no_views_ignores_them(module):
    model, batch = model_and_batch(module, {})
    terms, plain = model.terms(with_view(batch)), model.terms(batch)
    same = all(torch.equal(terms[name], plain[name]) for name in plain)
    assert same != model.takes_views and ("information" in terms) == model.takes_views
    assert "information" not in plain


@torch.no_grad()
@every_variant
def test_with_the_row_as_its_own_view_and_the_same_noise_the_elbo_is_the_elbo(module, settings):
    for labelled in (False, True):
        model, batch = model_and_batch(module, settings, labelled)
        plain, terms = model.terms(batch), model.terms(of_itself(batch))
        assert all(torch.allclose(terms[name], plain[name], rtol=1e-12) for name in plain)
        assert torch.allclose(elbo(terms), elbo(plain))


@torch.no_grad()
@every_variant
def test_for_any_view_the_elbo_is_in_expectation_not_above_the_bound(module, settings):
    model, batch = model_and_batch(module, settings)
    batch = with_view(redraw_noise(batch, model, 2000))
    weights = model.log_weights(batch)  # S, k, B
    bounds = weights.unflatten(1, (200, 10)).logsumexp(2) - torch.tensor(10.0).log()
    error = 5 * (bounds.std(1) / 200**0.5 + weights.std(1) / 2000**0.5)
    assert (elbo(model.terms(batch)) <= bounds.mean(1) + error).all()


@torch.no_grad()
@pytest.mark.parametrize(
    ("module", "settings"), [v for v in VARIANTS if v[1].get("mixture_kl") == "sampled"], ids=lambda v: str(v)
)
def test_with_sampled_kl_z_no_draw_is_above_its_weight(module, settings):
    """With the log-ratio of w at the draw in place of the closed kl_w; for 50 draws of z, w and the view's own."""
    model, batch = model_and_batch(module, settings)
    for number in range(50):
        draw = with_view(redraw_noise(batch, model, 1, f"draw {number}"))
        if module == "cgmdvae":
            _, q_w, _, w = model.posterior_draws(draw)
        else:
            q_w = model.q_w(draw.x)
            _, w = draw_z_and_w(model.q_z(draw.x), q_w, draw.noise)
        terms = model.terms(draw)
        log_ratio = log_normal(w) - log_normal(w, *(moment.unsqueeze(1) for moment in q_w))
        of_draw = elbo(terms) + terms["kl_w"] + log_ratio[:, 0]
        assert (of_draw <= model.log_weights(draw)[:, 0] + 1e-9).all()


@torch.no_grad()
@every_variant
def test_a_labelled_row_has_its_label_and_learns_from_both_looks(module, settings):
    model, batch = model_and_batch(module, settings, labelled=True)
    viewed = with_view(batch)
    plain, terms = model.terms(batch), model.terms(viewed)
    for name in plain.keys() - {"label"}:
        assert torch.allclose(terms[name], plain[name]), name
    as_rows = batch._replace(x=viewed.view.x, condition=viewed.view.condition, noise=viewed.view.noise)
    assert torch.allclose(terms["label"], (plain["label"] + model.terms(as_rows)["label"]) / 2)


@torch.no_grad()
@every_variant
def test_unlabelled_rows_use_the_mean_of_the_two_class_probabilities(module, settings):
    """A row with a one-hot of class j has the terms of class j; kl_z is linear in the class probabilities."""
    model, batch = model_and_batch(module, settings)
    batch = batch._replace(noise=batch.noise[:, :1])
    viewed = with_view(batch)
    q = (model.cluster(batch) + model.cluster(batch._replace(**viewed.view._asdict()))) / 2  # S, B, K
    of_class = [model.terms(batch._replace(label=torch.eye(K)[j].expand_as(q)))["kl_z"] for j in range(K)]
    assert torch.allclose(model.terms(viewed)["kl_z"], (q * torch.stack(of_class, -1)).sum(-1))


@every_variant
def test_gradients_of_a_batch_with_views_are_finite_and_reach_every_parameter(module, settings):
    model, batch = model_and_batch(module, settings)
    label = small_batch(model, labelled=True).label
    label[:, 2:] = 0
    batch = with_view(batch)._replace(label=label)
    loss(model.train().terms(batch), batch, 1.0, 1.0, 1.0).sum().backward()
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all() and (parameter.grad.flatten(1) != 0).any(1).all(), name


@torch.no_grad()
@every_variant
def test_permuting_components_and_labels_changes_no_term_of_a_batch_with_views(module, settings):
    model, batch = model_and_batch(module, settings, labelled=True)
    batch, order = with_view(batch), torch.tensor([2, 0, 1])
    batch.label[:, 2:] = 0
    before = model.terms(batch)
    permute_components(model, order)
    after = model.terms(batch._replace(label=batch.label[..., order]))
    assert all(torch.allclose(before[name], after[name]) for name in before)


@torch.no_grad()
@every_variant
def test_a_batch_with_views_split_in_two_gives_the_same_terms(module, settings):
    """All but the information, which is the batch's."""
    model, batch = model_and_batch(module, settings)
    batch = with_view(batch)
    whole = model.terms(batch)
    halves = [model.terms(take(batch, rows)) for rows in (slice(0, 2), slice(2, 5))]
    for name in whole.keys() - {"information"}:
        assert torch.allclose(whole[name], torch.cat([half[name] for half in halves], 1), rtol=1e-10), name
    assert (whole["information"] == whole["information"][:, :1]).all()


def take(batch, rows):
    """Some rows of a batch and of its view."""
    parts = {name: value[:, rows] for name, value in batch._asdict().items() if name not in ("noise", "view")}
    view = View(batch.view.x[:, rows], batch.view.condition[:, rows], batch.view.noise[:, :, rows])
    return batch._replace(**parts, noise=batch.noise[:, :, rows], view=view)


def test_a_smallest_kl_y_holds_with_views_too():
    model = perturb(small_model("gmvae", kl_y_floor=2.0)).train()
    assert (model.terms(with_view(small_batch(model)))["kl_y"] >= 2.0).all()
