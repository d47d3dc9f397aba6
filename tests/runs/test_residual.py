"""The residual conversion and the near delta: the cell to the bit, coupled draws, means of counts, weights by hand."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, nbinom
from support.models import SEEDS, C, D, L, blob_rows, perturb, random_data, small_model

from gmvae.data.normalisation import log_normalise
from gmvae.nn.batches import Rows, make_batch
from gmvae.nn.random_streams import make_generators
from gmvae.pipeline.errors import Refused
from gmvae.runs.near_delta import FACTORS, FIXED_FACTOR, choose_factors, find_latent_changes, weigh_changes
from gmvae.runs.residual import Cells, add_change, couple_counts, predict_cells
from gmvae.runs.responses.type_changes import TypeChanges


def some_cells(likelihood, n=6, condition=0):
    """Cells of one condition."""
    torch.manual_seed(4)
    target = random_data(likelihood, n, D)
    total = target.sum(-1).double().numpy().clip(1) if likelihood == "negative_binomial" else None
    x = target if total is None else torch.as_tensor(log_normalise(target.numpy(), total))
    hidden = torch.full((len(SEEDS), n), -1)
    return Cells(Rows(x, target, torch.full((n,), condition), hidden, C, 3), x.double().numpy(), total)


WAYS = [("cvae", "z"), ("cgmdvae", "z"), ("cgmdvae", "w"), ("scgen", "z")]


@pytest.mark.parametrize("likelihood", ["normal", "negative_binomial"])
@pytest.mark.parametrize(("module", "through"), WAYS)
@pytest.mark.parametrize("prior", ["fixed", "learned"])
def test_the_residual_conversion_to_the_same_condition_is_the_cell_to_the_bit(module, through, likelihood, prior):
    if module == "scgen" and prior == "learned":
        pytest.skip("scgen has no prior of a condition")
    model = perturb(small_model(module, likelihood, **({} if module == "scgen" else {"prior": prior})))
    if module == "scgen":
        model.delta.zero_()
    cells = some_cells(likelihood, condition=1)
    prediction = predict_cells(model, cells, SEEDS, 1, 3, through)
    assert (add_change(cells.x, prediction) == cells.x).all()
    other = predict_cells(model, cells, SEEDS, 0, 3, through)
    assert (add_change(cells.x, other) != cells.x).any() == (module != "scgen")
    if through == "z":
        still = predict_cells(model, cells, SEEDS, 1, 3, "z", torch.zeros(len(SEEDS), L))
        assert (add_change(cells.x, still) == cells.x).all()
        moved = predict_cells(model, cells, SEEDS, 1, 3, "z", torch.ones(len(SEEDS), L))
        assert (add_change(cells.x, moved) != cells.x).any()
    else:
        with pytest.raises(Refused, match=r"^cgmdvae: shift: found one through w"):
            predict_cells(model, cells, SEEDS, 1, 1, "w", torch.zeros(len(SEEDS), L))


@pytest.mark.parametrize(("mean", "other"), [(0.4, 3.0), (3.0, 0.4), (2.0, 2.0)])
def test_coupled_counts_have_the_right_marginals_and_differ_no_more_than_their_means(mean, other):
    n, r = 40_000, np.array([[1.7]])
    means = np.full((n, 1), mean), np.full((n, 1), other)
    pair = couple_counts(*means, r, np.random.default_rng(0))
    for counts, m in zip(pair, (mean, other), strict=True):
        top = int(nbinom.ppf(0.999, 1.7, 1.7 / (1.7 + m)))
        probabilities = nbinom.pmf(np.arange(top), 1.7, 1.7 / (1.7 + m))
        seen = np.bincount(np.minimum(counts[:, 0], top), minlength=top + 1)
        assert chisquare(seen, n * np.append(probabilities, 1 - probabilities.sum())).pvalue > 1e-3
    difference = pair[1] - pair[0]
    assert (np.sign(difference) * np.sign(other - mean) >= 0).all()
    assert difference.mean() == pytest.approx(other - mean, abs=5 * difference.std() / n**0.5)
    assert ((pair[0] == pair[1]).all()) == (mean == other)


def test_a_count_model_is_predicted_by_the_mean_of_log_normalised_counts():
    """m(z, c) of both terms against the sum over all counts, within 5 standard errors; not the log of the mean."""
    model, cells = perturb(small_model("cvae", "negative_binomial")), some_cells("negative_binomial", n=4)
    model.q.network[
        -1
    ].weight.data.zero_()  # q(z|x) is one normal of a tiny variance, so that the draws are counts only
    model.q.network[-1].bias.data[..., L:] = -30
    n = 4000
    prediction = predict_cells(model, cells, SEEDS, 1, n)
    noise = torch.zeros(len(SEEDS), 1, 4, model.n_noise)
    batch = batch_of(cells, noise)
    with torch.no_grad():
        pair = [mean[:, 0].double().numpy() for mean in model.conversion_means(batch, 1)]
    r = model.p.log_r.detach().double().exp().numpy()  # S, 1, D
    k = np.arange(600)[:, None, None, None]
    for values, mean in zip(prediction, pair, strict=True):
        scale = np.log1p(k * 1e4 / cells.total[:, None])
        pmf = nbinom.pmf(k, r, r / (r + mean))
        expected = (pmf * scale).sum(0)
        error = np.sqrt((pmf * scale**2).sum(0) - expected**2) / n**0.5
        assert (np.abs(values - expected) < 5 * error + 1e-4).all()
        assert (np.abs(np.log1p(mean * 1e4 / cells.total[:, None]) - expected) > 5 * error).any()


def batch_of(cells, noise):
    index = torch.arange(len(cells.x)).expand(len(SEEDS), -1)
    return make_batch(cells.rows, index, noise)


def test_a_normal_model_is_predicted_by_its_decoder_and_a_seed_by_itself():
    model, cells = perturb(small_model("cvae")), some_cells("normal")
    prediction = predict_cells(model, cells, SEEDS, 1, 5)
    draws = make_generators(SEEDS, "respond")
    means = []
    with torch.no_grad():
        for _ in range(5):
            noise = torch.stack([torch.randn(1, 6, model.n_noise, generator=g) for g in draws])
            means.append(torch.stack(model.conversion_means(batch_of(cells, noise), 1))[:, :, 0])
    assert np.stack(prediction) == pytest.approx(torch.stack(means).mean(0).double().numpy(), abs=1e-5)
    again = predict_cells(model, cells, SEEDS, 1, 5)
    assert (np.stack(prediction) == np.stack(again)).all()


def test_zero_inflated_counts_are_refused():
    model = small_model("cvae", "zero_inflated_negative_binomial")
    with pytest.raises(Refused, match="zero_inflated"):
        predict_cells(model, some_cells("negative_binomial"), SEEDS, 1, 1)


# ------------------------------------------------------------------------------------------------------- near delta


def three_types():
    changes, centres = np.array([[1.0, 0.0], [0.0, 2.0], [5.0, 5.0]]), np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    return TypeChanges(np.array(list("abc")), changes, centres, np.array([2.0, 3.0, 4.0]))


def test_near_changes_weigh_precision_and_distance():
    types, at = three_types(), np.array([0.5, 0.2])
    distances = [np.linalg.norm(a - b) for a, b in ((types.centres[0], types.centres[1]), *PAIRS)]
    length = 0.5 * np.median(distances)
    weights = types.precision * np.exp(-((types.centres - at) ** 2).sum(1) / (2 * length**2))
    expected = (weights[:, None] * types.changes).sum(0) / weights.sum()
    assert weigh_changes(types, at, 0.5) == pytest.approx(expected)
    everywhere = (types.precision[:, None] * types.changes).sum(0) / 9
    assert weigh_changes(types, at, np.inf) == pytest.approx(everywhere)
    assert weigh_changes(types, at, 1e6) == pytest.approx(everywhere)
    far = np.array([-300.0, 400.0])  # every weight underflows, but for the softmax in logs
    assert weigh_changes(types, far, 0.25) == pytest.approx(types.changes[2])


PAIRS = [(np.array([0.0, 0.0]), np.array([0.0, 3.0])), (np.array([1.0, 0.0]), np.array([0.0, 3.0]))]


def test_changes_of_z_are_those_of_the_posterior_means_and_choose_a_factor_by_seed():
    rows = blob_rows(n=90)
    model = perturb(small_model("cvae"))
    label, treated = np.arange(90) % 3, np.arange(90) % 2 == 1
    latent = find_latent_changes(model, rows, label, treated)
    with torch.no_grad():
        z = model.embed(batch_of(Cells(rows, rows.x.numpy(), None), torch.zeros(2, 1, 90, L))).double().numpy()
    for s in (0, 1):
        by_hand = z[s][(label == 1) & treated].mean(0) - z[s][(label == 1) & ~treated].mean(0)
        assert latent[s].changes[1] == pytest.approx(by_hand, abs=1e-5)
    cells = Cells(rows, rows.x.double().numpy(), None)
    chosen = choose_factors(model, cells, label, treated, latent, SEEDS, 1)
    assert len(chosen) == 2 and set(chosen) <= set(FACTORS)
    few = label < 2
    some = Cells(
        rows._replace(x=rows.x[few], target=rows.x[few], condition=rows.condition[few], label=rows.label[:, few]),
        cells.x[few],
        None,
    )
    latent = find_latent_changes(model, some.rows, label[few], treated[few])
    assert choose_factors(model, some, label[few], treated[few], latent, SEEDS, 1) == [FIXED_FACTOR] * 2


def test_the_factor_that_predicts_the_seen_types_is_chosen():
    """z is x, the decoder the identity: distance has next to no part where all types change alike, but in pairs."""
    draws, n = np.random.default_rng(0), 30
    place = np.zeros((6, n))
    place[:, :2] = [[0.0, 0.0], [0.4, 0.0], [6.0, 0.0], [6.4, 0.0], [0.0, 6.0], [0.4, 6.0]]
    label, treated = np.repeat(np.arange(6), 200), np.tile(np.arange(200) % 2 == 1, 6)
    chosen = {}
    for name, changes in (("alike", np.ones((6, n))), ("in pairs", np.repeat(3 * np.eye(3, n), 2, axis=0))):
        z = place[label] + treated[:, None] * changes[label] + draws.normal(size=(1200, n))
        x = torch.as_tensor(z, dtype=torch.float32)
        rows = Rows(x, x, torch.as_tensor(treated.astype(np.int64)), torch.full((1, 1200), -1), 2, 6)
        model = IdentityModel()
        latent = find_latent_changes(model, rows, label, treated)
        chosen[name] = choose_factors(model, Cells(rows, z, None), label, treated, latent, [3], 1)[0]
    assert chosen["alike"] >= 1 and chosen["in pairs"] == min(FACTORS)


class IdentityModel(torch.nn.Module):
    """A model whose z is x and whose decoder is the identity."""

    n_noise = 2

    def __init__(self):
        super().__init__()
        self.p = small_model("cvae").p

    def embed(self, batch):
        return batch.x

    def conversion_means(self, batch, condition, through=None, shift=None):
        return batch.x.unsqueeze(1), (batch.x + shift[:, None]).unsqueeze(1)
