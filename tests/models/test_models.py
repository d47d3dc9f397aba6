"""The checks that every model of src/gmvae/models passes: the interface, and what must hold of its numbers."""

import inspect
import itertools

import numpy as np
import pytest
import torch
from support.models import (
    MODELS,
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

from gmvae.formats.likelihoods import LIKELIHOODS
from gmvae.formats.weights import build_model, load_weights, save_weights
from gmvae.models.interface import LatentModel
from gmvae.nn.objective import elbo, loss
from gmvae.nn.random_streams import make_generators
from gmvae.pipeline.code_digest import project_imports
from gmvae.pipeline.errors import Refused
from gmvae.training.schedule import Training

pytestmark = pytest.mark.parametrize("module", MODELS)
PLAN = {"epochs": 3, "batch_size": 16, "learning_rate": 0.01, "autoencode_epochs": 1, "guide_epochs": 1}


@pytest.fixture(autouse=True)
def doubles():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_a_model_file_opens_with_its_story_and_objective(module):
    text = inspect.getdoc(inspect.getmodule(type(small_model(module))))
    assert "Story" in text and "Objective" in text and "Source" in text


def test_a_model_derives_from_the_interface_and_imports_no_other_model(module):
    assert type(small_model(module)).__bases__ == (LatentModel,)
    imported = [name for name in project_imports(f"gmvae.models.{module}") if name.startswith("gmvae.models.")]
    assert imported == ["gmvae.models.__init__", "gmvae.models.interface"]


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_terms_are_finite_and_one_per_row(module, likelihood):
    model = small_model(module, likelihood)
    terms = model.terms(small_batch(model, likelihood=likelihood, labelled=True))
    assert "reconstruction" in terms
    assert all(name.startswith("kl_") or name in ("reconstruction", "label", "penalty") for name in terms)
    for name, value in terms.items():
        assert value.shape == (len(SEEDS), 5) and torch.isfinite(value).all(), name


def test_terms_are_deterministic_in_their_batch(module):
    model = perturb(small_model(module)).eval()
    batch = small_batch(model)
    first, second = model.terms(batch), model.terms(batch)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_gradients_reach_every_parameter(module):
    model = perturb(small_model(module))
    batch, labelled = small_batch(model), small_batch(model, labelled=True)
    losses = loss(model.terms(batch), batch, 1.0, 1.0) + loss(model.terms(labelled), labelled, 1.0, 1.0)
    losses.sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and (parameter.grad.flatten(1) != 0).any(1).all(), name


def test_elbo_is_at_most_the_importance_weighted_bound(module):
    """The means over many draws, up to five standard errors of their difference."""
    model = perturb(small_model(module)).eval()
    batch = redraw_noise(small_batch(model), model, 2000)
    if not model.has_bound:
        with pytest.raises(Refused, match=f"^{module}: .*prior"):
            model.log_weights(batch)
        return
    with torch.no_grad():
        weights = model.log_weights(batch)  # S, k, B
        bounds = weights.unflatten(1, (200, 10)).logsumexp(2) - np.log(10)
        lower = elbo(model.terms(batch))
    error = 5 * (bounds.std(1) / 200**0.5 + weights.std(1) / 2000**0.5)
    assert (lower <= bounds.mean(1) + error).all()


def test_importance_weighted_bound_is_at_most_log_p_x(module):
    """log p(x) by Gauss-Hermite quadrature over the noise, which turns E over q of p/q into p(x)."""
    model = small_model(module, n_latent=1, **({"n_style": 1} if "n_style" in keywords(module) else {})).eval()
    if not model.has_bound:
        pytest.skip("the model has no bound on log p(x)")
    assert model.n_noise <= 2
    batch = small_batch(model, n=3)
    node, weight = np.polynomial.hermite_e.hermegauss(80)
    grid = torch.tensor(list(itertools.product(node, repeat=model.n_noise)))  # 80^n, n
    log_weight = torch.tensor([np.log(w).sum() for w in itertools.product(weight, repeat=model.n_noise)])
    log_weight = log_weight - model.n_noise * 0.5 * np.log(2 * np.pi)
    noise = grid[None, :, None, :].expand(len(SEEDS), -1, 3, -1)
    with torch.no_grad():
        log_p = (model.log_weights(batch._replace(noise=noise)) + log_weight[None, :, None]).logsumexp(1)
        weights = model.log_weights(redraw_noise(batch, model, 4000))
    bounds = weights.unflatten(1, (400, 10)).logsumexp(2) - np.log(10)
    assert (bounds.mean(1) <= log_p + 5 * bounds.std(1) / 20).all()
    many = weights.logsumexp(1) - np.log(4000)
    error = (weights - many.unsqueeze(1)).exp().std(1) / 4000**0.5  # relative: a few rows have heavy-tailed weights
    assert ((many - log_p).abs() <= 0.1 + 5 * error).all()


def keywords(module):
    return inspect.signature(type(small_model(module)).__init__).parameters


def test_a_batch_split_in_two_gives_the_same_terms(module):
    model = perturb(small_model(module)).eval()
    batch = small_batch(model, n=6)
    whole = model.terms(batch)
    parts = [
        batch._replace(**{name: batch_rows(value, name, rows) for name, value in batch._asdict().items()})
        for rows in HALVES
    ]
    halves = [model.terms(part) for part in parts]
    for name, value in whole.items():
        assert torch.allclose(value, torch.cat([half[name] for half in halves], 1), rtol=1e-10, atol=1e-10)


HALVES = (slice(0, 2), slice(2, 6))


def batch_rows(value, name, rows):
    if value is None:  # no view
        return None
    return value[:, :, rows] if name == "noise" else value[:, rows]


def test_permuting_components_permutes_the_clusters_only(module):
    model = perturb(small_model(module)).eval()
    if not model.has_components:
        pytest.skip("the model has no components")
    batch, order = small_batch(model, labelled=True), torch.tensor([2, 0, 1])
    hidden = small_batch(model)
    before = model.terms(batch), model.terms(hidden), model.cluster(batch)
    permute_components(model, order)
    batch = batch._replace(label=batch.label[..., order])
    after = model.terms(batch), model.terms(hidden), model.cluster(batch)
    for old, new in zip(before[:2], after[:2], strict=True):
        assert all(torch.allclose(old[name], new[name]) for name in old)
    assert torch.allclose(before[2][..., order], after[2])


def test_labelled_and_hidden_rows_share_a_batch(module):
    """The terms of each row are those in a batch where all rows are labelled, or none."""
    model = perturb(small_model(module)).eval()
    labelled, hidden = small_batch(model, labelled=True), small_batch(model)
    with_label = torch.tensor([True, False, False, True, False]).expand(len(SEEDS), -1)
    mixed = labelled._replace(label=torch.where(with_label.unsqueeze(-1), labelled.label, hidden.label))
    terms, of_labelled, of_hidden = model.terms(mixed), model.terms(labelled), model.terms(hidden)
    for name, value in terms.items():
        assert torch.allclose(value, torch.where(with_label, of_labelled[name], of_hidden[name])), name


@pytest.mark.parametrize("sizes", [{"n_components": 1}, {"n_features": 1}], ids=["one component", "one feature"])
def test_the_smallest_sizes_work(module, sizes):
    model = small_model(module, **sizes)
    batch = small_batch(model, n=1, **sizes)
    terms = model.terms(batch)
    assert all(torch.isfinite(value).all() for value in terms.values())
    if model.has_components and sizes.get("n_components") == 1:
        for name in ("kl_y", "kl_d"):
            assert torch.allclose(terms.get(name, torch.zeros(1)), torch.zeros(1))
        assert torch.allclose(model.cluster(batch), torch.ones(len(SEEDS), 1, 1))


def train_small_model(module, seeds, **changes):
    training = Training(**(PLAN | changes))
    rows = blob_rows(n_seeds=len(seeds))
    model = small_model(module, seeds=seeds)
    return model, train_model(model, rows, training, seeds)


def test_seeds_together_equal_seeds_alone_in_float64(module):
    _, together = train_small_model(module, SEEDS)
    for seed in SEEDS:
        _, alone = train_small_model(module, [seed])
        same = together[together["seed"] == seed].reset_index(drop=True)
        assert list(same["phase"]) == list(alone["phase"])
        numbers = [column for column in same if column != "phase"]
        assert np.allclose(same[numbers], alone[numbers], rtol=0, atol=1e-10)


def test_seeds_together_equal_seeds_alone_over_50_steps_in_float32(module):
    torch.set_default_dtype(torch.float32)
    plan = {"epochs": 12, "learning_rate": 1e-3, "autoencode_epochs": 0, "guide_epochs": 0}  # 4 steps an epoch
    _, together = train_small_model(module, SEEDS, **plan)
    for seed in SEEDS:
        _, alone = train_small_model(module, [seed], **plan)
        same = together[together["seed"] == seed].reset_index(drop=True)
        numbers = [column for column in same if column != "phase"]
        scale = np.maximum(1, np.abs(alone[numbers]))
        assert (np.abs(same[numbers].to_numpy() - alone[numbers].to_numpy()) / scale).to_numpy().max() < 1e-5


def test_the_same_seed_gives_the_same_bytes(module, tmp_path):
    for name in ("a", "b"):
        model, history = train_small_model(module, SEEDS)
        save_weights(model, module, {}, tmp_path / f"{name}.safetensors")
        history.to_csv(tmp_path / f"{name}.csv")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_saved_and_loaded_model_computes_the_same(module, tmp_path):
    arguments = {"n_features": D, "likelihood": "normal", "seeds": SEEDS, "n_components": K, "n_conditions": C}
    model = perturb(build_model(module, arguments)).eval()
    save_weights(model, module, arguments, tmp_path / "weights.safetensors")
    again, described = load_weights(tmp_path / "weights.safetensors", torch.device("cpu"))
    assert described == {"module": module, "arguments": arguments}
    batch = small_batch(model)
    before, after = model.terms(batch), again.terms(batch)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(model.embed(batch), again.embed(batch))


def test_clusters_are_probabilities_or_refused(module):
    model = small_model(module)
    batch = small_batch(model, k=4)
    if not model.has_components:
        with pytest.raises(Refused, match=f"^{module}: .*component"):
            model.cluster(batch)
        return
    q = model.cluster(batch)
    assert q.shape == (len(SEEDS), 5, K) and (q >= 0).all()
    assert torch.allclose(q.sum(-1), torch.ones(len(SEEDS), 5))


def test_latent_and_decoded_rows_have_the_right_shapes(module):
    model = small_model(module, "negative_binomial")
    batch = small_batch(model, likelihood="negative_binomial")
    z = model.embed(batch)
    assert z.shape == (len(SEEDS), 5, L)
    size = batch.target.sum(-1, keepdim=True).clamp(min=1)
    mean = model.decode(z, batch.condition, size)
    assert mean.shape == batch.target.shape
    assert (mean >= 0).all() or model.p.name == "normal"  # a squared error, whatever the data


def test_samples_are_rows_of_the_latent_or_refused(module):
    model = small_model(module)
    draws = make_generators(SEEDS, "sample")
    if not model.has_bound:
        with pytest.raises(Refused, match=f"^{module}: "):
            model.sample(4, draws=draws)
        return
    assert model.sample(4, draws=draws).shape == (len(SEEDS), 4, L)
    if model.has_components:
        assert model.sample(4, component=K - 1, draws=draws).shape == (len(SEEDS), 4, L)
    else:
        with pytest.raises(Refused, match=f"^{module}: .*component"):
            model.sample(4, component=0, draws=draws)


def test_a_model_converts_through_each_of_its_ways_or_refuses(module):
    model = small_model(module)
    batch = small_batch(model)
    if not model.conversions:
        with pytest.raises(Refused, match=f"^{module}: .*condition"):
            model.convert(batch, 1)
        return
    model.conclude(blob_rows())
    for through in (None, *model.conversions):
        assert model.convert(batch, 1, through).shape == batch.target.shape
    assert torch.equal(model.convert(batch, 1), model.convert(batch, 1, model.conversions[0]))
    with pytest.raises(Refused, match=rf"^{module}\.convert: found 'y'; allowed: {', '.join(model.conversions)}$"):
        model.convert(batch, 1, "y")


def test_a_model_has_style_and_plane_as_it_says_or_refuses(module):
    model = small_model(module)
    batch = small_batch(model)
    calls = {"style": (model.has_style, lambda: model.style(batch)), "plane": (model.is_linear, model.plane)}
    shapes = {"style": (len(SEEDS), 5, 2), "plane": (len(SEEDS), D, L)}
    for name, (works, call) in calls.items():
        if works:
            assert call().shape == shapes[name]
        else:
            with pytest.raises(Refused, match=f"^{module}: .*; use "):
                call()


def test_attributes_that_training_changes_are_in_the_training_state(module):
    """A checkpoint holds parameters, buffers and `training_state`; nothing else of a model may change."""
    model = small_model(module)
    before = plain_attributes(model)
    train_model(model, blob_rows(), Training(**PLAN), SEEDS)
    changed = {name for name, value in plain_attributes(model).items() if before.get(name) != value}
    assert len(changed) == len(model.training_state())


def plain_attributes(model):
    """The attributes of the model and its parts that are neither parameters nor buffers, as text."""
    values = {}
    for place, part in model.named_modules():
        own = {name: value for name, value in vars(part).items() if not name.startswith("_") and name != "training"}
        values |= {f"{place}.{name}": repr(value) for name, value in own.items()}
    return values
