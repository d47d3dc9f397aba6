"""scGen: its objective, dropout of each seed, and delta with both balances against numpy."""

import numpy as np
import pytest
import torch
from support.models import SEEDS, C, D, L, blob_rows, perturb, small_batch, small_model, train_model
from torch.distributions import Independent, Normal, kl_divergence

from gmvae.formats.weights import load_weights, save_weights
from gmvae.nn.inference import embed_rows
from gmvae.nn.layers import Dropout
from gmvae.nn.objective import elbo, loss
from gmvae.nn.random_streams import make_generators
from gmvae.pipeline.errors import Refused
from gmvae.training.schedule import Training

# Rows of three types under two conditions: the third type was held out of condition 1; the last two rows are unusable.
TYPE = np.array([0, 0, 0, 1, 2, 2, 0, 1, 1, 1, 1, -1, 0])
CONDITION = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, -1])


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def codes():
    """z of the rows above, another one for each seed."""
    return torch.randn(len(SEEDS), len(TYPE), L, generator=torch.Generator().manual_seed(4))


def fit_scgen(balance, z=None):
    model = small_model("scgen", balance=balance)
    label = torch.as_tensor(TYPE).expand(len(SEEDS), -1)
    model.fit_delta(codes() if z is None else z, label, torch.as_tensor(CONDITION))
    return model


def resampled_mean(z, types, size, generator):
    """The mean of z after every type has been drawn, with replacement, to the size of the largest one."""
    rows = [generator.choice(np.flatnonzero(types == t), size) for t in np.unique(types)]
    return z[np.concatenate(rows)].mean(0)


@pytest.mark.parametrize("balance", ["paper", "shared"])
def test_delta_is_the_mean_of_resampled_types(balance):
    """Against numpy that resamples, 4,000 times: within 5 standard errors."""
    model, z = fit_scgen(balance), codes().numpy()
    generator = np.random.default_rng(0)
    for s in range(len(SEEDS)):
        draws = []
        for _ in range(4000):
            means = []
            for c in range(C):
                rows = np.flatnonzero((c == CONDITION) & (TYPE >= 0) & ((TYPE != 2) | (balance == "paper")))
                largest = np.bincount(TYPE[rows]).max()
                means.append(resampled_mean(z[s][rows], TYPE[rows], largest, generator))
            draws.append(means[1] - means[0])
        error = 5 * np.std(draws, axis=0) / 4000**0.5
        assert (np.abs(np.mean(draws, axis=0) - model.delta[s, 0, 1].numpy()) < error).all()


def test_delta_by_hand():
    """Control: types at 0, 10 and 50; stimulated: at 1 and 12, of 1 and 4 rows. Counts do not matter, types do."""
    centre = np.where(CONDITION == 1, np.array([1.0, 12.0, 0.0])[TYPE], np.array([0.0, 10.0, 50.0])[TYPE])
    z = torch.as_tensor(centre)[None, :, None].expand(len(SEEDS), -1, L)
    paper, shared = fit_scgen("paper", z).delta, fit_scgen("shared", z).delta
    assert torch.allclose(paper[:, 0, 1], torch.tensor(6.5 - 20.0))  # the held-out type pulls the control mean
    assert torch.allclose(shared[:, 0, 1], torch.tensor(1.5))
    for delta in (paper, shared):
        assert torch.allclose(delta[:, 1, 0], -delta[:, 0, 1]) and (delta[:, 0, 0] == 0).all()


def test_without_labels_all_rows_are_of_one_type():
    z, hidden = codes(), torch.full((len(SEEDS), len(TYPE)), -1)
    for balance in ("paper", "shared"):
        model = small_model("scgen", balance=balance)
        model.fit_delta(z, hidden, torch.as_tensor(CONDITION))
        expected = z[:, CONDITION == 1].mean(1) - z[:, CONDITION == 0].mean(1)
        assert torch.allclose(model.delta[:, 0, 1], expected)


@torch.no_grad()
def test_conversion_adds_delta_to_the_mean_and_decodes():
    model = perturb(fit_scgen("paper")).eval()
    batch = small_batch(model)
    moved = model.q_z(batch.x)[0] + torch.where(batch.condition[..., :1] == 1, model.delta[:, 0, 1].unsqueeze(1), 0.0)
    assert torch.allclose(model.convert(batch, 1), model.decoder(moved))


