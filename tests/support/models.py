"""Small models and batches for the tests; every file of src/gmvae/models is found here by being there."""

import itertools

import torch

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.formats.weights import build_model
from gmvae.nn.batches import Batch, Rows, one_hot
from gmvae.nn.random_streams import draw_normals, make_generators
from gmvae.pipeline.sources import ROOT, keyword_types

MODELS = sorted(file.stem for file in (ROOT / "src/gmvae/models").glob("*.py") if file.stem != "__init__")
SEEDS = [3, 11]
K, L, D, C = 3, 2, 6, 2  # components, latent dimensions, features, conditions


def small(module, likelihood="normal", seeds=SEEDS, n_features=D, n_components=K, n_conditions=C, **settings):
    """A model of this module, in the current default precision."""
    arguments = {"n_features": n_features, "likelihood": likelihood, "seeds": seeds, "n_components": n_components}
    taken = keyword_types(f"gmvae.models.{module}", "Model.__init__")
    sizes = {name: size for name, size in {"n_latent": L, "n_hidden": 8}.items() if name in taken}
    return build_model(module, arguments | {"n_conditions": n_conditions} | sizes | settings)


def shaken(model):
    """The model with all its parameters moved away from their start, so that no head is trivially 0."""
    torch.manual_seed(1)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape)
    return model


def values(likelihood, *shape):
    """Data that the likelihood can score."""
    if likelihood in COUNT_LIKELIHOODS:
        return torch.poisson(4 * torch.rand(*shape))
    return torch.rand(*shape) if likelihood == "bernoulli" else torch.randn(*shape)


def permute(model, order):
    """Reorder the components of every parameter: an axis of size K, or an output of K blocks of 2 L or L numbers.

    A model whose weights are laid out otherwise brings its own `permute_components`.
    """
    if hasattr(model, "permute_components"):
        model.permute_components(order)
        return
    for tensor in itertools.chain(model.parameters(), model.buffers()):
        if tensor.shape[-1] == K:
            tensor.data = tensor.data[..., order]
        elif tensor.dim() > 2 and tensor.shape[-1] == 2 * K * L:
            tensor.data = tensor.data.unflatten(-1, (2, K, L))[..., order, :].flatten(-3)
        elif tensor.dim() > 2 and tensor.shape[-2] == K:
            tensor.data = tensor.data[..., order, :]


def a_batch(model, n=5, k=2, likelihood="normal", n_features=D, n_components=K, labelled=False, n_conditions=C):
    """A batch of n rows, the same for all seeds, noise of its own; conditions in turn, classes in turn if labelled."""
    torch.manual_seed(2)
    n_seeds = next(model.parameters()).shape[0]
    target = values(likelihood, n, n_features).expand(n_seeds, -1, -1)
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


def renoised(batch, model, k, purpose="test"):
    """The batch with k fresh noise vectors a row."""
    n_seeds, n = batch.x.shape[:2]
    draws = make_generators(list(range(n_seeds)), purpose)
    return batch._replace(noise=draw_normals(draws, k, n, model.n_noise, dtype=batch.x.dtype))


def blobs(n=60, n_seeds=2, n_classes=K, labelled=0):
    """Rows of well separated classes under two conditions; the first `labelled` of them with their labels."""
    draws = torch.Generator().manual_seed(5)
    label = torch.arange(n) % n_classes
    centres = 6 * torch.randn(n_classes, D, generator=draws, dtype=torch.float64)
    x = centres[label] + torch.randn(n, D, generator=draws, dtype=torch.float64)
    x = x.to(torch.get_default_dtype())
    seen = torch.where(torch.arange(n) < labelled, label, -1)
    return Rows(x, x, torch.arange(n) % C, seen.expand(n_seeds, -1), C, n_classes)
