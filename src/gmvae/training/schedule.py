"""What changes while a model trains: the learning rate, the weight of the divergences, and the labels.

A run has up to three phases. `autoencode`: no divergences, only the reconstruction and the observed labels, so that the
latent finds the shape of the data before a prior acts on it. `guide`: every row has a label, so that the components
start apart from each other: see `training.guide`. `free`: the objective alone.
"""

import math
from dataclasses import dataclass

VIEWS = ("neighbours", "affine", "thinning")  # in the order in which they are applied


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
    guide: str = "kmeans"
    guide_weight: float = 1.0
    graph: str = "plain"
    clip: float = 0.0
    weight_decay: float = 0.0
    label_weight: float = 100.0
    views: tuple[str, ...] = ()
    information: float = 0.0
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

    def label_weight_in(self, phase: str) -> float:
        """The weight of the mean of `label` over the labelled rows; in the phase `guide` all rows have a label."""
        return float(self.guide_weight if phase == "guide" else self.label_weight)

    def views_in(self, phase: str, has_labels: bool) -> tuple[str, ...] | None:
        """The kinds of views of the rows in a phase.

        `autoencode` has views only if labels are observed: nothing else that is trained then depends on the class.
        Neighbours come in the phase `free` alone: in the others each row has its own label, or none.

        Args:
            phase: The phase.
            has_labels: Whether some labels are observed.

        Returns:
            Kinds in the order in which nn/views.py applies them; none: the view is the row itself, drawn anew, which
            the term `information` needs. None: no views.
        """
        if phase == "autoencode" and not has_labels:
            return None
        kinds = [kind for kind in VIEWS if kind in self.views and (phase == "free" or kind != "neighbours")]
        return tuple(kinds) if kinds or (phase == "free" and self.information > 0) else None
