"""What models with components share: labels, draws of z and w, divergences, samples, and where components start.

Shapes: S seeds, k draws, B rows, K components, L dimensions of z, W of w. The moments of a normal are its mean and its
log-variance. Those of q(z|x) are [S, B, L]; those of the components p(z|w,y) are [S, k, B, K, L].
"""

import numpy as np
import torch
from torch import Tensor

from gmvae.nn.divergences import log_normal, weighted_kl_normal
from gmvae.nn.layers import reparametrise
from gmvae.nn.negative_binomial import running_sums
from gmvae.nn.random_streams import derive_key, draw_normals
from gmvae.pipeline.errors import Refused

Moments = tuple[Tensor, Tensor]


def labels_or_posterior(label: Tensor, q_y: Tensor) -> Tensor:
    """The class probabilities that the terms of a row use: its label where it has one, else its posterior.

    Args:
        label: One-hot, all zeros where the label is hidden, [..., K].
        q_y: The posterior probabilities q(y|.), [..., K]; broadcast against `label`.

    Returns:
        Probabilities, [..., K].
    """
    return torch.where(label.sum(-1, keepdim=True) > 0, label, q_y)


def label_log_probability(label: Tensor, log_q_y: Tensor) -> Tensor:
    """The term `label`: the log-probability of the label, averaged over the draws.

    Args:
        label: One-hot, all zeros where the label is hidden, [S, B, K].
        log_q_y: Log-probabilities of the classes at each draw, [S, k, B, K].

    Returns:
        [S, B]; 0 where the label is hidden.
    """
    return (label.unsqueeze(1) * log_q_y).sum(-1).mean(1)


def draw_z_and_w(q_z: Moments, q_w: Moments, noise: Tensor) -> tuple[Tensor, Tensor]:
    """k reparametrised draws of z and w.

    Args:
        q_z: Moments of q(z|x), [S, B, L] each.
        q_w: Moments of q(w|x), [S, B, W] each.
        noise: Standard normals, those of z first, [S, k, B, L + W].

    Returns:
        z, [S, k, B, L], and w, [S, k, B, W].
    """
    noise_z, noise_w = noise.split([q_z[0].shape[-1], q_w[0].shape[-1]], -1)
    return reparametrise(*q_z, noise_z), reparametrise(*q_w, noise_w)


def kl_to_components(z: Tensor, q_z: Moments, p_z: Moments, y: Tensor, form: str) -> Tensor:
    """The divergence of q(z|x) from the components, weighted by the class probabilities y: the term `kl_z`.

    Args:
        z: The draws, [S, k, B, L].
        q_z: Moments of q(z|x), [S, B, L] each.
        p_z: Moments of the components, [S, k, B, K, L] each.
        y: Class probabilities, [S, k, B, K].
        form: `closed`: sum_j y_j KL( q(z|x) ‖ p(z|w,y=j) ), or
            `sampled`: log q(z|x) - sum_j y_j log p(z|w,y=j) at the draws, which may be negative.

    Returns:
        [S, k, B].

    Source: Dilokthanakul 2016 for the closed form; thesis, eq:kl-z-closed and eq:kl-z-sampled.
    """
    if form == "closed":
        return weighted_kl_normal(y, *q_z, p_z)
    mean, log_variance = (moment.unsqueeze(1) for moment in q_z)  # S, 1, B, L
    return log_normal(z, mean, log_variance) - (y * log_normal(z.unsqueeze(-2), *p_z)).sum(-1)


def log_mixture(z: Tensor, p_z: Moments, log_p_y: Tensor) -> Tensor:
    """log sum_j p(y=j) p(z|w,y=j), the density of the mixture.

    Args:
        z: The draws, [S, k, B, L].
        p_z: Moments of the components, [S, k, B, K, L] each, or broadcast to it.
        log_p_y: log p(y), [K] or broadcast to [S, k, B, K].

    Returns:
        [S, k, B].
    """
    return (log_p_y + log_normal(z.unsqueeze(-2), *p_z)).logsumexp(-1)


