"""How far a run is, while it trains: one line that changes on a terminal, else plain lines, about twenty at most."""

import shutil
import sys
import time

from gmvae.nn.objective import objective
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

LIVE = 0.2  # seconds from one change of the live line to the next
SHARE, PAUSE = 0.05, 5.0  # share of the work and seconds from one plain line to the next, both at least


class Progress:
    """Epoch, phase, objective, rate and time left of one run."""

    def __init__(self, state: TrainingState, training: Training, n_rows: int, shown: bool = True):
        self.training, self.shown, self.live = training, shown, sys.stderr.isatty()
        self.n_samples = n_rows * len(state.seeds)  # of an epoch
        own_weight = hasattr(state.model, "kl_weight")
        self.name = "ELBO" if state.model.has_bound and not own_weight else "objective"
        self.first: float | None = None  # epochs done before the first step
        self.last = 0.0  # epochs done when it was last shown
        self.started = self.shown_at = time.monotonic()

    def after_step(self, state: TrainingState, steps: int) -> None:
        """Show the line where it is time for it; `steps` are those of an epoch."""
        if not self.shown:
            return
        now, epochs = time.monotonic(), state.epoch + state.step / steps
        if self.first is None:
            self.first = self.last = epochs - 1 / steps
        ended = epochs == self.training.epochs
        waited, moved = now - self.shown_at, epochs - self.last
        due = waited >= LIVE if self.live else waited >= PAUSE and moved >= SHARE * self.training.epochs
        if not due and not ended:
            return
        text = self.line(state, epochs, state.step / steps, now - self.started)
        if self.live:
            text = f"\r{text[: shutil.get_terminal_size().columns - 1]}\033[K"  # to the end of the line: nothing
        print(text, end="" if self.live else "\n", file=sys.stderr, flush=True)
        self.last, self.shown_at = epochs, now

    def close(self) -> None:
        """Leave the live line as it is last."""
        if self.live and self.shown:
            print(file=sys.stderr)

    def line(self, state: TrainingState, epochs: float, share: float, seconds: float) -> str:
        """The text: `epochs` are done, the last one to this share; the process has trained for so many seconds."""
        rate = (epochs - self.first) / max(seconds, 1e-9)  # epochs a second
        running = state.running()
        reached = objective(state.totals, getattr(state.model, "kl_weight", 1.0)) / share  # S
        left = (self.training.epochs - epochs) / rate
        stopped = len(state.seeds) - len(running)
        at = f"epoch {state.epoch + 1}/{self.training.epochs} {self.training.phase(state.epoch)}"
        speed = f"{rate * self.n_samples:,.0f} samples/s over {len(state.seeds)} seeds"
        return (
            f"{at}, {self.name} {float(reached[running].mean()):.6g}, {speed}"
            f"{f' ({stopped} stopped)' if stopped else ''}, {int(left // 60)}:{int(left % 60):02d} left"
        )
