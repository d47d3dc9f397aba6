"""What changes while a model trains: the learning rate, the weight of the divergences, and the labels.

A run has up to three phases. `autoencode`: no divergences, only the reconstruction and the observed labels, so that the
latent finds the shape of the data before a prior acts on it. `guide`: every row has a label, so that the components
start apart from each other: its k-means cluster in the run's own latent, or, if some true labels are observed, what the
run itself predicts from them. `free`: the objective alone.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """The settings of a training run; config.yaml explains them, under `training`, and has the defaults of the studies.

    Their values are checked in `pipeline.config_model`, before this class is made.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str = "constant"
    warmup_epochs: int = 0
    kl_warmup_epochs: int = 0
    autoencode_epochs: int = 0
    guide_epochs: int = 0
    clip: float = 0.0
    weight_decay: float = 0.0
    label_weight: float | str = "auto"
    n_samples: int = 1
    precision: str = "float32"
    patience: int = 0
    diverged: str = "fail"
    start: str = "data"

    def phase(self, epoch: int) -> str:
        """autoencode, guide or free, for an epoch counted from 0."""
        if epoch < self.autoencode_epochs:
            return "autoencode"
        return "guide" if epoch < self.autoencode_epochs + self.guide_epochs else "free"

    def patience_counts(self, epoch: int) -> bool:
        """Whether only the objective drives the epoch: the phase is free, and both warm-ups are over."""
        return self.phase(epoch) == "free" and self.kl_weight(epoch) == 1 and epoch >= self.warmup_epochs

    def kl_weight(self, epoch: int) -> float:
        """The weight of all kl_* terms: 0 in the phase `autoencode`, then up to 1 in `kl_warmup_epochs` equal steps."""
        since = epoch - self.autoencode_epochs
        if since < 0:
            return 0.0
        return min(1.0, (since + 1) / (self.kl_warmup_epochs + 1))

    def learning_rate_at(self, done: float) -> float:
        """The learning rate after a share of all steps.

        constant and cosine (half a cosine from the full rate to 0) rise linearly over `warmup_epochs` first; one_cycle
        rises over the first 30 % and falls as a cosine over the rest.

        Args:
            done: The share of the steps that are done, in [0, 1].

        Returns:
            The learning rate.

        Source: Smith & Topin 2019 for one_cycle.
        """
        rise = 0.3 if self.schedule == "one_cycle" else self.warmup_epochs / self.epochs
        if done < rise:
            return self.learning_rate * max(done, 1e-3) / rise
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (done - rise) / (1 - rise)))

    def label_weight_for(self, phase: str, n: int, n_labelled: int) -> float:
        """The weight of the term `label`.

        Args:
            phase: The phase; in `guide` the weight is 1.
            n: Number of rows.
            n_labelled: Number of rows with an observed label.

        Returns:
            The setting `label_weight`; `auto` is 0.1 n / n_labelled.

        Source: Kingma 2014.
        """
        if phase == "guide" or not n_labelled:
            return 1.0
        return 0.1 * n / n_labelled if self.label_weight == "auto" else float(self.label_weight)
