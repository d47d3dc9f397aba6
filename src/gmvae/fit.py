"""The training loop: all seeds of a run at once, each as if it were alone."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from tqdm import tqdm

from gmvae.batches import Batch, Rows, batch_of, order
from gmvae.inference import clusters, embedding, terms
from gmvae.objective import loss
from gmvae.randomness import generators, key, normal
from gmvae.schedule import Training

NOISE_BLOCK = 64  # steps whose noise is drawn at once
OCCUPANCY_ROWS = 2000


def fit(model: nn.Module, rows: Rows, training: Training, seeds: list[int], progress: bool = False) -> pd.DataFrame:
    """Train the model in place and return its history: one line per seed and epoch, every term unweighted.

    A model may have methods that see all training rows: `initialise(rows, seeds)`, called once when autoencoding
    ends, `refresh(rows)`, called before every epoch after that, and `conclude(rows)`, called after the last; and a
    number `kl_weight` of its own, which multiplies the schedule's.

    Args:
        model: with parameters for S seeds.
        rows: the training rows, on the model's device; labels are -1 where hidden.
        training: the settings.
        seeds: S values; each keys its own order of rows and noise.
        progress: whether to show a live line.
    """
    device = rows.x.device
    draws = {purpose: generators(seeds, purpose, device) for purpose in ("order", "noise")}
    optimizer = torch.optim.AdamW(
        model.parameters(), training.learning_rate, weight_decay=training.weight_decay, fused=True
    )
    history, seen = [], rows
    bar = tqdm(range(training.epochs), disable=not progress, mininterval=1, unit="epoch")
    for epoch in bar:
        phase = training.phase(epoch)
        if phase == "guide" and training.phase(epoch - 1) != "guide" and model.has_components:
            seen = rows._replace(label=guide_labels(model, rows, seeds))
        if phase == "free":
            seen = rows
        if epoch == training.autoencode_epochs and hasattr(model, "initialise"):
            model.initialise(rows, seeds)
        if epoch >= training.autoencode_epochs and hasattr(model, "refresh"):
            model.refresh(rows)
        sums = fit_epoch(model, seen, training, epoch, optimizer, draws)
        used = occupancy(model, rows)
        history += [
            {"seed": seed, "epoch": epoch + 1, "phase": phase}
            | {name: float(value[s]) for name, value in sums.items()}
            | {"occupancy": int(used[s]), "learning_rate": optimizer.param_groups[0]["lr"]}
            for s, seed in enumerate(seeds)
        ]
        bar.set_postfix(loss=f"{float(sums['loss'].mean()):.4g}", phase=phase, refresh=False)
    freeze_variance(model, rows, seeds)
    if hasattr(model, "conclude"):
        model.conclude(rows)
    return pd.DataFrame(history)


def fit_epoch(
    model: nn.Module,
    rows: Rows,
    training: Training,
    epoch: int,
    optimizer: torch.optim.Optimizer,
    draws: dict[str, list[torch.Generator]],
) -> dict[str, Tensor]:
    """One pass over the rows; the mean of every term and of the loss over the rows, [S] each."""
    model.train()
    n, n_labelled = rows.x.shape[0], int((rows.label[0] >= 0).sum())
    label_weight = training.label_weight_for(training.phase(epoch), n, n_labelled)
    kl_weight = training.kl_weight(epoch) * getattr(model, "kl_weight", 1.0)
    totals: dict[str, Tensor] = {}
    for done, batch in batches(rows, training, draws, model.n_noise):
        for group in optimizer.param_groups:
            group["lr"] = training.learning_rate_at((epoch + done) / training.epochs)
        with rounded_products(rows.x.device, training.precision):
            found = model.terms(batch)
        losses = loss(found, kl_weight, label_weight, batch.weight)  # S
        optimizer.zero_grad()
        losses.sum().backward()
        if training.clip:
            clip_gradients(model, training.clip)
        optimizer.step()
        with torch.no_grad():
            share = batch.weight.sum(-1) / n
            for name, value in found.items():
                totals[name] = totals.get(name, 0) + (batch.weight * value).sum(-1) / n
            totals["loss"] = totals.get("loss", 0) + share * losses
    return totals


def rounded_products(device: torch.device, precision: str) -> torch.autocast:
    """Where the precision is bfloat16, the networks' products and activations are; their parameters, their outputs and
    all terms stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def batches(
    rows: Rows, training: Training, draws: dict[str, list[torch.Generator]], n_noise: int
) -> Iterator[tuple[float, Batch]]:
    """The batches of an epoch, each with the share of the epoch done before it."""
    index, weight = order(rows.label, training.batch_size, draws["order"])  # S, steps, B
    steps, size = index.shape[1:]
    for start in range(0, steps, NOISE_BLOCK):
        stop = min(start + NOISE_BLOCK, steps)
        shape = (stop - start, training.n_samples, size, n_noise)
        noise = normal(draws["noise"], *shape, dtype=rows.x.dtype)  # S, block, k, B, n_noise
        for step in range(start, stop):
            yield step / steps, batch_of(rows, index[:, step], noise[:, step - start], weight[:, step])


