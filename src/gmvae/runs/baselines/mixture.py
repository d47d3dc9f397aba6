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
    """The posterior q = p(y|z) [N, K], and log p(z) per row [N].

    Fitted to the rows of z [N, L] where the mask train [N] is true, started from k-means, the best of `n_init`
    starts. `covariance` is scikit-learn's (full, tied, diag, spherical); `reg_covar` is added to each variance.
    """
    model = GaussianMixture(
        n_components, covariance_type=covariance, reg_covar=reg_covar, n_init=n_init, max_iter=500, random_state=seed
    ).fit(z[train])
    return model.predict_proba(z), model.score_samples(z)
