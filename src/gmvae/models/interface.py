"""What a model is: the one class that every `Model` of this package derives from.

To add a model, write `src/gmvae/models/<name>.py`. Its docstring tells the generative story, the inference model, the
objective and the source. Its class `Model` derives from `LatentModel`, calls `super().__init__()` first, and has to
define `terms`, `embed` and `decode`. All else has a default below: it does nothing, or refuses with one clear line.
A `Model` is final: nothing derives from it, and no model imports another one.

The settings of a model in config.yaml are the keyword-only arguments of `Model.__init__`. The others are
    n_features: D.
    likelihood: The dataset's likelihood, one of formats/likelihoods.py.
    seeds: S values; seed s has its own parameters, initialised by its own random numbers.
    n_components: K.
    n_conditions: C, 0 for a dataset without conditions.
    n_inputs: Length of the encoder's input, None for D. A model with this argument can encode principal components
        while its likelihood scores all features; one without it, such as a user's own, encodes what it decodes.

All seeds are trained at once: tensors with two axes or more, parameters and buffers alike, have the seeds first.
Shapes: S seeds, k draws, B rows of a batch, N training rows, D features, L dimensions of z, W of w, K components.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from gmvae.nn.batches import Batch, Rows, one_hot
from gmvae.nn.layers import Linear
from gmvae.nn.likelihoods import Likelihood
from gmvae.pipeline.errors import Refused


class LatentModel(nn.Module, ABC):
    """A model of rows x by a latent z, for S seeds at once.

    Attributes:
        p: The likelihood p(x|z) with its parameters.
        decoder: The network of p(x|z). Models of counts need it: it starts at the data (training/start.py).
        n_noise: How many standard normals one draw of a row's latent variables takes.
        n_conditions: How many conditions the model tells apart.
        has_components: Whether it has classes y: `cluster` works.
        has_bound: Whether it has a density of x: `log_weights` and `sample` work, and the objective is an ELBO.
        has_style: Whether it shows a latent w beside z: `style` works, and latent.h5ad holds its means.
        takes_views: Whether its terms use `batch.view`, another look at the rows (nn/views.py).
        decodes_class: Whether its decoder is p(x|y,z), so that each row is decoded once for each class.
        is_linear: Whether its decoder is affine: `plane` works.
        kl_weight: Its own weight of all `kl_*` terms in the loss, times the schedule's.
        starts_from_clusters: Whether `initialise` fits a clustering, which needs a training row for each component.
        conversions: What conversion can go through, the model's own choice first; empty where it cannot convert.
    """

    p: Likelihood
    n_noise: int = 0
    n_conditions: int = 0
    has_components: bool = False
    has_bound: bool = False
    has_style: bool = False
    takes_views: bool = False
    decodes_class: bool = False
    is_linear: bool = False
    kl_weight: float = 1.0
    starts_from_clusters: bool = False
    conversions: tuple[str, ...] = ()

    # What every model defines

    @abstractmethod
    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the objective for each row; nn/objective.py makes the loss and the ELBO of them.

        Args:
            batch: B rows with k noise vectors each.

        Returns:
            Unweighted terms by name, [S, B] each: `reconstruction`, any number of `kl_*`, and as far as the model has
            them `label` (log-probability of the label, 0 where it is hidden), `information` (of the whole batch, with
            views only) and `penalty`.
        """

    @abstractmethod
    def embed(self, batch: Batch) -> Tensor:
        """The latent of each row: the posterior mean of z, [S, B, L]."""

    @abstractmethod
    def decode(self, z: Tensor, condition: Tensor, library: Tensor, y: Tensor | None = None) -> Tensor:
        """The mean of x given z.

        Args:
            z: [S, B, L].
            condition: One-hot, [S, B, C]; only conditional decoders use it.
            library: Total counts of each row, [S, B, 1]; only count likelihoods use it.
            y: Class probabilities, [S, B, K]; only decoders p(x|y,z) use them, and take p(y) where None.

        Returns:
            E[x|z], [S, B, D].
        """

    # What a model may leave out

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x, z) - log q(z|x) at the draws, discrete variables summed out; their log-mean-exp bounds log p(x).

        Returns:
            [S, k, B].

        Raises:
            Refused: The model has no prior over z.
        """
        raise Refused(f"{self.name}: has no prior over z, so there is no bound on log p(x); use vae or gmdvae")

    def sample(
        self, n: int, component: int | None = None, condition: int | None = None, *, draws: list[torch.Generator]
    ) -> Tensor:
        """Draws of z from the prior; `decode` turns them into data.

        Args:
            n: How many for each seed.
            component: Sample this component only; None samples the mixture.
            condition: Sample p(z|c) of this condition; None takes the first.
            draws: S random generators.

        Returns:
            [S, n, L].

        Raises:
            Refused: The model has no prior over z, or not this component or condition.
        """
        raise Refused(f"{self.name}: has no prior over z to sample from; use vae or gmdvae")

    def cluster(self, batch: Batch) -> Tensor:
        """The class probabilities q(y|x), averaged over the batch's k draws, [S, B, K].

        Raises:
            Refused: The model has no components.
        """
        raise Refused(
            f"{self.name}: has no components to cluster with; use gmdvae, or cluster its latent by an entry `baseline: "
            f"kmeans, space: {self.name}`"
        )

    def style(self, batch: Batch) -> Tensor:
        """The posterior mean of w, [S, B, W].

        Raises:
            Refused: The model shows no w.
        """
        raise Refused(f"{self.name}: shows no style w; use gmvae or cgmdvae")

    def plane(self) -> Tensor:
        """The directions that a linear decoder spans, as columns, [S, D, L]. Raises Refused for another decoder."""
        raise Refused(f"{self.name}: its decoder is not linear, so it spans no plane; use linear_ae")

    def conversion_means(
        self, batch: Batch, condition: int, through: str | None = None, shift: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The mean of x at each row's (z, c) and at the (z', c') that it is converted to, decoded at the same draws.

        Their difference is the change that the model predicts, whatever it reconstructs; 0 to the bit where z' = z.

        Args:
            batch: B rows with k noise vectors each.
            condition: The code of the new condition c'.
            through: One of `conversions`; None takes the first.
            shift: What is added to z in place of the model's own way to z', [S, L]; only through z.

        Returns:
            E[x|z,c] and E[x|z',c'], [S, k, B, D] each; k is 1 where posterior means are converted.

        Raises:
            Refused: The model cannot convert, or not so.
        """
        raise Refused(f"{self.name}: is not conditional, so it cannot convert to a condition; use cvae or cgmdvae")

    def convert(self, batch: Batch, condition: int, through: str | None = None) -> Tensor:
        """What each row would be under another condition: E[x|z',c'], the mean over the k draws, [S, B, D].

        Raises:
            Refused: The model cannot convert, or not so.
        """
        return self.conversion_means(batch, condition, through)[1].mean(1)

    # What a model may do around the training steps, and keep beside parameters and buffers

    def initialise(self, rows: Rows, seeds: list[int]) -> None:
        """Prepare for the phases after `autoencode`; called once, before their first epoch.

        Args:
            rows: All training rows, N.
            seeds: S values, to key random numbers with.
        """

    def refresh(self, rows: Rows) -> None:
        """Update what depends on all training rows; called before every epoch after `autoencode`."""

    def conclude(self, rows: Rows) -> None:
        """Compute what depends on the trained weights and all training rows; called after the last epoch."""

    def training_state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps beside parameters and buffers, by name: numbers as tensors without an axis, random
        generators as their states."""
        return {}

    def load_training_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `training_state` returned; its tensors are on the CPU."""

    # What models share

    def output_layer(self) -> Linear:
        """The last layer of the decoder. Raises Refused where there is none."""
        decoder = dict(self.named_children()).get("decoder")
        layers = [] if decoder is None else [part for part in decoder.modules() if isinstance(part, Linear)]
        if not layers:
            raise Refused(f"{self.name}: has no self.decoder that ends in a Linear, which counts need; define it")
        return layers[-1]

    @property
    def name(self) -> str:
        """The name of the model's file."""
        return type(self).__module__.rpartition(".")[2]

    def check_setting(self, setting: str, value: str, *allowed: str) -> None:
        """Refuse a value of a setting that is not allowed."""
        if value not in allowed:
            raise Refused(f"{self.name}.{setting}: found {value!r}; allowed: {', '.join(allowed)}")

    def check_conversion(self, through: str, shift: Tensor | None) -> None:
        """Refuse a way of conversion that the model does not have, and a shift of z through anything but z."""
        self.check_setting("convert", through, *self.conversions)
        if shift is not None and through != "z":
            raise Refused(
                f"{self.name}: shift: found one through {through}; allowed: none, z is made anew there; use z"
            )

    def check_component(self, component: int | None) -> None:
        """Refuse any component where the model has none."""
        if component is not None and not self.has_components:
            raise Refused(f"{self.name}: component: found {component}; allowed: none; use gmdvae or cgmdvae")

    def check_condition(self, condition: int | None) -> None:
        """Refuse a condition that the model does not have."""
        if condition is not None and not 0 <= condition < self.n_conditions:
            known = f"0 to {self.n_conditions - 1}" if self.n_conditions else "none; use cvae or cgmdvae"
            raise Refused(f"{self.name}: condition: found {condition}; allowed: {known}")

    def condition_rows(self, condition: int, like: Tensor) -> Tensor:
        """One condition for each of the rows of `like` [S, B, ...], one-hot, [S, B, C]."""
        self.check_condition(condition)
        return one_hot(torch.full(like.shape[:2], condition, device=like.device), self.n_conditions)
