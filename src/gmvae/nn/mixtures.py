"""What models with components share: labels that are seen, where components start, and draws from one or from all."""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.mixture import GaussianMixture
from torch import Tensor


def labels_or_posterior(label: Tensor, q_y: Tensor) -> Tensor:
    """The one-hot label where it is seen (not all zeros), the probabilities q_y elsewhere, [..., K] both."""
    return torch.where(label.sum(-1, keepdim=True) > 0, label, q_y)


def choose_component(component: int | None, n: int, p_y: Tensor, draws: list[torch.Generator]) -> Tensor:
    """The component of n rows a seed, [S, n]: the one asked for, or drawn from p(y), [S, K], where None is."""
    if component is not None:
        return torch.full((len(draws), n), component, device=p_y.device)
    uniform = torch.stack([torch.rand(n, 1, generator=g, device=g.device) for g in draws])  # S, n, 1
    return (uniform > p_y.cumsum(-1)[:, None, :-1]).sum(-1)


def of_component(values: Tensor, component: Tensor) -> Tensor:
    """The values of each row's component, [S, n, K, L] and [S, n] -> [S, n, L]."""
    index = component[..., None, None].expand(-1, -1, 1, values.shape[-1])
    return values.gather(2, index).squeeze(2)


def starting_responsibilities(points: np.ndarray, label: np.ndarray, n_components: int, state: int) -> np.ndarray:
    """Which component each point starts in, as probabilities, [N, L] and codes or -1 [N] -> [N, K].

    Without labels: a Gaussian mixture's. With some: the class of the nearest centre, a class's centre being the mean of
    its labelled points, or where it has none, that of a component of the mixture that agrees with no other class.
    """
    mixture = GaussianMixture(n_components, covariance_type="diag", n_init=5, max_iter=300, random_state=state)
    found, labelled = mixture.fit(points).predict(points), label >= 0
    if not labelled.any():
        return mixture.predict_proba(points)
    agreeing = np.zeros((n_components, n_components))  # classes, components
    np.add.at(agreeing, (label[labelled], found[labelled]), 1)
    centres = mixture.means_[linear_sum_assignment(agreeing, maximize=True)[1]]
    for j in np.unique(label[labelled]):
        centres[j] = points[label == j].mean(0)
    return np.eye(n_components)[np.where(labelled, label, cdist(points, centres).argmin(1))]
