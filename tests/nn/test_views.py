"""Views of rows: neighbours, affine maps against SciPy, thinned counts, the information against scikit-learn."""

import math

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch
from sklearn.metrics import mutual_info_score
from support.models import blob_rows

from gmvae.data.normalisation import log_normalise
from gmvae.nn.batches import Rows, make_batch, one_hot
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.nn.views import (
    ANGLE,
    IMAGE_NEIGHBOURS,
    NEIGHBOURS,
    SHIFT,
    STRETCH,
    choose_neighbours,
    draw_views,
    information,
    make_view,
    move_images,
    normalise_like,
    thin_counts,
)


def cells(n=40, n_features=8):
    """Rows of counts with a graph that leads from each row to the next ones, in sparse and in dense form."""
    counts = torch.poisson(3 * torch.rand(n, n_features, generator=torch.Generator().manual_seed(0))) + 1
    x = torch.as_tensor(log_normalise(counts.numpy(), counts.sum(1).numpy()))
    neighbours = (torch.arange(n)[:, None] + torch.arange(1, 21)) % n
    hidden = torch.full((2, n), -1)
    return Rows(x, counts, torch.arange(n) % 2, hidden, 2, 3, neighbours=neighbours.int())


def views_of(rows, kinds, seeds, n_rows=20):
    """The view of the first rows, the same for all seeds, in the third of four steps."""
    index = torch.arange(n_rows).expand(len(seeds), -1)
    rows = rows._replace(label=rows.label[:1].expand(len(seeds), -1))
    batch = make_batch(rows, index, torch.zeros(len(seeds), 1, n_rows, 3))
    return make_view(rows, batch, kinds, draw_views(make_generators(seeds, "views"), kinds, 4, 1, n_rows, 3), 2)


# Neighbours


@pytest.mark.parametrize(("shape", "nearest"), [((), NEIGHBOURS), ((2, 4), IMAGE_NEIGHBOURS)])
def test_the_neighbour_is_each_of_the_nearest_rows_equally_often(shape, nearest):
    rows = cells()._replace(shape=shape)
    index = torch.full((2, 6000), 7)
    uniform = torch.rand(2, 6000, generator=torch.Generator().manual_seed(1))
    uniform[0, :2] = torch.tensor([0.0, 1 - 2**-24])  # the smallest and the largest draw
    chosen = choose_neighbours(rows, index, uniform)
    assert chosen[0, 0] == 8 and chosen[0, 1] == 7 + nearest
    counts = torch.bincount(chosen.flatten() - 8, minlength=nearest)
    assert len(counts) == nearest and scipy.stats.chisquare(counts).pvalue > 1e-3


def test_a_labelled_row_is_its_own_neighbour():
    rows = cells()
    label = rows.label.clone()
    label[1, 3] = 2
    index = torch.tensor([[3, 4], [3, 4]])
    chosen = choose_neighbours(rows._replace(label=label), index, torch.zeros(2, 2))
    assert chosen.tolist() == [[4, 5], [3, 5]]


def test_the_view_of_a_neighbour_has_the_neighbour_s_values_and_condition():
    rows = cells()
    view = views_of(rows, ("neighbours",), [3])
    own = [int((rows.x == x).all(1).nonzero()) for x in view.x[0]]
    assert all(j in rows.neighbours[i, :NEIGHBOURS] for i, j in enumerate(own))
    assert torch.equal(view.condition[0], one_hot(rows.condition[own], 2))


def test_a_view_of_no_kind_is_the_row_with_its_own_noise():
    rows = cells()
    view = views_of(rows, (), [3])
    assert torch.equal(view.x[0], rows.x[:20]) and view.noise.std() > 0.5


