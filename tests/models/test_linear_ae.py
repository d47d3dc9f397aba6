"""The linear autoencoder finds principal components (thesis, section 2.5.1), with and without a penalty; its figure."""

import math

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.datasets import load_digits
from support.models import SEEDS, blob_rows, perturb, small_batch, small_model, train_model

from gmvae.formats.weights import build_model
from gmvae.nn.batches import Rows
from gmvae.nn.inference import embed_rows
from gmvae.nn.objective import loss, objective
from gmvae.runs.embed import fill_latent
from gmvae.training.schedule import Training

N_LATENT = 10  # eigenvalues 10 and 11 of the digits' covariance are 0.15 and 0.11
PENALTY = 0.05


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def digits():
    """1,797 digits of 64 pixels in [0, 1], centred, and their singular value decomposition."""
    x = load_digits().data / 16
    x = x - x.mean(0)
    _, s, axes = np.linalg.svd(x, full_matrices=False)
    return x, s, axes[:N_LATENT].T


def train_linear_ae(x, **settings):
    """A linear autoencoder of two seeds: all rows in each step, float64, a rate that falls to 0."""
    torch.set_default_dtype(torch.float64)
    rows = torch.as_tensor(x)
    none = torch.full((len(x),), -1)
    arguments = {"n_features": x.shape[1], "likelihood": "normal", "seeds": SEEDS, "n_latent": N_LATENT}
    model = build_model("linear_ae", arguments | settings)
    plan = Training(epochs=400, batch_size=10**6, learning_rate=0.03, schedule="cosine")
    train_model(model, Rows(rows, rows, none, none.expand(len(SEEDS), -1), 0, 1), plan, SEEDS)
    return model


def maps(model):
    """Encoder E [D, L] and decoder D [L, D] of each seed, as in the thesis."""
    pairs = zip(model.encoder.weight.detach().numpy(), model.decoder.weight.detach().numpy(), strict=True)
    return list(pairs)


@pytest.fixture(scope="module")
def plain(digits):
    return train_linear_ae(digits[0])


@pytest.fixture(scope="module")
def penalised(digits):
    return train_linear_ae(digits[0], penalty=PENALTY)


def test_linear_autoencoder_s_plane_is_pca_s(plain, digits):
    """Largest principal angle below 1 degree; 0.03 was measured."""
    _, s, axes = digits
    assert s[N_LATENT - 1] > 1.1 * s[N_LATENT]
    for plane in plain.plane().detach().numpy():
        assert np.rad2deg(subspace_angles(plane, axes)).max() < 1


def test_encoder_is_the_pseudo_inverse_of_the_decoder_on_the_rows(plain, digits):
    x = digits[0]
    for encoder, decoder in maps(plain):
        codes = x @ np.linalg.pinv(decoder)
        assert np.linalg.norm(x @ encoder - codes) < 5e-3 * np.linalg.norm(codes)
        assert np.linalg.norm(encoder - np.linalg.pinv(decoder)) > 0.1  # not so off the rows: some pixels never vary


def test_svd_of_the_reconstructions_gives_the_components(plain, digits):
    x, s, axes = digits
    with torch.no_grad():
        z = plain.encoder(torch.as_tensor(x).expand(len(SEEDS), -1, -1) - plain.centre)
        back = plain.decode(z, torch.zeros(0), torch.zeros(0)).numpy()
    for rows in back:
        _, values, vectors = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
        assert (np.abs((vectors[:N_LATENT].T * axes).sum(0)) > 0.9999).all()
        assert np.allclose(values[:N_LATENT], s[:N_LATENT], rtol=1e-3)


def test_without_a_penalty_the_decoder_s_singular_vectors_are_not_the_components(plain, digits):
    for _, decoder in maps(plain):
        vectors, _, _ = np.linalg.svd(decoder.T, full_matrices=False)
        assert np.abs((vectors * digits[2]).sum(0)).min() < 0.9


def test_with_a_penalty_the_decoder_s_singular_vectors_are_the_components(penalised, digits):
    """And its singular values are sqrt(1 - λ / s_i²), with s_i² the eigenvalues of the covariance."""
    x, s, axes = digits
    for encoder, decoder in maps(penalised):
        vectors, values, _ = np.linalg.svd(decoder.T, full_matrices=False)
        assert (np.abs((vectors * axes).sum(0)) > 0.9999).all()
        assert np.allclose(values, np.sqrt(1 - PENALTY * len(x) / s[:N_LATENT] ** 2), atol=1e-4)
        assert np.abs(encoder - decoder.T).max() < 1e-4


@torch.no_grad()
def test_terms_are_half_the_squared_error_and_half_the_penalised_squares():
    model = perturb(small_model("linear_ae", penalty=0.3))
    model.centre += 0.5
    batch = small_batch(model)
    terms = model.terms(batch)
    for s, (encoder, decoder) in enumerate(maps(model)):
        x = batch.x[s].numpy()
        z = (x - 0.5) @ encoder + model.encoder.bias[s].numpy()
        errors = ((0.5 + z @ decoder + model.decoder.bias[s].numpy() - x) ** 2).sum(1)
        assert np.allclose(terms["reconstruction"][s], -errors / 2 - x.shape[1] / 2 * math.log(2 * math.pi))
        assert np.allclose(terms["penalty"][s], 0.15 * ((encoder**2).sum() + (decoder**2).sum()))
    own = terms["reconstruction"] - terms["penalty"]
    assert torch.equal(objective(terms, 1.0), own)
    assert torch.allclose(loss(terms, batch, 1.0, 1.0), -own.mean(1))


def test_data_are_centred_at_the_training_rows_mean_before_anything_is_learned():
    """So a shift of all rows changes nothing but where the reconstructions lie."""
    rows, plan = blob_rows(), Training(epochs=3, batch_size=16, learning_rate=0.01)
    moved = rows._replace(x=rows.x + 100, target=rows.target + 100)
    here, there = small_model("linear_ae"), small_model("linear_ae")
    train_model(here, rows, plan, SEEDS)
    train_model(there, moved, plan, SEEDS)
    assert torch.allclose(here.centre, rows.x.mean(0))
    assert torch.allclose(embed_rows(here, rows), embed_rows(there, moved), atol=1e-6)
    z = embed_rows(here, rows)
    assert torch.allclose(here.decode(z, z, z) + 100, there.decode(z, z, z), atol=1e-6)


def test_for_every_likelihood_it_is_fitted_to_the_encoder_s_input():
    model = small_model("linear_ae", "negative_binomial")
    batch = small_batch(model, likelihood="negative_binomial")
    other = batch._replace(target=batch.target + 7)
    assert torch.equal(model.terms(batch)["reconstruction"], model.terms(other)["reconstruction"])


def test_a_latent_keeps_the_plane_of_a_linear_decoder():
    model = perturb(small_model("linear_ae"))
    batch = small_batch(model)
    latent = anndata.AnnData(obs=pd.DataFrame(index=[f"r{i}" for i in range(5)]))
    none = torch.full((5,), -1)
    fill_latent(latent, model, Rows(batch.x[0], batch.x[0], none, none.expand(2, -1), 0, 1), SEEDS)
    for s, seed in enumerate(SEEDS):
        assert np.array_equal(latent.uns[f"plane_{seed}"], model.decoder.weight[s].detach().numpy().T)