def test_conversion_without_a_delta_is_refused():
    with pytest.raises(Refused, match=r"^scgen: no delta to condition 1 is known"):
        small_model("scgen").convert(small_batch(small_model("scgen")), 1)
    with pytest.raises(Refused, match=r"^scgen: condition: found 0; allowed: none"):
        small_model("scgen", n_conditions=0).convert(small_batch(small_model("scgen")), 0)
    apart = small_model("scgen", balance="shared")
    apart.fit_delta(codes(), torch.as_tensor(CONDITION).expand(len(SEEDS), -1), torch.as_tensor(CONDITION))
    with pytest.raises(Refused, match="share types"):
        apart.convert(small_batch(apart), 1)


def test_training_ends_with_delta_which_is_saved(tmp_path):
    rows = blob_rows(labelled=60)
    arguments = {"n_features": D, "likelihood": "normal", "seeds": SEEDS, "n_conditions": C, "n_latent": L}
    arguments |= {"n_hidden": 8}
    model = small_model("scgen")
    train_model(model, rows, Training(epochs=2, batch_size=16, learning_rate=0.01), SEEDS)
    save_weights(model, "scgen", arguments, tmp_path / "weights.safetensors")
    again, _ = load_weights(tmp_path / "weights.safetensors", torch.device("cpu"))
    z, label, condition = embed_rows(model, rows).numpy(), rows.label[0].numpy(), rows.condition.numpy()
    for s in range(len(SEEDS)):
        by_type = [
            [z[s][(label == t) & (condition == c)].mean(0) for t in range(3)] for c in range(C)
        ]  # every type under both
        assert np.allclose(again.delta[s, 0, 1], np.mean(by_type[1], 0) - np.mean(by_type[0], 0))


@torch.no_grad()
def test_terms_are_half_the_squared_error_and_the_divergence():
    model = perturb(small_model("scgen", "negative_binomial")).eval()
    batch = small_batch(model, likelihood="negative_binomial")
    terms = model.terms(batch)
    mean, log_variance = model.q_z(batch.x)
    q_z = Independent(Normal(mean, (log_variance / 2).exp()), 1)
    z = mean.unsqueeze(1) + q_z.stddev.unsqueeze(1) * batch.noise
    errors = (model.decoder(z) - batch.x.unsqueeze(1)).square().sum(-1).mean(1)  # what the encoder sees, not counts
    kl = kl_divergence(q_z, Independent(Normal(torch.zeros_like(mean), 1.0), 1))
    assert torch.allclose(terms["reconstruction"], -errors / 2 - D / 2 * np.log(2 * np.pi))
    assert torch.allclose(terms["kl_z"], kl)
    constant = D / 2 * np.log(2 * np.pi)
    assert torch.allclose(loss(terms, batch, model.kl_weight, 1.0) - constant, (errors / 2 + 5e-5 * kl).mean(1))
    assert torch.allclose(elbo(terms), terms["reconstruction"] - kl)  # reported at weight 1


def test_the_weight_is_in_the_loss_and_not_in_what_is_logged():
    history = train_model(
        small_model("scgen", kl_weight=0.25), blob_rows(), Training(epochs=2, batch_size=16, learning_rate=0.01), SEEDS
    )
    assert np.allclose(history["loss"], -history["reconstruction"] + 0.25 * history["kl_z"])


# ---------------------------------------------------------------------------------------------------------- dropout


def test_dropout_keeps_the_mean_and_is_off_in_evaluation():
    layer, x = Dropout(make_generators(SEEDS, "dropout"), 0.2), torch.ones(2, 100, 200)
    dropped = layer(x)
    assert set(dropped.unique().tolist()) == {0.0, 1.25}
    assert float((dropped == 0).double().mean()) == pytest.approx(0.2, abs=5 * 0.4 / 200)
    assert not torch.equal(layer(x), dropped)
    assert torch.equal(layer.eval()(x), x)


def test_dropout_of_a_seed_does_not_depend_on_its_company():
    x = torch.ones(2, 30, 40)
    together, alone = (
        Dropout(make_generators(SEEDS, "dropout"), 0.5),
        Dropout(make_generators(SEEDS[1:], "dropout"), 0.5),
    )
    for _ in range(3):
        assert torch.equal(together(x)[1], alone(x[1:])[0])
    both = together(x)
    assert not torch.equal(both[0], both[1])


def test_layers_of_one_model_drop_apart():
    model = small_model("scgen", dropout=0.5)
    layers = [layer for layer in model.modules() if isinstance(layer, Dropout)]
    assert len(layers) == 4
    masks = torch.stack([layer(torch.ones(2, 64, 64)) for layer in layers])
    assert all(not torch.equal(masks[i], masks[j]) for i in range(4) for j in range(i))
    assert not [layer for layer in small_model("scgen", dropout=0.0).modules() if isinstance(layer, Dropout)]
