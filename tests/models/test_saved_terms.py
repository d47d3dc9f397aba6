"""Every model computes what it computed before its mixture code was shared: numbers saved from commit 9fc3c73."""

import contextlib
import json
import math

import pytest
import torch

from gmvae.formats.weights import build_model
from gmvae.nn.batches import Batch, one_hot
from gmvae.nn.random_streams import make_generators
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT

SAVED = json.loads((ROOT / "tests/models/saved_terms.json").read_text(encoding="utf-8"))
SEEDS, B, D, K, L, C = [3, 11], 4, 5, 3, 2, 2


def waves(*shape, phase):
    """Numbers between -1 and 1 that are the same on every machine."""
    return torch.sin(1.7 * torch.arange(math.prod(shape), dtype=torch.float64) + phase).view(*shape)


def fixed_model(module, settings):
    """A model whose parameters are waves, in evaluation mode."""
    sizes = {"n_features": D, "likelihood": "normal", "seeds": SEEDS, "n_components": K, "n_conditions": C}
    hidden = {} if module == "linear_ae" else {"n_hidden": 4}
    model = build_model(module, sizes | {"n_latent": L} | hidden | settings).eval()
    for number, parameter in enumerate(model.parameters()):
        parameter.data = 0.6 * waves(*parameter.shape, phase=number)
    if module == "scgen":
        model.delta.copy_(waves(*model.delta.shape, phase=0.3))
    return model


def fixed_batch(model):
    """A batch of 4 rows, the second and the third labelled, under two conditions."""
    code = torch.arange(B).expand(len(SEEDS), -1)
    x = waves(len(SEEDS), B, D, phase=0.5)
    return Batch(
        x=x,
        target=x,
        condition=one_hot(code % C, C),
        label=one_hot(torch.tensor([-1, 2, 0, -1]).expand(len(SEEDS), -1), K),
        noise=2 * waves(len(SEEDS), 2, B, model.n_noise, phase=0.9),
        weight=torch.ones(len(SEEDS), B),
        index=code,
    )


@torch.no_grad()
def outputs(module, settings):
    """All that a model computes of the batch, by name; what it refuses is left out."""
    model = fixed_model(module, settings)
    batch = fixed_batch(model)
    calls = {
        "log_weights": lambda: model.log_weights(batch),
        "cluster": lambda: model.cluster(batch),
        "embed": lambda: model.embed(batch),
        "convert": lambda: model.convert(batch, 1),
        "sample": lambda: model.sample(2, draws=make_generators(SEEDS, "sample")),
    }
    if model.has_components and model.has_bound:
        calls["sample of component 1"] = lambda: model.sample(2, component=1, draws=make_generators(SEEDS, "sample"))
    if module == "cgmdvae":
        calls["convert z"] = lambda: model.convert(batch, 1, through="z")
    values = model.terms(batch)
    if "kl_y_floor" in settings:  # it acts in training only
        values |= {f"training {name}": value for name, value in model.train().terms(batch).items()}
        model.eval()
    for name, call in calls.items():
        with contextlib.suppress(Refused):
            values[name] = call()
    return values


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("saved", SAVED, ids=[f"{one['module']}-{one['settings']}" for one in SAVED])
def test_every_number_of_a_fixed_batch_is_the_saved_one(saved):
    """Terms, importance weights, clusters, latent, conversions and samples, to 1e-10 in float64."""
    values = outputs(saved["module"], saved["settings"])
    assert values.keys() == saved["values"].keys()
    for name, expected in saved["values"].items():
        assert torch.allclose(values[name], torch.tensor(expected), rtol=0, atol=1e-10), name
