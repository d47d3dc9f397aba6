"""A Gaussian mixture, fitted by expectation-maximisation: log p(z) = log sum_k pi_k N(z; m_k, C_k)."""

import numpy as np
from sklearn.mixture import GaussianMixture


def assign(
    z: np.ndarray,
    train: np.ndarray,
    n_components: int,
    seed: int,
    truth: np.ndarray | None,
    *,
    covariance: str = "full",
    reg_covar: float = 1e-6,
    n_init: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a mixture to the training rows, started from k-means.

    Args:
        z: Points [N, L].
        train: Mask of the training rows [N].
        n_components: Number of components K.
        seed: Seed of the starts.
        truth: Ignored.
        covariance: Form of the covariances in scikit-learn: full, tied, diag or spherical.
        reg_covar: Number that is added to each variance.
        n_init: Number of starts, of which the best is taken.

    Returns:
        The posterior q = p(y|z) [N, K], and log p(z) [N].
    """
    model = GaussianMixture(
        n_components, covariance_type=covariance, reg_covar=reg_covar, n_init=n_init, max_iter=500, random_state=seed
    ).fit(z[train])
    return model.predict_proba(z), model.score_samples(z)
