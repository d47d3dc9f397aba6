"""The catalogue of metrics: groups without doubles, and the decimals of each kind of metric."""

import pytest

from gmvae.metrics import catalogue


@pytest.mark.parametrize(
    ("metric", "places"),
    [
        ("accuracy", 3),
        ("ari_fine", 3),
        ("silhouette", 3),
        ("disagreement", 3),
        ("response_change_r2", 3),
        ("kl_z", 2),
        ("kl_cluster", 2),
        ("elbo", 1),
        ("occupancy", 1),
    ],
)
def test_shares_have_three_decimals_divergences_two_and_all_others_one(metric, places):
    assert catalogue.decimals(metric) == places


@pytest.mark.parametrize("group", ["QUALITY", "AGREEMENT_COLUMNS", "SPACE_COLUMNS", "HEADLINES", "RESPONSE_HEADLINES"])
def test_a_group_lists_each_metric_once(group):
    metrics = getattr(catalogue, group)
    assert len(set(metrics)) == len(metrics) > 0


def test_terms_of_the_objective_stand_between_reconstruction_and_bounds():
    metrics = {"elbo", "kl_z", "accuracy", "bound", "kl_d", "reconstruction", "kl_cluster", "objective"}
    assert catalogue.elbo_terms(metrics) == ["reconstruction", "kl_d", "kl_z", "elbo", "bound"]
    assert catalogue.elbo_terms({"accuracy"}) == []
