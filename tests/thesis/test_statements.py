"""Statements that the text proves: each is computed here in another way, by quadrature or by an optimiser."""

import re

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import brentq, minimize
from scipy.special import gammaln, logsumexp, polygamma, psi
from scipy.stats import norm

from gmvae.nn.divergences import kl_normal, kl_standard_normal
from gmvae.pipeline.sources import ROOT

MIXTURES = (ROOT / "thesis/chapters/mixtures.tex").read_text(encoding="utf-8")
SIGMA2 = 0.3


def test_the_best_prior_is_the_aggregate_posterior():
    """prop:aggregate: any other prior costs its divergence from it, and what is left is at most log N."""
    z = np.linspace(-12, 12, 20001)
    rows = norm.pdf(z, [[-2.0], [0.5], [3.0]], [[0.4], [1.1], [0.6]])
    mean = rows.mean(0)

    def divergence(q, p):
        return np.trapezoid(np.where(q > 1e-300, q * (np.log(q + 1e-300) - np.log(p + 1e-300)), 0), z)

    def cost(p):
        return np.mean([divergence(q, p) for q in rows])

    assert 0 < cost(mean) < np.log(3)
    for p in (norm.pdf(z), norm.pdf(z, 0.5, 2.2), 0.9 * mean + 0.1 * norm.pdf(z)):
        assert cost(p) > cost(mean)
        assert cost(p) == pytest.approx(cost(mean) + divergence(mean, p), abs=1e-6)


def linear_data() -> np.ndarray:
    """Centred rows [50, 4] with distinct singular values."""
    rows = np.random.default_rng(3).normal(size=(50, 4)) * [2.0, 1.3, 0.6, 0.3]
    return rows - rows.mean(0)


def mean_elbo(x: np.ndarray, w: torch.Tensor, e: torch.Tensor, log_s: torch.Tensor) -> torch.Tensor:
    """The mean ELBO of the linear VAE without offsets, its expectation over z in closed form."""
    rows = torch.tensor(x)
    m, s2 = rows @ e, torch.exp(2 * log_s)
    error = ((rows - m @ w.T) ** 2).sum(1) + (w**2 * s2).sum()
    reconstruction = -0.5 * (error / SIGMA2 + x.shape[1] * np.log(2 * np.pi * SIGMA2))
    return (reconstruction - 0.5 * (s2 - 1 - 2 * log_s + m**2).sum(1)).mean()


def minimise(function, shapes: list[tuple]) -> tuple[float, list[np.ndarray]]:
    """The least value that L-BFGS finds from one random start, and where."""
    sizes = np.cumsum([int(np.prod(shape)) for shape in shapes])

    def split(flat):
        return [part.reshape(shape) for part, shape in zip(np.split(flat, sizes[:-1]), shapes, strict=True)]

    def value_and_gradient(flat):
        parts = [torch.tensor(part, requires_grad=True) for part in split(flat)]
        value = function(*parts)
        value.backward()
        return value.item(), np.concatenate([part.grad.numpy().ravel() for part in parts])

    start = 0.3 * np.random.default_rng(0).normal(size=sizes[-1])
    best = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options={"maxiter": 5000, "gtol": 1e-9})
    return best.fun, split(best.x)


def test_the_linear_vae_is_probabilistic_pca_and_the_penalised_linear_autoencoder():
    """prop:linear-vae, by training both from a random start."""
    x = linear_data()
    n = len(x)
    lambdas, v = np.linalg.eigh(x.T @ x / n)
    lambdas, v = lambdas[::-1], v[:, ::-1]
    assert lambdas[1] > SIGMA2 > 0
    loss, (w, e, _) = minimise(lambda w, e, log_s: -mean_elbo(x, w, e, log_s), [(4, 2), (4, 2), (2,)])
    best_w = v[:, :2] * np.sqrt(lambdas[:2] - SIGMA2)
    covariance = best_w @ best_w.T + SIGMA2 * np.eye(4)
    evidence = -0.5 * np.linalg.slogdet(2 * np.pi * covariance)[1] - 0.5 * np.trace(
        np.linalg.solve(covariance, x.T @ x / n)
    )
    assert -loss == pytest.approx(evidence, abs=1e-7)
    cosines = np.abs(v[:, :2].T @ (w / np.linalg.norm(w, axis=0)))
    np.testing.assert_allclose(np.sort(cosines.ravel()), [0, 0, 1, 1], atol=1e-3)  # the directions, in some order
    rows, tau = torch.tensor(x), n * SIGMA2
    _, (encoder, decoder) = minimise(
        lambda e, d: ((rows - rows @ e @ d) ** 2).sum() + tau * ((e**2).sum() + (d**2).sum()), [(4, 2), (2, 4)]
    )
    np.testing.assert_allclose(x @ e @ w.T, x @ encoder @ decoder, atol=1e-3)


def test_one_component_with_a_step_in_the_style_has_the_density_of_the_mixture():
    """rem:identified, integrated over the new dimension of the style."""
    means, widths = np.array([-3.0, 0.0, 2.0]), np.array([0.5, 1.0, 0.7])
    cuts = norm.ppf(np.arange(1, 3) / 3)

    def joint(w, z):
        j = np.searchsorted(cuts, w)
        return norm.pdf(z, means[j], widths[j]) * norm.pdf(w)

    for z in (-2.5, 0.3, 1.9):
        density = quad(joint, -9, 9, args=(z,), points=cuts, limit=200)[0]
        assert density == pytest.approx(norm.pdf(z, means, widths).mean(), abs=1e-7)


