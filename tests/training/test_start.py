"""A model of counts starts at the data: its profile and dispersions against NumPy, and what it may not depend on."""

import numpy as np
import pytest
import torch
from scipy import sparse
from support.models import MODELS, C, D, K, L, perturb, small_batch, small_model

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.formats.weights import takes_components
from gmvae.nn.batches import Rows
from gmvae.nn.objective import loss
from gmvae.nn.row_packing import pack_counts
from gmvae.pipeline.errors import Refused
from gmvae.training import start
from gmvae.training.start import balanced_profiles, condition_profiles, profile_and_dispersion, start_at_data

N, SEEDS = 90, [3, 11]
COUNT_MODELS = [module for module in MODELS if takes_components(module)]
CONDITIONAL = ["cvae", "cgmdvae"]


@pytest.fixture(autouse=True)
def doubles(monkeypatch):
    monkeypatch.setattr(start, "BLOCK", 16)  # several blocks
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def counts_of_types(seed=0):
    """Overdispersed counts [N, D] of K types, one of them never under the second condition; one gene is not seen."""
    draws = np.random.default_rng(seed)
    label, condition = np.arange(N) % K, (np.arange(N) // K) % C
    condition[label == 0] = 0
    means = draws.lognormal(0.5, 1, (K, D)) * np.where(np.arange(D) == 2, 3, 1) ** condition[:, None, None]
    counts = draws.poisson(means[np.arange(N), label] * draws.gamma(2, 0.5, (N, D)))
    counts[:, 4] = 0
    return counts.astype(np.float32), label, condition


def count_rows(label_shown=True, sparse_counts=True, n_conditions=C, order=slice(None)):
    """The rows of these counts, as CSR or dense."""
    counts, label, condition = (part[order] for part in counts_of_types())
    condition = condition if n_conditions > 1 else condition * 0
    target = torch.as_tensor(counts)
    if sparse_counts:
        matrix = sparse.csr_matrix(counts)
        target = pack_counts(matrix, matrix, np.arange(N), torch.device("cpu"))[1]
    shown = torch.as_tensor(label if label_shown else np.full(N, -1))
    return Rows(target, target, torch.as_tensor(condition), shown.expand(len(SEEDS), -1), n_conditions, K)


def profile(counts):
    return (counts.sum(0) + 0.5) / (counts.sum() + counts.shape[1] / 2)


def started_model(module, likelihood="negative_binomial", rows=None, **options):
    rows = count_rows() if rows is None else rows
    model = small_model(module, likelihood, seeds=SEEDS, n_conditions=rows.n_conditions, n_inputs=4)
    start_at_data(model, rows, **options)
    return model


def decoded_profiles(model, n_conditions=C):
    """The mean profile at random z, [S, 5, D], conditions in turn."""
    torch.manual_seed(7)
    batch = small_batch(model, likelihood="negative_binomial", n_conditions=n_conditions)
    z = 3 * torch.randn(len(SEEDS), 5, L)
    with torch.no_grad():
        mean = model.decode(z, batch.condition, torch.full((len(SEEDS), 5, 1), 1000.0))
    return mean / mean.sum(-1, keepdim=True)


@pytest.mark.parametrize("likelihood", COUNT_LIKELIHOODS)
@pytest.mark.parametrize("module", COUNT_MODELS)
def test_before_any_step_the_mean_at_every_z_has_the_training_rows_profile(module, likelihood):
    rows = count_rows(n_conditions=1)
    found = decoded_profiles(started_model(module, likelihood, rows), n_conditions=1).numpy()
    expected = profile(counts_of_types()[0].astype(float))
    assert np.abs(found - expected).max() < 1e-12
    mean = counts_of_types()[0].sum(0) / counts_of_types()[0].sum()
    assert np.abs(expected - mean).max() < 0.5 / counts_of_types()[0].sum()  # half a count: 1e-6 on a dataset


@pytest.mark.parametrize("module", CONDITIONAL)
def test_a_condition_s_bias_is_its_log_profile_less_the_mean_over_conditions(module):
    counts, _, condition = counts_of_types()
    logs = np.log([profile(counts[condition == c].astype(float)) for c in range(C)])
    expected = profile(counts.astype(float)) * np.exp(logs - logs.mean(0))  # [C, D], up to its sum
    expected /= expected.sum(1, keepdims=True)
    found = decoded_profiles(started_model(module)).numpy()
    assert np.abs(found - expected[np.arange(5) % C]).max() < 1e-12
    assert (np.abs(logs - logs.mean(0)) > 0.1).any()


def test_a_decoder_without_conditions_has_no_bias_of_them():
    model = small_model("cvae", "negative_binomial", decode_condition=False)
    assert not [name for name, _ in model.named_parameters() if "add_bias" in name]
    assert not [name for name, _ in small_model("cvae").named_parameters() if "add_bias" in name]


@pytest.mark.parametrize("sparse_counts", [True, False])
def test_profile_and_dispersion_are_those_of_numpy_on_dense_counts(sparse_counts):
    counts = counts_of_types()[0].astype(float)
    p, library = profile(counts), counts.sum(1, keepdims=True)
    mean = library * p
    r = 3 * (mean**2).sum(0) / np.maximum(((counts - mean) ** 2 - mean).sum(0), 1e-6)
    log_profile, log_r = profile_and_dispersion(count_rows(sparse_counts=sparse_counts).target)
    assert np.allclose(log_profile, np.log(p), rtol=0, atol=1e-12)
    assert np.allclose(log_r, np.log(np.clip(r, 0.1, 100)), rtol=0, atol=1e-9)
    assert ((r > 0.1) & (r < 100)).sum() >= 3  # most are inside the limits


def test_the_dispersion_of_many_draws_is_three_times_theirs():
    """Negative binomial draws around one profile, r = 0.5 and 4: moments find r within some percent."""
    draws, r = np.random.default_rng(1), np.array([0.5, 4.0, 0.5, 4.0])
    mean = np.array([20.0, 30.0, 25.0, 25.0])
    counts = draws.negative_binomial(r, r / (r + mean), (200_000, 4))
    counts[:, 2] += 10_000 - counts.sum(1)  # every library is the same, so the means are
    target = torch.as_tensor(counts.astype(np.float32))
    found = profile_and_dispersion(target)[1].exp().numpy() / 3
    assert np.abs(found[[0, 1, 3]] / r[[0, 1, 3]] - 1).max() < 0.05


def test_balanced_profiles_are_the_types_weighted_by_hand():
    counts, label, condition = counts_of_types()
    total, weights = np.zeros((C, D)), 0
    for k in range(1, K):  # type 0 is never under condition 1
        of = [(label == k) & (condition == c) for c in range(C)]
        n, m = (rows.sum() for rows in of)
        total += n * m / (n + m) * np.stack([counts[rows].sum(0) / counts[rows].sum() for rows in of])
        weights += n * m / (n + m)
    used = counts[label > 0].sum() / C
    expected = np.log((total / weights * used + 0.5) / (used + D / 2))
    assert np.allclose(balanced_profiles(count_rows()), expected, rtol=0, atol=1e-7)  # counts add up in float32 here
    assert np.abs(condition_profiles(count_rows()).numpy() - expected).max() > 0.05


def test_a_type_of_one_condition_does_not_move_the_balanced_biases():
    changed = count_rows(sparse_counts=False)
    counts = changed.target.clone()
    counts[changed.label[0] == 0] = 9
    for rows in (count_rows(), changed._replace(target=counts)):
        biases = balanced_profiles(rows) - balanced_profiles(rows).mean(0)
        assert torch.allclose(biases, balanced_profiles(count_rows()) - balanced_profiles(count_rows()).mean(0))
    with pytest.raises(Refused, match=r"training\.start: found balanced.*allowed: data, zero"):
        balanced_profiles(count_rows(label_shown=False))


@pytest.mark.parametrize("module", COUNT_MODELS)
def test_labels_do_not_change_a_byte_unless_the_start_is_balanced(module):
    shown, hidden = started_model(module), started_model(module, rows=count_rows(label_shown=False))
    assert all(torch.equal(a, b) for a, b in zip(shown.parameters(), hidden.parameters(), strict=True))
    balanced = started_model(module, balanced=True).state_dict()
    differ = [name for name, value in balanced.items() if not torch.equal(value, shown.state_dict()[name])]
    assert differ == (["add_bias.bias"] if module in CONDITIONAL else [])


@pytest.mark.parametrize("module", COUNT_MODELS)
def test_the_order_of_the_rows_and_their_form_do_not_change_a_byte(module):
    order = np.random.default_rng(0).permutation(N)
    models = [started_model(module, rows=count_rows(order=order)), started_model(module)]
    models.append(started_model(module, rows=count_rows(sparse_counts=False)))
    for parameters in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(parameters[0], parameters[1]) and torch.equal(parameters[1], parameters[2])


@pytest.mark.parametrize("module", COUNT_MODELS)
def test_gradients_reach_every_parameter_after_one_step(module):
    model = started_model(module)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        batches = [encoded_batch(model, labelled) for labelled in (False, True)]
        sum(loss(model.terms(batch), batch, 1.0, 1.0).sum() for batch in batches).backward()
        optimizer.step()
    for name, parameter in model.named_parameters():
        assert (parameter.grad.flatten(1) != 0).any(1).all(), name


def encoded_batch(model, labelled=False):
    """A batch of counts whose encoder's input is four numbers."""
    batch = small_batch(model, likelihood="negative_binomial", labelled=labelled)
    return batch._replace(x=torch.randn(len(SEEDS), 5, 4))


@pytest.mark.parametrize("likelihood", COUNT_LIKELIHOODS)
@pytest.mark.parametrize("module", COUNT_MODELS)
def test_the_encoder_s_input_may_have_another_length_than_the_counts(module, likelihood):
    model = perturb(small_model(module, likelihood, n_inputs=4)).eval()
    batch = encoded_batch(model, labelled=True)
    terms = model.terms(batch)
    assert all(value.shape == (len(SEEDS), 5) and torch.isfinite(value).all() for value in terms.values())
    assert model.embed(batch).shape == (len(SEEDS), 5, L)
    if model.has_bound:
        assert torch.isfinite(model.log_weights(batch)).all()
    if model.has_components:
        assert model.cluster(batch).shape == (len(SEEDS), 5, K)
    for through in model.conversions:
        assert model.convert(batch, 1, through).shape == (len(SEEDS), 5, D)


def test_other_likelihoods_and_models_on_logarithms_stay_as_they_are():
    for module, likelihood in (("vae", "normal"), ("scgen", "negative_binomial"), ("linear_ae", "negative_binomial")):
        model, before = (small_model(module, likelihood) for _ in range(2))
        start_at_data(model, count_rows())
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before.parameters(), strict=True))


def test_a_model_of_counts_without_a_decoder_is_refused():
    model = small_model("vae", "negative_binomial")
    del model.decoder
    with pytest.raises(Refused, match=r"vae: has no self\.decoder"):
        start_at_data(model, count_rows())
