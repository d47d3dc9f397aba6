"""Conditional models: their terms, the limits in which the condition has no effect, conversion, and mixing in w."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from support.models import SEEDS, C, D, K, L, perturb, redraw_noise, small_batch, small_model, train_model
from torch.distributions import Categorical, Dirichlet, Independent, MixtureSameFamily, Normal, kl_divergence

from gmvae.data.readers.toy import read
from gmvae.formats.weights import build_model
from gmvae.nn.batches import one_hot, rows_from_dataset
from gmvae.nn.inference import apply_to_rows, cluster_rows
from gmvae.nn.objective import elbo
from gmvae.nn.random_streams import make_generators
from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import conditions
from gmvae.training.schedule import Training


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def model_and_batch(module, k=2, **settings):
    """A model in evaluation mode, by default with a learned prior, and a batch."""
    model = perturb(small_model(module, **({"prior": "learned"} | settings))).eval()
    return model, small_batch(model, k=k)


def diagonal(mean, log_variance):
    return Independent(Normal(mean, (log_variance / 2).exp()), 1)


def by_draw(density, draws):
    """log-densities of draws [S, k, B, L] under a density with batch shape [S, B], [S, k, B]."""
    return torch.stack([density.log_prob(draw) for draw in draws.unbind(1)], 1)


def append_rows(h, condition):
    """h with the condition behind it, draw by draw."""
    if h.dim() == 3:
        return torch.cat([h, condition], -1)
    return torch.stack([torch.cat([draw, condition], -1) for draw in h.unbind(1)], 1)


# ------------------------------------------------------------------------------------------------------------- cvae


@torch.no_grad()
@pytest.mark.parametrize("prior", ["fixed", "learned"])
def test_cvae_terms_and_weights_are_those_of_the_densities(prior):
    model, batch = model_and_batch("cvae", prior=prior)
    q_z = diagonal(*model.q(append_rows(batch.x, batch.condition)))
    zeros = torch.zeros(len(SEEDS), 5, L)
    p_z = diagonal(*model.z_given_c(batch.condition)) if prior == "learned" else diagonal(zeros, zeros)
    z = q_z.mean.unsqueeze(1) + q_z.stddev.unsqueeze(1) * batch.noise
    log_p_x = Normal(model.decoder(append_rows(z, batch.condition)), 1.0).log_prob(batch.target.unsqueeze(1)).sum(-1)
    terms = model.terms(batch)
    assert torch.allclose(terms["reconstruction"], log_p_x.mean(1))
    assert torch.allclose(terms["kl_z"], kl_divergence(q_z, p_z))
    assert torch.allclose(model.log_weights(batch), log_p_x + by_draw(p_z, z) - by_draw(q_z, z))


@torch.no_grad()
def test_cvae_kl_z_is_its_monte_carlo_mean():
    model, batch = model_and_batch("cvae")
    q_z, p_z = diagonal(*model.q_z(batch)), diagonal(*model.p_z(batch.condition))
    torch.manual_seed(0)
    z = q_z.sample((40_000,))
    each = q_z.log_prob(z) - p_z.log_prob(z)
    assert ((each.mean(0) - model.terms(batch)["kl_z"]).abs() < 5 * each.std(0) / 200).all()


@torch.no_grad()
def test_cvae_fixed_prior_one_condition_condition_weights_0_is_vae_s_terms():
    model, vae = perturb(small_model("cvae", n_conditions=1)), perturb(small_model("vae"))
    for mine, theirs in zip(model.parameters(), vae.parameters(), strict=True):
        mine.zero_()
        mine[tuple(slice(n) for n in theirs.shape)] = theirs  # the condition's weights, the last inputs, stay 0
    batch = small_batch(vae)
    with_condition = batch._replace(condition=torch.ones(len(SEEDS), 5, 1))
    mine, theirs = model.terms(with_condition), vae.terms(batch)
    assert mine.keys() == theirs.keys()
    assert all(torch.allclose(mine[name], theirs[name], rtol=1e-12) for name in theirs)
    assert torch.allclose(model.log_weights(with_condition), vae.log_weights(batch), rtol=1e-12)


@torch.no_grad()
def test_cvae_with_a_learned_prior_is_indifferent_to_a_shift_of_a_condition():
    """Encoder and prior may move z of each condition elsewhere, and the decoder undo it; conversion does not notice."""
    model, batch = model_and_batch("cvae", n_layers=0)
    before, converted = model.terms(batch), model.convert(batch, 1)
    shift = torch.tensor([[1.5, -0.7], [-2.0, 0.4]])  # C, L
    model.q.network[0].weight[:, D:, :L] += shift
    model.z_given_c.network[0].weight[..., :L] += shift
    model.decoder[0].weight[:, L:] -= shift @ model.decoder[0].weight[:, :L]
    after = model.terms(batch)
    assert all(torch.allclose(before[name], after[name]) for name in before)
    assert torch.allclose(model.convert(batch, 1), converted)


@torch.no_grad()
def test_conversion_of_cvae_carries_z_by_its_standard_scores():
    model, batch = model_and_batch("cvae", k=1)
    z = model.q_z(batch)[0] + (model.q_z(batch)[1] / 2).exp() * batch.noise[:, 0]
    new = one_hot(torch.full((len(SEEDS), 5), 1), C)
    old_prior, new_prior = diagonal(*model.p_z(batch.condition)), diagonal(*model.p_z(new))
    scores = (z - old_prior.mean) / old_prior.stddev
    moved = new_prior.mean + new_prior.stddev * scores
    assert torch.allclose(model.convert(batch, 1), model.decoder(torch.cat([moved, new], -1)))
    same = batch.condition[..., 1] == 1  # rows that have the wanted condition already keep their z
    assert torch.allclose(moved[same], z[same])


def test_a_decoder_without_condition_cannot_convert():
    model, batch = model_and_batch("cvae", decode_condition=False)
    with pytest.raises(Refused, match=r"^cvae: .*does not see the condition"):
        model.convert(batch, 1)
    other = batch._replace(condition=batch.condition.flip(-1))
    z = model.embed(batch)
    assert torch.equal(model.decode(z, batch.condition, z), model.decode(z, other.condition, z))


# ---------------------------------------------------------------------------------------------------------- cgmdvae


@torch.no_grad()
@pytest.mark.parametrize("prior", ["fixed", "learned"])
def test_cgmdvae_terms_are_those_of_the_densities(prior):
    model, batch = model_and_batch("cgmdvae", prior=prior, mixture_kl="sampled", alpha=0.7)
    c, (_, _, z, w), terms = batch.condition, model.posterior_draws(batch), model.terms(batch)
    q_z, q_w = (diagonal(*net(append_rows(batch.x, c))) for net in (model.z_given_x, model.w_given_x))
    zeros = torch.zeros(len(SEEDS), 5, 2)
    p_w = diagonal(*model.w_given_c(c)) if prior == "learned" else diagonal(zeros, zeros)
    components = diagonal(*model.z_given_w(append_rows(w, c)))  # S, k, B, K
    q_y = Categorical(logits=model.y_logits(append_rows(z, c)))
    q_d = Dirichlet(model.q_d(z, q_y.probs, c))
    log_p_z = (q_y.probs * components.log_prob(z.unsqueeze(-2))).sum(-1)
    assert torch.allclose(z, q_z.mean.unsqueeze(1) + q_z.stddev.unsqueeze(1) * batch.noise[..., :L])
    assert torch.allclose(w, q_w.mean.unsqueeze(1) + q_w.stddev.unsqueeze(1) * batch.noise[..., L:])
    assert torch.allclose(terms["kl_w"], kl_divergence(q_w, p_w))
    assert torch.allclose(terms["kl_z"], (by_draw(q_z, z) - log_p_z).mean(1))
    assert torch.allclose(terms["kl_d"], kl_divergence(q_d, Dirichlet(torch.full((K,), 0.7))).mean(1))
    decoded = Normal(model.decoder(append_rows(z, c)), 1.0)
    assert torch.allclose(terms["reconstruction"], decoded.log_prob(batch.target.unsqueeze(1)).sum(-1).mean(1))
    mixture = MixtureSameFamily(Categorical(torch.full((*z.shape[:-1], K), 1 / K)), components)
    log_p = decoded.log_prob(batch.target.unsqueeze(1)).sum(-1) + mixture.log_prob(z) + by_draw(p_w, w)
    assert torch.allclose(model.log_weights(batch), log_p - by_draw(q_z, z) - by_draw(q_w, w))


@torch.no_grad()
def test_cgmdvae_closed_kl_z_and_kl_w_are_monte_carlo_means():
    """The closed kl_z over a z that is drawn apart from the one that q(y|z,c) is read at."""
    model, batch = model_and_batch("cgmdvae")
    (q_z, q_w, z, w), terms = model.posterior_draws(batch), model.terms(batch)
    q_y, components = model.q_y(z, batch.condition).exp(), model.p_z(w, batch.condition)
    torch.manual_seed(0)
    other = diagonal(*q_z).sample((40_000,)).unsqueeze(2)  # draws, S, 1, B, L
    log_p = sum(q_y[..., j] * diagonal(*(m[..., j, :] for m in components)).log_prob(other) for j in range(K))
    each = (diagonal(*q_z).log_prob(other.squeeze(2)).unsqueeze(2) - log_p).mean(2)
    assert ((each.mean(0) - terms["kl_z"]).abs() < 5 * each.std(0) / 200).all()
    style = diagonal(*q_w).sample((40_000,))
    each = diagonal(*q_w).log_prob(style) - diagonal(*model.p_w(batch.condition)).log_prob(style)
    assert ((each.mean(0) - terms["kl_w"]).abs() < 5 * each.std(0) / 200).all()


@torch.no_grad()
@pytest.mark.parametrize("dirichlet", ["network", "conjugate"])
def test_cgmdvae_fixed_prior_one_condition_condition_weights_0_is_gmdvae_s_terms(dirichlet):
    model = perturb(small_model("cgmdvae", n_conditions=1, dirichlet=dirichlet))
    plain = perturb(small_model("gmdvae", dirichlet=dirichlet))
    for mine, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        mine.zero_()
        mine[tuple(slice(n) for n in theirs.shape)] = theirs
    for labelled in (False, True):
        batch = small_batch(plain, labelled=labelled)
        with_condition = batch._replace(condition=torch.ones(len(SEEDS), 5, 1))
        mine, theirs = model.terms(with_condition), plain.terms(batch)
        assert all(torch.allclose(mine[name], theirs[name], rtol=1e-10) for name in theirs)
        assert torch.allclose(model.cluster(with_condition), plain.cluster(batch))
        assert torch.allclose(model.log_weights(with_condition), plain.log_weights(batch))


@torch.no_grad()
@pytest.mark.parametrize("mixture_kl", ["closed", "sampled"])
def test_both_objectives_of_cgmdvae_are_below_its_bound(mixture_kl):
    model, batch = model_and_batch("cgmdvae", mixture_kl=mixture_kl)
    batch = redraw_noise(batch, model, 4000)
    weights = model.log_weights(batch)
    bound, error = weights.logsumexp(1) - np.log(4000), 5 * weights.std(1) / 4000**0.5
    assert (elbo(model.terms(batch)) <= bound + error).all()


@torch.no_grad()
def test_conversion_through_z_keeps_z_and_through_w_remakes_it():
    model, batch = model_and_batch("cgmdvae", k=1)
    z, w = (draw[:, 0] for draw in model.posterior_draws(batch)[2:])
    new = one_hot(torch.full((len(SEEDS), 5), 1), C)
    kept = model.decoder(torch.cat([z, new], -1))
    assert torch.allclose(model.convert(batch, 1, through="z"), kept)
    old_prior, new_prior = diagonal(*model.p_w(batch.condition)), diagonal(*model.p_w(new))
    carried = new_prior.mean + new_prior.stddev * (w - old_prior.mean) / old_prior.stddev
    means, _ = model.z_given_w(torch.cat([carried, new], -1))  # S, B, K, L
    best = model.cluster(batch).argmax(-1)
    made_anew = torch.stack([torch.stack([means[s, b, best[s, b]] for b in range(5)]) for s in range(len(SEEDS))])
    assert torch.allclose(model.convert(batch, 1), model.decoder(torch.cat([made_anew, new], -1)))
    many = redraw_noise(batch, model, 7)
    average = torch.stack([model.convert(many._replace(noise=many.noise[:, i : i + 1]), 0, "z") for i in range(7)])
    assert torch.allclose(model.convert(many, 0, "z"), average.mean(0))


@torch.no_grad()
def test_samples_of_a_component_and_condition_follow_their_densities():
    """The mean over draws of w against the mean over many more, up to five standard errors."""
    model, _ = model_and_batch("cgmdvae")
    z = model.sample(20_000, component=1, condition=1, draws=make_generators(SEEDS, "sample"))
    c = one_hot(torch.full((len(SEEDS), 20_000), 1), C)
    torch.manual_seed(3)
    w = diagonal(*model.p_w(c)).sample()
    mean, log_variance = (moment[..., 1, :] for moment in model.p_z(w, c))
    expected, spread = mean.mean(1), (mean.var(1) + log_variance.exp().mean(1)).sqrt()
    assert ((z.mean(1) - expected).abs() < 5 * spread * (2 / 20_000) ** 0.5).all()


@pytest.mark.parametrize("module", ["cvae", "cgmdvae"])
def test_a_data_set_without_conditions_and_an_unknown_one_are_refused(module):
    with pytest.raises(Refused, match=f"^{module}: .*without conditions"):
        small_model(module, n_conditions=0)
    with pytest.raises(Refused, match=rf"^{module}\.prior: found 'free'.*fixed, learned"):
        small_model(module, prior="free")
    model, batch = model_and_batch(module)
    for call in (
        lambda: model.convert(batch, C),
        lambda: model.sample(3, condition=C, draws=make_generators(SEEDS, "s")),
    ):
        with pytest.raises(Refused, match=f"^{module}: condition: found {C}; allowed: 0 to {C - 1}"):
            call()


# ----------------------------------------------------------------------------------------------------------- on toy


@pytest.fixture(scope="module")
def on_toy():
    """The unsupervised model with ten seeds on the toy set, its rows, and which are held out."""
    torch.set_default_dtype(torch.float32)
    toy, seeds = read(), list(range(10))
    model = build_model(
        "cgmdvae",
        {"n_features": 16, "likelihood": "normal", "seeds": seeds, "n_components": 5, "n_conditions": 2}
        | {"n_latent": 4, "n_hidden": 64},
    )
    rows = rows_from_dataset(toy, np.full(toy.n_obs, -1), len(seeds), 5, torch.device("cpu"))
    plan = Training(
        epochs=45, batch_size=128, learning_rate=1e-3, schedule="cosine", autoencode_epochs=10, guide_epochs=15
    )
    train_model(model, rows, plan, seeds)
    return model, rows, toy


def test_unsupervised_conditional_model_finds_the_toy_classes_in_every_seed(on_toy):
    model, rows, toy = on_toy
    torch.set_default_dtype(torch.float32)
    truth = toy.obs["label"].cat.codes.to_numpy()
    for clusters in cluster_rows(model, rows, None).argmax(-1).numpy():
        pairs = set(zip(clusters, truth, strict=True))
        assert len(pairs) == 5 and len({component for component, _ in pairs}) == 5  # one component for each class


def test_conditions_mix_in_w_under_the_fixed_prior(on_toy):
    """15 neighbours in draws of w tell the condition as chance does: half of the rows, up to 5 standard errors."""
    model, rows, toy = on_toy
    torch.set_default_dtype(torch.float32)
    w = apply_to_rows(
        lambda batch: model.posterior_draws(batch)[3][:, 0], rows, model, make_generators(list(range(10)), "style")
    ).numpy()
    condition = toy.obs["condition"].cat.codes.to_numpy()
    train = np.random.default_rng(0).permutation(len(condition)) < len(condition) // 2
    scores = [
        KNeighborsClassifier(15).fit(one[train], condition[train]).score(one[~train], condition[~train]) for one in w
    ]
    error = 0.5 / np.sqrt((~train).sum())
    assert abs(np.mean(scores) - 0.5) < 5 * error
    means = apply_to_rows(model.style, rows, model, None).numpy()
    assert np.mean([conditions.condition_accuracy(one, condition, train) for one in means]) < 0.65
