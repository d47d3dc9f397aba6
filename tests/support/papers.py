"""The papers' objectives in float64 numpy and scipy, one row at a time; only the weights come from the model."""

import numpy as np
from scipy.special import expit, logsumexp
from scipy.stats import norm


def weights_of(model, s):
    """The weights of seed s by name, as numpy."""
    return {name: value[s].detach().double().numpy() for name, value in model.named_parameters()}


def network(weights, prefix, x):
    """The output of an MLP with ReLU, x [n_in] -> [n_out]."""
    numbers = sorted(int(name.split(".")[-2]) for name in weights if name.startswith(prefix) and "weight" in name)
    for number in numbers:
        x = x @ weights[f"{prefix}{number}.weight"] + weights[f"{prefix}{number}.bias"][0]
        x = np.maximum(x, 0) if number != numbers[-1] else x
    return x


def moments(weights, prefix, x):
    """Mean and variance of a normal whose log-variance a tanh keeps within 12, [n_in] -> [n] twice."""
    mean, log_variance = np.split(network(weights, f"{prefix}network.", x), 2)
    return mean, np.exp(12 * np.tanh(log_variance / 12))


def log_likelihood(weights, x, h):
    """The papers' binary cross-entropy, sum x log mu + (1 - x) log(1 - mu)."""
    mu = expit(network(weights, "decoder.", h))
    return np.sum(x * np.log(mu) + (1 - x) * np.log(1 - mu))


def log_density(z, mean, variance):
    """log N(z; mean, variance), summed over the last axis."""
    return norm.logpdf(z, mean, np.sqrt(variance)).sum(-1)


def kl(mean, variance, prior_mean, prior_variance):
    """KL of two diagonal normals, summed over the last axis."""
    ratio = variance / prior_variance
    return 0.5 * np.sum(ratio + (mean - prior_mean) ** 2 / prior_variance - 1 - np.log(ratio), -1)


def mean_over_draws(draws):
    """The mean over draws of the terms of each."""
    return {name: float(np.mean([draw[name] for draw in draws])) for name in draws[0]}


def vade(weights, x, noise, label, gamma):
    """Jiang 2017: the terms of one row, x [D], noise [k, L], label one-hot [K] or None."""
    pi = np.exp(weights["y_logits"]) / np.exp(weights["y_logits"]).sum()
    mu, s2 = weights["z_mean"], np.exp(weights["z_log_variance"])  # K, L
    m, v = moments(weights, "q_z.", x)
    draws = []
    for e in noise:
        z = m + np.sqrt(v) * e
        joint = pi * norm.pdf(z, mu, np.sqrt(s2)).prod(-1) if gamma == "paper" else pi * np.exp(-kl(m, v, mu, s2))
        responsibility = joint / joint.sum()
        q = responsibility if label is None else label
        cross = 0.5 * np.sum(q * np.sum(np.log(s2) + v / s2 + (m - mu) ** 2 / s2, -1))
        own = 0.5 * np.sum(1 + np.log(v))
        with np.errstate(divide="ignore", invalid="ignore"):
            entropy = np.where(q > 0, q * np.log(pi / q), 0).sum()
        draws.append(
            {
                "reconstruction": log_likelihood(weights, x, z),
                "kl_z": cross - own,
                "kl_y": -entropy,
                "label": 0 if label is None else np.log(responsibility) @ label,
            }
        )
    return mean_over_draws(draws)


def gmvae(weights, x, noise, label, mixture_kl, n_components):
    """Dilokthanakul 2016 (there beta is the network of the components): the terms of one row, noise [k, L + W]."""
    (m, v), (m_w, v_w) = moments(weights, "q_z.", x), moments(weights, "q_w.", x)
    draws = []
    for e in noise:
        z, w = m + np.sqrt(v) * e[: len(m)], m_w + np.sqrt(v_w) * e[len(m) :]
        mu, s2 = (moment.reshape(n_components, -1) for moment in moments(weights, "p_z.", w))  # K, L
        log_each = log_density(z, mu, s2)
        posterior = np.exp(log_each - logsumexp(log_each))
        y = posterior if label is None else label
        closed, sampled = y @ kl(m, v, mu, s2), log_density(z, m, v) - y @ log_each
        used = y[y > 0]
        draws.append(
            {
                "reconstruction": log_likelihood(weights, x, z),
                "kl_w": kl(m_w, v_w, 0.0, 1.0),
                "kl_z": closed if mixture_kl == "closed" else sampled,
                "kl_y": used @ np.log(used * n_components),
                "label": 0 if label is None else np.log(posterior) @ label,
            }
        )
    return mean_over_draws(draws)


def m2(weights, x, noise, label, n_components):
    """Kingma 2014: -U(x), the sum over y of -q(y|x) L(x, y), plus the entropy of q(y|x); -L(x, y) with a label."""
    logits = network(weights, "y_logits.", x)
    log_q = logits - logsumexp(logits)
    q, one_hot = (np.exp(log_q) if label is None else label), np.eye(n_components)
    draws = []
    for e in noise:
        minus_l = []
        for y in one_hot:
            m, v = moments(weights, "z_moments.", np.concatenate([x, y]))
            log_p_x = log_likelihood(weights, x, np.concatenate([m + np.sqrt(v) * e, y]))
            minus_l.append(log_p_x - np.log(n_components) + 0.5 * np.sum(1 + np.log(v) - m**2 - v))
        entropy = -np.sum(q * log_q) if label is None else 0
        draws.append({"elbo": q @ minus_l + entropy, "label": 0 if label is None else log_q @ label})
    return mean_over_draws(draws)