# Affine maps


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 12)])
def test_a_moved_image_is_scipy_s_affine_transform(height, width):
    """The same map in SciPy's coordinates: pixels from the upper left, rows first; the centre only shifts."""
    torch.manual_seed(0)
    images, uniform = torch.rand(2, 3, height * width), torch.rand(2, 3, 5)
    moved = move_images(images, (height, width), uniform)
    centre = (np.array([height, width]) - 1) / 2
    for s, b in np.ndindex(2, 3):
        u = 2 * uniform[s, b].double().numpy() - 1
        angle, (along_x, along_y) = ANGLE * u[0], np.exp(STRETCH * u[1:3])
        cos, sin = math.cos(angle), math.sin(angle)
        matrix = np.array([[cos * along_y, sin * along_x], [-sin * along_y, cos * along_x]])
        shift = SHIFT * np.array([u[4] * height, u[3] * width])
        image = images[s, b].view(height, width).numpy()
        offset = centre + shift - matrix @ centre
        expected = scipy.ndimage.affine_transform(image, matrix, offset, order=1, mode="grid-constant")
        assert np.allclose(moved[s, b].view(height, width).numpy(), expected, atol=1e-5)


def test_the_shift_is_at_most_two_pixels_of_28():
    image = torch.zeros(1, 1, 28 * 28)
    image[0, 0, 14 * 28 + 14] = 1.0
    uniform = torch.tensor([[[0.5, 0.5, 0.5, 1.0, 0.5]]])
    moved = move_images(image, (28, 28), uniform)
    assert divmod(int(moved.argmax()), 28) == (14, 12) and float(moved.max()) == pytest.approx(1, abs=1e-4)


# Thinned counts


def test_thinned_negative_binomial_counts_are_negative_binomial_of_a_part_of_the_mean():
    """x ~ NB(mu, r), x1 ~ Bin(x, p): x1 ~ NB(p mu, r), and the rest x - x1 ~ NB((1 - p) mu, r), by chi-square."""
    mean, r, kept, n = 6.0, 2.0, 0.3, 40_000
    x = scipy.stats.nbinom.rvs(r, r / (r + mean), size=(2, n, 1), random_state=0)
    counts = torch.as_tensor(x, dtype=torch.float32)
    thinned = thin_counts(counts, make_generators([3, 11], "thinning"), kept)
    assert (thinned >= 0).all() and (thinned <= counts).all() and torch.equal(thinned, thinned.round())
    for part, share in ((thinned, kept), (counts - thinned, 1 - kept)):
        p = scipy.stats.nbinom.pmf(np.arange(16), r, r / (r + share * mean))
        expected = 2 * n * np.append(p, 1 - p.sum())
        observed = np.bincount(part.flatten().int().clamp(max=16).numpy(), minlength=17)
        assert scipy.stats.chisquare(observed, expected).pvalue > 1e-3


def test_the_encoder_sees_thinned_counts_as_the_dataset_s_normalisation_of_them():
    """With the view's own total; the test's rows are normalised by the total of these features."""
    rows = cells()
    view = views_of(rows, ("thinning",), [3, 11])
    for s in range(2):
        x, own = view.x[s].double(), rows.target[:20].double()
        total = own * 0 + 1e4 / x.expm1().where(x > 0, torch.inf).min(1, keepdim=True)[0]  # if its least count is 1
        thinned = (x.expm1() * total / 1e4).round()
        assert (thinned <= own).all() and 0.4 < thinned.sum() / own.sum() < 0.6
        expected = log_normalise(thinned.numpy(), thinned.sum(1).numpy())
        assert np.allclose(view.x[s].numpy(), expected, atol=1e-4)


def test_a_part_of_the_genes_keeps_its_share_of_the_total():
    """Of counts whose total holds other genes, too, the view has the share that the row has."""
    counts = torch.tensor([[[3.0, 5.0, 0.0, 2.0]]])
    x = torch.as_tensor(log_normalise(counts.numpy()[0], np.array([40.0])))
    half = torch.tensor([[[2.0, 2.0, 0.0, 1.0]]])
    expected = log_normalise(half.numpy()[0], np.array([20.0]))
    assert np.allclose(normalise_like(x, half)[0].numpy(), expected, atol=1e-5)
    assert torch.equal(normalise_like(x, torch.zeros_like(half)), torch.zeros_like(half))


