"""Each measure against a value that is computed in another way: by hand, by brute force, by scikit-learn."""

from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_samples, silhouette_score
from sklearn.metrics.cluster import contingency_matrix

from gmvae.metrics.scores import (
    adjusted_rand_index,
    agreement,
    component_shares,
    contingency,
    effective_components,
    majority_classes,
    match_components,
    mutual_information,
    n_components_used,
    number_components,
    silhouette,
)


def draw(seed, n=60, n_classes=4, n_components=4):
    generator = np.random.default_rng(seed)
    return generator.integers(n_classes, size=n), generator.integers(n_components, size=n)


def test_contingency_counts_as_scikit_learn_does():
    truth, cluster = draw(0)
    assert np.array_equal(contingency(truth, cluster, 4, 4), contingency_matrix(cluster, truth))


def test_contingency_keeps_empty_components_and_classes():
    table = contingency(np.array([0, 0, 2]), np.array([1, 1, 3]), n_classes=3, n_components=5)
    assert table.tolist() == [[0, 0, 0], [2, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_matching_is_the_best_of_all_permutations(seed):
    truth, cluster = draw(seed, n_classes=5, n_components=5)
    matched = match_components(contingency(truth, cluster, 5, 5))
    best = max(np.mean(np.array(names)[cluster] == truth) for names in permutations(range(5)))
    assert sorted(matched) == list(range(5))
    assert agreement(truth, cluster, matched) == pytest.approx(best)


def test_matching_leaves_surplus_components_without_a_class():
    table = np.array([[9, 0], [8, 1], [0, 5]])
    assert match_components(table).tolist() == [0, -1, 1]


def test_every_component_has_a_different_number():
    assert number_components(np.array([[0, 1], [8, 1], [3, 5], [1, 0]])).tolist() == [2, 0, 1, 3]
    assert sorted(number_components(np.zeros((3, 5), dtype=int))) == [0, 1, 2]


def test_matching_beats_the_greedy_choice():
    # Greedy takes the 6 and is left with the 0; the matching takes 5 + 5.
    table = np.array([[6, 5], [5, 0]])
    matched = match_components(table)
    assert table[np.arange(2), matched].sum() == 10


def test_empty_components_have_no_majority_class():
    table = np.array([[3, 4, 0], [0, 0, 0], [2, 2, 1]])
    assert majority_classes(table).tolist() == [1, -1, 0]


def test_purity_on_the_training_rows_is_the_sum_of_majorities():
    truth, cluster = draw(1, n_components=7)
    table = contingency(truth, cluster, 4, 7)
    assert agreement(truth, cluster, majority_classes(table)) == pytest.approx(table.max(axis=1).sum() / len(truth))


def test_a_row_in_a_component_without_a_class_counts_as_wrong():
    assert agreement(np.array([0, 1]), np.array([0, 1]), np.array([0, -1])) == 0.5


def test_purity_is_at_least_accuracy():
    for seed in range(10):
        truth, cluster = draw(seed)
        table = contingency(truth, cluster, 4, 4)
        pure = agreement(truth, cluster, majority_classes(table))
        assert pure >= agreement(truth, cluster, match_components(table))


def test_silhouette_is_that_of_its_definition():
    # Classes {0, 2} and {10}: a = 2, 2; b = 10, 8; a class of one point scores 0.
    z = np.array([[0.0], [2.0], [10.0]])
    expected = ((10 - 2) / 10 + (8 - 2) / 8 + 0) / 3
    assert silhouette(z, np.array([0, 0, 1])) == pytest.approx(expected)


def test_silhouette_uses_the_same_rows_for_every_model():
    generator = np.random.default_rng(0)
    truth = generator.integers(3, size=2600)
    z = generator.normal(size=(2600, 2)) + truth[:, None]
    value = silhouette(z, truth)
    rows = np.sort(np.random.default_rng(0).choice(2600, 2000, replace=False))
    assert value == pytest.approx(silhouette_samples(z[rows], truth[rows]).mean())
    assert value == silhouette(z.copy(), truth)
    assert value != pytest.approx(silhouette_samples(z, truth).mean(), abs=1e-6)


@pytest.mark.parametrize(("dtype", "exact"), [(np.float32, 1e-7), (np.float64, 1e-12)])
def test_silhouette_is_that_of_scikit_learn_in_either_precision(dtype, exact):
    generator = np.random.default_rng(1)
    truth = np.append(generator.integers(4, size=300) * 2, 9)  # numbers with gaps, and a class of one point
    z = (generator.normal(size=(301, 5)) + truth[:, None]).astype(dtype)
    z[10] = z[11]  # two points at one place
    assert silhouette(z, truth) == pytest.approx(silhouette_score(z, truth), abs=exact)
    assert silhouette(np.zeros((6, 2), dtype), truth[:6]) == silhouette_score(np.zeros((6, 2)), truth[:6]) == 0


@pytest.mark.parametrize("seed", range(3))
def test_agreement_beyond_chance_is_that_of_scikit_learn(seed):
    truth, cluster = draw(seed, n_classes=3, n_components=6)
    for pair in (
        (truth, cluster),
        (truth, (truth + 1) % 6),
        (truth, cluster * 0),
        (truth * 0, cluster),
        (truth * 0,) * 2,
    ):
        table = contingency(*pair, 3, 6)
        assert mutual_information(table) == pytest.approx(normalized_mutual_info_score(*pair), abs=1e-14)
        assert adjusted_rand_index(table) == pytest.approx(adjusted_rand_score(*pair), abs=1e-14)


def test_a_single_row_agrees_with_itself():
    assert mutual_information(np.array([[1, 0], [0, 0]])) == adjusted_rand_index(np.array([[1, 0], [0, 0]])) == 1


def test_silhouette_of_one_class_is_nan():
    assert np.isnan(silhouette(np.zeros((4, 1)), np.zeros(4, dtype=int)))


def test_the_use_of_components_is_that_computed_by_hand():
    share = component_shares(np.array([0, 0, 2, 2]), n_components=4)
    assert share.tolist() == [0.5, 0, 0.5, 0]
    assert n_components_used(share) == 2
    assert effective_components(share) == pytest.approx(2)
    assert effective_components(np.full(10, 0.1)) == pytest.approx(10)
    assert effective_components(np.array([1.0, 0.0])) == 1
    # 0.9^-0.9 * 0.1^-0.1
    assert effective_components(np.array([0.9, 0.1])) == pytest.approx(1.3841, abs=1e-4)
