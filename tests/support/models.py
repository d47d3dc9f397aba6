"""Small models, batches and rows for the tests; MODELS are all files of src/gmvae/models that define a `Model`."""

import itertools

import pandas as pd
import torch

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.formats.weights import build_model
from gmvae.nn.batches import Batch, Rows, one_hot
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.pipeline.sources import keyword_types, plugin_names
from gmvae.training.loop import train_to_end
from gmvae.training.state import TrainingState

MODELS = plugin_names("model")
SEEDS = [3, 11]
K, L, D, C = 3, 2, 6, 2  # components, latent dimensions, features, conditions


def small_model(module, likelihood="normal", seeds=SEEDS, n_features=D, n_components=K, n_conditions=C, **settings):
    """A model of this module, in the current default precision."""
    arguments = {"n_features": n_features, "likelihood": likelihood, "seeds": seeds, "n_components": n_components}
    settable = keyword_types(f"gmvae.models.{module}", "Model.__init__")
    sizes = {name: size for name, size in {"n_latent": L, "n_hidden": 8}.items() if name in settable}
    return build_model(module, arguments | {"n_conditions": n_conditions} | sizes | settings)


def perturb(model):
    """The model with all parameters moved away from their initial values, so that no output is trivially 0."""
    torch.manual_seed(1)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape)
    return model


def random_data(likelihood, *shape):
    """Random data with a density under the likelihood."""
    if likelihood in COUNT_LIKELIHOODS:
        return torch.poisson(4 * torch.rand(*shape))
    return torch.rand(*shape) if likelihood == "bernoulli" else torch.randn(*shape)


def permute_components(model, order):
    """Reorder the components of every parameter: an axis of size K, or an output of K blocks of 2 L or L numbers."""
    if model.name == "m2":
        permute_classes_of_m2(model, order)
        return
    for tensor in itertools.chain(model.parameters(), model.buffers()):
        if tensor.shape[-1] == K:
            tensor.data = tensor.data[..., order]
        elif tensor.dim() > 2 and tensor.shape[-1] == 2 * K * L:
            tensor.data = tensor.data.unflatten(-1, (2, K, L))[..., order, :].flatten(-3)
        elif tensor.dim() > 2 and tensor.shape[-2] == K:
            tensor.data = tensor.data[..., order, :]


def permute_classes_of_m2(model, order):
    """Reorder the outputs of q(y|x), and the last K inputs of q(z|x,y) and p(x|y,z)."""
    last = model.y_logits[-1]
    last.weight.data, last.bias.data = last.weight.data[..., order], last.bias.data[..., order]
    for network in (model.z_moments.network, model.decoder):
        weight = network[0].weight.data  # S, n_in, n_out
        weight[:, -model.n_components :] = weight[:, -model.n_components :][:, order]


def small_batch(model, n=5, k=2, likelihood="normal", n_features=D, n_components=K, labelled=False, n_conditions=C):
    """A batch of n rows, the same for all seeds, each with its own noise; conditions alternate, and labels if any."""
    torch.manual_seed(2)
    n_seeds = next(model.parameters()).shape[0]
    target = random_data(likelihood, n, n_features).expand(n_seeds, -1, -1)
    code = torch.arange(n).expand(n_seeds, -1)
    return Batch(
        x=torch.log1p(target) if likelihood in COUNT_LIKELIHOODS else target,
        target=target,
        condition=one_hot(code % n_conditions, n_conditions) if n_conditions else target.new_zeros(n_seeds, n, 0),
        label=one_hot(code % n_components if labelled else code * 0 - 1, n_components),
        noise=torch.randn(n_seeds, k, n, model.n_noise),
        weight=torch.ones(n_seeds, n),
        index=code,
    )


def redraw_noise(batch, model, k, purpose="test"):
    """The batch with k new noise vectors for each row."""
    n_seeds, n = batch.x.shape[:2]
    draws = make_generators(list(range(n_seeds)), purpose)
    return batch._replace(noise=draw_normals(draws, k, n, model.n_noise, dtype=batch.x.dtype))


def blob_rows(n=60, n_seeds=2, n_classes=K, labelled=0):
    """n rows of well separated classes under two conditions; the first `labelled` of them show their labels."""
    draws = torch.Generator().manual_seed(5)
    label = torch.arange(n) % n_classes
    centres = 6 * torch.randn(n_classes, D, generator=draws, dtype=torch.float64)
    x = centres[label] + torch.randn(n, D, generator=draws, dtype=torch.float64)
    x = x.to(torch.get_default_dtype())
    observed = torch.where(torch.arange(n) < labelled, label, -1)
    return Rows(x, x, torch.arange(n) % C, observed.expand(n_seeds, -1), C, n_classes)


def viewed_rows(n_seeds=2, **options):
    """Blobs as images of 2 x 3 pixels, with a graph."""
    rows = blob_rows(n_seeds=n_seeds, **options)
    neighbours = torch.cdist(rows.x, rows.x).argsort(1)[:, 1:16]
    return rows._replace(shape=(2, 3), neighbours=neighbours.int())


def train_model(model, rows, training, seeds):
    """Train the model in place; its history as a frame."""
    state = TrainingState(model, training, seeds, rows.device)
    train_to_end(state, rows, training)
    return pd.DataFrame(state.history)