def test_a_learned_prior_s_divergence_is_the_fixed_prior_s_of_standard_scores():
    """cor:priors: the second term of the objective; the first is that of the same decoded points."""
    generator = torch.Generator().manual_seed(0)
    m, prior_m = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    log_variance, prior_log_variance = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    learned = kl_normal(m, log_variance, prior_m, prior_log_variance)
    scores = (m - prior_m) / (prior_log_variance / 2).exp()
    torch.testing.assert_close(kl_standard_normal(scores, log_variance - prior_log_variance), learned)


# The merged state: two dimensions, three components, three rows with the codes N(CENTRES, WIDTHS^2).
K, ALPHA = 3, 1.0
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(24)
MOVES = np.array([[1.0, 0.4], [-0.3, 0.8], [-0.7, -1.2]])  # sum to zero


def standardised_rows() -> tuple[np.ndarray, np.ndarray]:
    """Centres and widths [rows, 2] of three codes, in the unit in which every R_ii is 1."""
    centres = np.array([[1.0, 0.7], [-0.8, 0.2], [0.1, -1.1]])
    widths = np.array([[0.5, 0.3], [0.7, 0.6], [0.4, 0.8]])
    scale = np.sqrt((centres**2 + widths**2).mean(0))
    return centres / scale, widths / scale


def quadrature(centres: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes u [rows, nodes, 2] and their weights [nodes]."""
    grid = np.stack(np.meshgrid(NODES, NODES), -1).reshape(-1, 2)
    weights = np.outer(WEIGHTS, WEIGHTS).ravel() / (2 * np.pi)
    return centres[:, None] + widths[:, None] * grid, weights


def best_classes(gains: np.ndarray) -> np.ndarray:
    """The q that is best for sum_j q_j gain_j less the price of y and d, at each node."""
    q = np.full_like(gains, 1 / K)
    for _ in range(200):
        q = np.exp(gains + psi(ALPHA + q) - logsumexp(gains + psi(ALPHA + q), axis=-1, keepdims=True))
    return q


def objective(epsilon: float, form: str) -> float:
    """The mean of the terms that depend on the moves, up to a constant."""
    centres, widths = standardised_rows()
    u, weights = quadrature(centres, widths)
    gains = epsilon * u @ MOVES.T - epsilon**2 / 2 * (MOVES**2).sum(1)  # log p(z|y) by component, rows, nodes, K
    own = epsilon * centres @ MOVES.T - epsilon**2 / 2 * (MOVES**2).sum(1)  # its mean over another code of the row
    if form == "gmvae":
        return float((logsumexp(gains, axis=-1) @ weights).mean())
    if form == "gmvae closed":
        q = np.exp(gains - logsumexp(gains, axis=-1, keepdims=True))
        return float((((q * own[:, None]).sum(-1) - (q * np.log(q)).sum(-1)) @ weights).mean())
    if form == "gmdvae closed":
        density = norm.pdf(u[:, :, None], centres, widths).prod(-1)  # rows, nodes, rows
        gains = density / density.sum(-1, keepdims=True) @ own
    q = best_classes(gains)
    price = (q * np.log(q)).sum(-1) - gammaln(ALPHA + q).sum(-1)
    return float((((q * gains).sum(-1) - price) @ weights).mean())


def predicted(form: str) -> float:
    """The factor of epsilon^2 in prop:merged."""
    centres, widths = standardised_rows()
    r_m, t = centres.T @ centres / 3, np.diag((widths**2).mean(0))
    np.testing.assert_allclose(np.diag(r_m + t), 1)
    if form == "gmvae closed":
        matrix = r_m - t - np.eye(2)
    elif form == "gmvae":
        matrix = r_m + t - np.eye(2)
    else:
        moments = r_m + t
        if form == "gmdvae closed":
            u, weights = quadrature(centres, widths)
            density = norm.pdf(u[:, :, None], centres, widths).prod(-1)
            mean = density / density.sum(-1, keepdims=True) @ centres
            moments = np.einsum("inj,ink,n->jk", mean, mean, weights) / 3
        matrix = K / (K - polygamma(1, ALPHA + 1 / K)) * moments - np.eye(2)
    return float(np.einsum("ij,jk,ik->", MOVES, matrix, MOVES)) / (2 * K)


@pytest.mark.parametrize("form", ["gmvae", "gmvae closed", "gmdvae", "gmdvae closed"])
def test_what_small_moves_of_merged_components_change(form):
    epsilon = 0.01
    second = (objective(epsilon, form) + objective(-epsilon, form)) / 2 - objective(0, form)
    assert second / epsilon**2 == pytest.approx(predicted(form), abs=2e-4)


THRESHOLDS = re.findall(r"\$(0\.\d{3})\$ for \$K=(\d+)\$", MIXTURES)


@pytest.mark.parametrize(("threshold", "k"), [(float(threshold), int(k)) for threshold, k in THRESHOLDS])
def test_the_uniform_assignment_is_the_cheapest_nearby_above_the_threshold_only(threshold, k):
    assert len(THRESHOLDS) == 4
    assert brentq(lambda alpha: polygamma(1, alpha + 1 / k) - k, 0.01, 1) == pytest.approx(threshold, abs=6e-4)
    move = np.random.default_rng(0).normal(size=k)
    move = 1e-3 * (move - move.mean())

    def price(q, alpha):
        return (q * np.log(q)).sum() - gammaln(alpha + q).sum()

    uniform = np.full(k, 1 / k)
    changes = {
        alpha: price(uniform + move, alpha) + price(uniform - move, alpha) - 2 * price(uniform, alpha)
        for alpha in (threshold - 0.02, threshold + 0.02)
    }
    assert changes[threshold - 0.02] < 0 < changes[threshold + 0.02]