@pytest.mark.parametrize("kinds", [("neighbours",), ("affine",), ("neighbours", "thinning"), ("neighbours", "affine")])
def test_a_seed_s_views_do_not_depend_on_the_other_seeds(kinds):
    rows = cells()._replace(shape=(2, 4))
    together, alone = views_of(rows, kinds, [3, 11]), views_of(rows, kinds, [11])
    assert all(torch.equal(a[1], b[0]) for a, b in zip(together, alone, strict=True))
    assert not torch.equal(together.x[0], together.x[1])


def test_sparse_counts_are_thinned_like_dense_ones():
    counts = cells().target.expand(2, -1, -1)
    thinned = [thin_counts(form.to_dense(), make_generators([1, 2], "t")) for form in (counts, counts.to_sparse())]
    assert torch.equal(*thinned)


# Information


def test_information_is_zero_where_all_rows_have_the_same_class_probabilities():
    q = torch.tensor([0.7, 0.2, 0.1]).expand(2, 1, 50, 3)
    assert torch.allclose(information(q, q, torch.ones(2, 50)), torch.zeros(2), atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 10])
def test_information_of_balanced_classes_that_agree_is_log_k(n_classes):
    q = one_hot(torch.arange(100) % n_classes, n_classes).expand(1, 1, -1, -1).requires_grad_()
    value = information(q, q, torch.ones(1, 100))
    assert value.item() == pytest.approx(math.log(n_classes), rel=1e-5)
    value.sum().backward()
    assert q.grad.isfinite().all()


def test_information_of_hard_classes_is_scikit_learn_s_of_the_pairs_in_both_orders():
    draws = np.random.default_rng(0)
    a = draws.integers(0, 4, (2, 300))
    b = np.where(draws.random((2, 300)) < 0.6, a, draws.integers(0, 4, (2, 300)))
    q, q_view = (one_hot(torch.as_tensor(codes), 4).unsqueeze(1) for codes in (a, b))
    values = information(q, q_view, torch.ones(2, 300))
    for s in range(2):
        assert float(values[s]) == pytest.approx(mutual_info_score(np.r_[a[s], b[s]], np.r_[b[s], a[s]]), abs=1e-6)


def test_information_is_the_mean_over_draws_and_fillers_do_not_count():
    torch.set_default_dtype(torch.float64)
    try:
        q, q_view = (draw_normals(make_generators([1, 2], name), 3, 6, 4).softmax(-1) for name in "ab")
        weight = torch.tensor([1.0, 0.5, 0.5, 1.0, 1.0, 0.0]).expand(2, -1)
        joint = sum(torch.einsum("sb,sbj,sbk->sjk", weight, q[:, k], q_view[:, k]) for k in range(3)) / (3 * 4.0)
        for s in range(2):
            both = (joint[s] + joint[s].T).numpy() / 2
            expected = scipy.stats.entropy(both.sum(0)) * 2 - scipy.stats.entropy(both.ravel())
            assert float(information(q, q_view, weight)[s]) == pytest.approx(expected, abs=1e-9)
    finally:
        torch.set_default_dtype(torch.float32)


def test_information_in_float32_is_at_least_minus_a_millionth():
    for n_classes in (2, 10, 50):
        noise = torch.randn(200, 1, 64, n_classes, generator=torch.Generator().manual_seed(n_classes))
        for size in (1e-6, 1e-3, 1.0):
            q = (size * noise).softmax(-1)
            assert (information(q, q.roll(1, 0), torch.ones(200, 64)) >= -1e-6).all()


def test_views_of_training_rows_of_a_blob_are_its_rows():
    rows = blob_rows()
    graph = torch.cdist(rows.x, rows.x).argsort(1)[:, 1:16]
    index = torch.arange(60).expand(2, -1)
    chosen = choose_neighbours(rows._replace(neighbours=graph), index, torch.rand(2, 60))
    assert (chosen % 3 == index % 3).all() and (chosen != index).all()