def sample_mixture(p_z: Moments, p_y: Tensor, component: int | None, draws: list[torch.Generator]) -> Tensor:
    """One draw of z from each row's mixture of components.

    Args:
        p_z: Moments of the components, [S, n, K, L] each.
        p_y: The components' probabilities, [S, K].
        component: The component of all rows; None draws each row's from p(y).
        draws: S random generators.

    Returns:
        z, [S, n, L].
    """
    n, n_latent = p_z[0].shape[1], p_z[0].shape[-1]
    y = choose_component(component, n, p_y, draws)
    mean, log_variance = (select_component(moment, y) for moment in p_z)
    return mean + (log_variance / 2).exp() * draw_normals(draws, n, n_latent)


def choose_component(component: int | None, n: int, p_y: Tensor, draws: list[torch.Generator]) -> Tensor:
    """The components of n rows of each seed, [S, n]: `component`, or drawn from p(y), [S, K], where it is None."""
    if component is not None:
        return torch.full((len(draws), n), component, device=p_y.device)
    uniform = torch.stack([torch.rand(n, 1, generator=g, device=g.device) for g in draws])  # S, n, 1
    below = running_sums(p_y.clone().unsqueeze(-1)).squeeze(-1)  # S, K
    return (uniform > below[:, None, :-1]).sum(-1)


def select_component(values: Tensor, component: Tensor) -> Tensor:
    """The values of each row's component, [..., K, L] and [...] -> [..., L]."""
    index = component[..., None, None].expand(*component.shape, 1, values.shape[-1])
    return values.gather(-2, index).squeeze(-2)


def starting_responsibilities(points: np.ndarray, label: np.ndarray, n_components: int, state: int) -> np.ndarray:
    """The probabilities with which each point starts in each component.

    Without labels they are those of a Gaussian mixture. With some, each point belongs to the nearest centre: the centre
    of a class is the mean of its labelled points. A class without labelled points takes the centre of a component of
    the mixture that matches no other class.

    Args:
        points: [N, L].
        label: Class codes, -1 where hidden, [N].
        n_components: K.
        state: The mixture's random state.

    Returns:
        Probabilities, [N, K].

    Raises:
        Refused: K is above N.
    """
    from scipy.optimize import linear_sum_assignment  # training needs only torch and numpy; this start needs more
    from scipy.spatial.distance import cdist
    from sklearn.mixture import GaussianMixture

    check_n_clusters(n_components, len(points))
    mixture = GaussianMixture(n_components, covariance_type="diag", n_init=5, max_iter=300, random_state=state)
    clusters, labelled = mixture.fit(points).predict(points), label >= 0
    if not labelled.any():
        return mixture.predict_proba(points)
    counts = np.zeros((n_components, n_components))  # classes, components
    np.add.at(counts, (label[labelled], clusters[labelled]), 1)
    centres = mixture.means_[linear_sum_assignment(counts, maximize=True)[1]]
    for j in np.unique(label[labelled]):
        centres[j] = points[label == j].mean(0)
    return np.eye(n_components)[np.where(labelled, label, cdist(points, centres).argmin(1))]


def fit_kmeans(z: Tensor, n_clusters: int, seeds: list[int]) -> list:
    """scikit-learn's k-means, fitted to the latent of each seed.

    Args:
        z: [S, N, L].
        n_clusters: Clusters of each seed.
        seeds: S values, to key the random starts with.

    Returns:
        S fitted `KMeans`, with `cluster_centers_` [K, L] and `labels_` [N].

    Raises:
        Refused: There are more clusters than rows.
    """
    from sklearn.cluster import KMeans  # training needs only torch and numpy; this start needs more

    points = z.double().cpu().numpy()
    check_n_clusters(n_clusters, points.shape[1])
    states = [derive_key(seed, "kmeans") % 2**32 for seed in seeds]
    return [KMeans(n_clusters, n_init=10, random_state=state).fit(points[s]) for s, state in enumerate(states)]


def check_n_clusters(n_clusters: int, n_rows: int) -> None:
    """Raise Refused for more clusters than rows to make them of. The step `train` says so before it trains."""
    if n_clusters > n_rows:
        raise Refused(f"n_components: found {n_clusters}; allowed: at most {n_rows}, the rows that are clustered")
