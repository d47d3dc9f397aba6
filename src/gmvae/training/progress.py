"""How far a run is, while it trains: a tqdm bar on a terminal, about twenty lines at most in a log."""

import sys
from collections.abc import Callable

from gmvae.nn.objective import objective
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

SPEED = "{rate_noinv_fmt}, {remaining} left"
TERMINAL = {"mininterval": 0.2, "miniters": 0, "dynamic_ncols": True, "bar_format": "{desc} |{bar}| " + SPEED}
LOG = {"mininterval": 5.0, "leave": False, "bar_format": "{desc}, " + SPEED}
SHARE = 0.05  # of the work, at least, between two lines in a log


class LogLines:
    """stderr for tqdm in a log: each update becomes a line of its own, without control characters."""

    def write(self, text: str) -> None:
        """Print the text, if there is any."""
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Do nothing: `write` flushes."""


def make_bar(describe: Callable[[], str], total: float, initial: float):
    """A bar that asks for its text when it is drawn, counted in samples; None where tqdm is not installed."""
    try:
        from tqdm import tqdm  # optional: training needs only torch and numpy
    except ImportError:
        return None

    class Bar(tqdm):
        monitor_interval = 0  # no second thread reads the state

        @property
        def format_dict(self) -> dict:
            return super().format_dict | {"prefix": describe()}

    where = TERMINAL if sys.stderr.isatty() else LOG | {"miniters": SHARE * total, "file": LogLines()}
    count = {"total": total, "initial": initial, "unit": " samples", "unit_scale": True, "smoothing": 0, "position": 0}
    bar = Bar(**count, **where, maxinterval=float("inf"), delay=1)  # the delay prevents a first line without a speed
    bar.delay = 0
    return bar


class Progress:
    """Phase, objective, speed and time left of one run.

    Args:
        state: The run.
        training: The training settings.
        n_rows: The number of training rows.
        shown: Whether to show anything.
    """

    def __init__(self, state: TrainingState, training: Training, n_rows: int, shown: bool = True):
        self.state, self.training, self.shown = state, training, shown
        self.n_samples = n_rows * len(state.seeds)  # of an epoch
        self.bar, self.text = None, ""

    def after_step(self, steps: int) -> None:
        """Redraw the bar if it is time; `steps` is the number of steps of an epoch."""
        if not self.shown:
            return
        epochs, total = self.state.epoch + self.state.step / steps, self.training.epochs * self.n_samples
        if self.bar is None:
            self.bar = make_bar(lambda: self.describe(steps), total, epochs * self.n_samples)
            self.shown = self.bar is not None
        if self.bar is not None:
            redrawn = self.bar.update(epochs * self.n_samples - self.bar.n)
            if epochs == self.training.epochs and not redrawn:
                self.bar.refresh()

    def close(self) -> None:
        """End the line of the bar."""
        if self.bar is not None:
            self.bar.close()

    def describe(self, steps: int) -> str:
        """Epoch, phase and the mean objective of the active seeds; unchanged between two epochs."""
        state, model, active = self.state, self.state.model, self.state.active_seeds()
        if state.totals:
            means = objective(state.totals, model.kl_weight) * steps / state.step  # S
            name = "ELBO" if model.has_bound and model.kl_weight == 1 else "objective"
            stopped = f" ({len(state.seeds) - len(active)} stopped)" if len(active) < len(state.seeds) else ""
            phase = f"epoch {state.epoch + 1}/{self.training.epochs} {self.training.phase(state.epoch)}"
            self.text = f"{phase}, {name} {float(means[active].mean()):.6g}{stopped}, {len(state.seeds)} seeds"
        return self.text
