"""Communities of a graph of neighbours: the search for K, Leiden, unconnected parts, and the vote."""

import random

import igraph
import numpy as np
import pytest

from gmvae.pipeline.errors import Refused
from gmvae.runs.nearest_rows import nearest_rows
from gmvae.training.communities import (
    check_parts,
    jaccard_graph,
    leiden_communities,
    partition_into,
    vote_of_neighbours,
)


def graph_of(z, k=15):
    """The k nearest neighbours of each point."""
    return nearest_rows(z, z, k, np.arange(len(z)))[0]


def blobs(n=300, n_classes=3, distance=4.0, seed=0):
    """Points of overlapping Gaussian classes, and their classes."""
    draws = np.random.default_rng(seed)
    truth = np.arange(n) % n_classes
    return draws.normal(size=(n, 4)) + distance * np.eye(n_classes, 4)[truth], truth


def modularity_by_hand(graph, communities):
    """sum over pairs in one community of A - d d' / 2m, over 2m."""
    adjacency = np.array(graph.get_adjacency(attribute="weight").data)
    degree, total = adjacency.sum(axis=0), adjacency.sum()
    same = np.equal.outer(communities, communities)
    return np.sum((adjacency - np.outer(degree, degree) / total) * same) / total


def test_the_search_ends_at_k_or_the_next_number_below():
    def steps(counts):
        return lambda at: np.arange(counts(at))

    communities, resolution = partition_into(steps(lambda at: max(1, int(10 * at))), 7)
    assert communities.max() + 1 == 7 and 0.7 <= resolution < 0.8
    assert partition_into(steps(lambda at: 2 if at < 1 else 5), 4)[0].max() + 1 == 2
    assert partition_into(steps(lambda at: 6), 4)[0].max() + 1 == 6


def test_a_good_guess_ends_the_search_and_a_bad_one_changes_nothing():
    calls = []

    def partition(at):
        calls.append(at)
        return np.arange(max(1, int(10 * at)))

    expected = partition_into(partition, 7)[1]
    calls.clear()
    assert partition_into(partition, 7, guess=0.75)[1] == 0.75 and calls == [0.75]
    assert partition_into(partition, 7, guess=0.2)[1] == expected


def test_separate_classes_are_the_communities():
    z, truth = blobs(distance=12.0)
    communities = leiden_communities(graph_of(z), 3, seed=0)
    assert len({(int(a), int(b)) for a, b in zip(communities, truth, strict=True)}) == 3


def test_the_communities_have_the_highest_modularity_of_three_searches(monkeypatch):
    neighbours = graph_of(blobs(distance=0.5)[0])
    graph = jaccard_graph(neighbours)
    of_three = [modularity_by_hand(graph, leiden_communities(neighbours, 6, seed)) for seed in range(6)]
    monkeypatch.setattr("gmvae.training.communities.STARTS", 1)
    of_one = [modularity_by_hand(graph, leiden_communities(neighbours, 6, seed)) for seed in range(6)]
    assert all(three >= one for three, one in zip(of_three, of_one, strict=True))
    assert np.mean(of_three) > np.mean(of_one)


def test_a_seed_gives_the_same_communities_whatever_was_drawn_before():
    z, _ = blobs(distance=0.5)
    neighbours = graph_of(z)
    first = leiden_communities(neighbours, 6, 1)
    others = [leiden_communities(neighbours, 6, seed) for seed in (2, 3, 4)]
    igraph.set_random_number_generator(random.Random(5))
    assert np.array_equal(first, leiden_communities(neighbours, 6, 1))
    assert any(not np.array_equal(first, other) for other in others)


def test_more_parts_than_components_are_refused_in_one_line():
    z, _ = blobs(n_classes=4, distance=100.0)
    neighbours = graph_of(z)
    with pytest.raises(Refused, match=r"found 3; allowed with guide leiden: at least 4,.*balanced") as refusal:
        leiden_communities(neighbours, 3, 0)
    assert "\n" not in str(refusal.value)
    with pytest.raises(Refused, match="at least 4"):
        check_parts(neighbours, 3)
    check_parts(neighbours, 4)
    assert leiden_communities(neighbours, 4, 0).max() == 3


def test_a_row_far_from_all_others_takes_the_community_of_most_of_its_neighbours():
    """None of its neighbours has one of them as its own neighbour, so the graph leaves the row alone."""
    z, truth = blobs(n=1500, distance=12.0)
    neighbours, chosen = graph_of(z), []
    for row in np.random.default_rng(0).permutation(1500):
        wanted = (truth[row] == 1 and len(chosen) < 8) or (truth[row] == 2 and len(chosen) >= 8)
        if wanted and not set(neighbours[row]) & set(chosen) and row not in neighbours[chosen] and len(chosen) < 15:
            chosen.append(row)
    together = np.vstack([neighbours, chosen])
    assert jaccard_graph(together).degree(1500) == 0
    communities = leiden_communities(together, 3, 0)
    assert communities[1500] == communities[1]


def test_fewer_communities_than_components_are_said(capsys):
    rows = np.random.default_rng(0).normal(size=(17, 2))
    communities = leiden_communities(graph_of(rows), 16, 0)
    assert communities.max() + 1 < 16
    assert f"no resolution gives 16 Leiden communities: there are {communities.max() + 1}" in capsys.readouterr().out


def test_votes_are_shares_of_the_neighbours():
    shares = vote_of_neighbours(np.array([[0, 1, 2], [3, 3, 1]]), np.array([0, 1, 1, 2]), 4)
    np.testing.assert_allclose(shares, [[1 / 3, 2 / 3, 0, 0], [0, 1 / 3, 2 / 3, 0]])