def clip_gradients(model: nn.Module, largest: float) -> None:
    """Scale each seed's gradient to a norm of at most `largest`; a seed's scale depends on no other seed."""
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    squares = sum(gradient.flatten(1).square().sum(-1) for gradient in gradients)  # S
    scale = (largest / squares.sqrt().clamp(min=1e-12)).clamp(max=1.0)
    for gradient in gradients:
        gradient *= scale.view(-1, *[1] * (gradient.dim() - 1))


def guide_labels(model: nn.Module, rows: Rows, seeds: list[int]) -> Tensor:
    """What every row is taken for while guided, [S, N]: its k-means cluster, or where some labels are seen, those, and
    for the others the likeliest component at the posterior mean, as learned from them while autoencoding."""
    if (rows.label < 0).all():
        return kmeans_labels(model, rows, seeds)
    return torch.where(rows.label < 0, clusters(model, rows, None).argmax(-1), rows.label)


def kmeans_labels(model: nn.Module, rows: Rows, seeds: list[int]) -> Tensor:
    """The k-means cluster of every row in each seed's own latent, [S, N]."""
    z = embedding(model, rows).double().cpu().numpy()
    found = [
        KMeans(rows.n_components, n_init=10, random_state=key(seed, "kmeans") % 2**32).fit_predict(z[s])
        for s, seed in enumerate(seeds)
    ]
    return torch.as_tensor(np.stack(found), dtype=torch.long, device=rows.x.device)


def occupancy(model: nn.Module, rows: Rows) -> Tensor:
    """How many components are the likeliest of some row, among the first 2,000 training rows, [S]; 0 without any."""
    if not model.has_components:
        return torch.zeros(rows.label.shape[0])
    first = rows._replace(**{name: getattr(rows, name)[:OCCUPANCY_ROWS] for name in ("x", "target", "condition")})
    first = first._replace(label=rows.label[:, :OCCUPANCY_ROWS])
    chosen = clusters(model, first, None).argmax(-1)  # S, N
    return torch.nn.functional.one_hot(chosen, rows.n_components).any(1).sum(-1)


def freeze_variance(model: nn.Module, rows: Rows, seeds: list[int]) -> None:
    """Fit the one optimal variance of a normal likelihood on the training rows, where the model has one.

    At variance 1 the reconstruction is -(squared error + D log 2 pi) / 2, which gives the error back.
    """
    if getattr(model.p, "variance", "") != "optimal" or model.p.name != "normal":
        return
    model.p.log_variance.zero_()
    rewards = terms(model, rows, generators(seeds, "variance", rows.x.device))["reconstruction"].mean(-1)  # S
    variance = -2 * rewards / model.p.n_features - math.log(2 * math.pi)
    model.p.log_variance.copy_(variance.clamp(min=1e-6).log()[:, None, None])
