"""An unfinished run on disk: complete enough that a resumed run ends with the same bytes on a CPU.

A checkpoint holds the parameters and buffers of the model, what its `training_state` returns, the optimiser, the random
generators, the history and the status of each seed. A test interrupts every model after every step and finds what a
model forgets to return.
"""

import contextlib
import hashlib
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from gmvae.formats.writing import write_atomically
from gmvae.pipeline.code_digest import source_digest
from gmvae.training.state import SeedStatus, TrainingState


def run_identity(settings: dict, files: list[Path], module: str) -> dict[str, str]:
    """Checksums of what makes a run what it is: its settings, its files of data, its code and the library's version.

    What becomes of seeds that diverge is no part of it: `fail` may turn into `keep` without training again.
    """
    training = {name: value for name, value in settings.get("training", {}).items() if name != "diverged"}
    settings = settings | {"training": training}
    data = hashlib.sha256()
    for file in files:
        with open(file, "rb") as content:
            data.update(hashlib.file_digest(content, "sha256").digest())
    text = json.dumps(settings, sort_keys=True)
    return {
        "settings": hashlib.sha256(text.encode()).hexdigest(),
        "data": data.hexdigest(),
        "code": f"{source_digest('gmvae.runs.train', f'gmvae.models.{module}')} {torch.__version__}",
    }


class Checkpointer:
    """Saves a run at set intervals and when the process is asked to end, and resumes it.

    Args:
        path: The checkpoint file.
        identity: What `run_identity` returns; a checkpoint of another run is not used.
        minutes: From one save to the next; 0 saves only when the process is asked to end.
        started: When the run started, by time.monotonic; now if None.
    """

    def __init__(self, path: Path, identity: dict[str, str], minutes: float = 0.0, started: float | None = None):
        self.path, self.identity, self.minutes = path, identity, minutes
        self.earlier_seconds = 0.0  # spent by earlier processes
        self.saved_at = time.monotonic()
        self.started = self.saved_at if started is None else started
        self.signal: int | None = None  # the signal to end

    @contextlib.contextmanager
    def delay_signals(self) -> Iterator[None]:
        """Within this context SIGTERM (sent by a cluster) and SIGINT (control-C) wait for the end of a step.

        A second one ends the process at once.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: signal.signal(number, self.note_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def note_signal(self, number: int, frame: object) -> None:
        """Remember the signal, and let the next one end the process."""
        self.signal = number
        signal.signal(number, signal.SIG_DFL)

    def after_step(self, state: TrainingState) -> None:
        """Save the run if it is time, and end the process if a signal asked for it.

        The exit status is 128 plus the signal's number, as in a shell; Snakemake tries the job again.
        """
        due = self.minutes and time.monotonic() - self.saved_at >= 60 * self.minutes
        if due or self.signal:
            self.save(state)
        if self.signal:
            print(f"{signal.Signals(self.signal).name}: saved in {self.path}; run again to go on", file=sys.stderr)
            sys.exit(128 + self.signal)

    def total_seconds(self) -> float:
        """Seconds that the run has taken in all its processes."""
        return self.earlier_seconds + time.monotonic() - self.started

    def save(self, state: TrainingState) -> None:
        """Write the state to a temporary file and rename it; the checkpoint is complete at every moment."""
        from safetensors.torch import save  # training needs only torch and numpy; checkpoints need more

        tensors, described = pack_state(state)
        described |= {"identity": self.identity, "seconds": self.total_seconds()}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with write_atomically(self.path) as temporary:
            temporary.write_bytes(save(tensors, metadata={"state": json.dumps(described)}))
        self.saved_at = time.monotonic()

    def resume(self, state: TrainingState) -> None:
        """Restore the state from the file, if there is one; leave the state as it is, with one line that says why, if
        the file is of another run or not readable."""
        from safetensors import safe_open  # training needs only torch and numpy; checkpoints need more

        if not self.path.exists():
            return
        try:
            with safe_open(self.path, "pt") as file:
                described = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        except Exception as error:
            print(f"{self.path}: not used, as it cannot be read ({error}); training starts anew", file=sys.stderr)
            return
        changed = [part for part, digest in self.identity.items() if described["identity"].get(part) != digest]
        if changed:
            print(
                f"{self.path}: not used, as its {' and '.join(changed)} differ; training starts anew", file=sys.stderr
            )
            return
        unpack_state(state, tensors, described)
        self.earlier_seconds = described["seconds"]
        print(f"{self.path}: training goes on in epoch {state.epoch + 1}", file=sys.stderr)

    def remove(self) -> None:
        """Remove the file, and what a killed process left half-written."""
        for file in self.path.parent.glob(f".{self.path.stem}.*{self.path.suffix}"):
            file.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def pack_state(state: TrainingState) -> tuple[dict[str, Tensor], dict]:
    """The state as tensors by name, and what JSON can hold of it."""
    state.end_diverged_seeds()
    tensors = {f"now.{name}": tensor for name, tensor in state.tensors().items()}
    tensors |= {f"epoch.{name}": tensor for name, tensor in state.epoch_tensors.items()}
    tensors |= {f"total.{name}": tensor for name, tensor in state.totals.items()}
    tensors |= {f"generator.{purpose}": states for purpose, states in state.epoch_generators.items()}
    tensors |= {f"model.{name}": tensor for name, tensor in state.model.training_state().items()}
    if state.label is not None:
        tensors["label"] = state.label
    return tensors, {
        "epoch": state.epoch,
        "step": state.step,
        "learning_rate": float(state.optimizer.rate),
        "statuses": [asdict(status) for status in state.statuses],
        "history": state.history,
        "totals": list(state.totals),  # in their order, which is the history's
    }


def unpack_state(state: TrainingState, tensors: dict[str, Tensor], described: dict) -> None:
    """Restore in a state of the same run what `pack_state` packed."""
    own = state.tensors()
    for name, tensor in tensors_of_kind("now", tensors).items():
        own[name].copy_(tensor)
    state.epoch_tensors = {name: tensor.to(state.device) for name, tensor in tensors_of_kind("epoch", tensors).items()}
    state.epoch_generators = tensors_of_kind("generator", tensors)
    state.rewind_generators()
    totals = tensors_of_kind("total", tensors)
    state.restore_totals({name: totals[name] for name in described["totals"]})
    state.label = tensors["label"].clone().to(state.device) if "label" in tensors else None
    state.epoch, state.step, state.history = described["epoch"], described["step"], described["history"]
    state.statuses = [SeedStatus(**status) for status in described["statuses"]]
    state.optimizer.rate.fill_(described["learning_rate"])
    state.model.load_training_state(tensors_of_kind("model", tensors))


def tensors_of_kind(kind: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of one kind by the rest of their names; copies, with the memory layout that PyTorch gives them."""
    return {name[len(kind) + 1 :]: tensor.clone() for name, tensor in tensors.items() if name.startswith(f"{kind}.")}
