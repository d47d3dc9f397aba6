"""Conditions in the style: the accuracy of their prediction, every seed in the figure."""

import anndata
import numpy as np
import pandas as pd
import pytest
from support.drawing import overlapping_texts

from gmvae.pipeline.errors import Refused
from gmvae.thesis.figures import conditions


def styled(gap, n=300, seeds=(0, 1), n_style=2):
    """A run whose two conditions lie `gap` standard deviations apart in w."""
    generator = np.random.default_rng(0)
    code = np.arange(n) % 2
    obs = pd.DataFrame({"condition": pd.Categorical(np.array(["control", "treated"])[code])})
    obs.index = [f"r{i}" for i in range(n)]
    obs["split"] = pd.Categorical(np.where(np.arange(n) % 5 < 2, "test", "train"))
    run = anndata.AnnData(obs=obs)
    run.uns |= {"task": "t", "model": "m", "seeds": np.array(seeds), "n_components": 0, "labels_observed": False}
    for seed in seeds:
        run.obsm[f"z_{seed}"] = generator.normal(size=(n, 3))
        run.obsm[f"w_{seed}"] = generator.normal(size=(n, n_style)) + gap * code[:, None]
        run.obsm[f"terms_{seed}"] = pd.DataFrame({"objective": np.full(n, float(seed))}, index=obs.index)
    return run


def test_accuracy_is_chance_where_conditions_mix_and_one_where_they_are_apart():
    mixed, apart = (conditions.condition_accuracies(styled(gap))["value"] for gap in (0, 9))
    assert (np.abs(mixed - 0.5) < 0.2).all() and (apart == 1).all()
    assert conditions.chance_accuracy(styled(0)) == 0.5


@pytest.mark.parametrize(("n_models", "n_style"), [(1, 1), (2, 2), (4, 3)])
def test_conditions_fit_the_page_and_show_every_seed(n_models, n_style):
    runs = {f"model {i}": styled(3 * i, n_style=n_style) for i in range(n_models)}
    figure = conditions.condition_figure(runs, {"model 0": "cGMΔVAE, fixed prior"})
    assert overlapping_texts(figure) == []
    dots = [line.get_xdata()[0] for line in figure.axes[-1].lines if line.get_marker() == "o"]
    assert np.allclose(dots, conditions.condition_accuracies(runs["model 0"])["value"])


def test_a_task_without_style_has_no_figure_of_conditions(tmp_path):
    run = styled(1)
    for name, keys in (("with", []), ("without", ["w_0", "w_1"])):
        for key in keys:
            del run.obsm[key]
        run.write_h5ad(tmp_path / f"{name}.h5ad")
    conditions.draw(tmp_path / "c.pdf", "t", {}, [tmp_path / "with.h5ad", tmp_path / "without.h5ad"], ["a", "b"])
    assert (tmp_path / "c.pdf").exists() and (tmp_path / "c.svg").exists()
    with pytest.raises(Refused, match=r"task t .*conditions and style"):
        conditions.draw(tmp_path / "d.pdf", "t", {}, [tmp_path / "without.h5ad"], ["b"])
