"""A run on disk while it trains: whole enough that what goes on from it ends with the same bytes on a CPU.

Beside its parameters and buffers, what a model changes in training lies in attributes that are tensors, numbers, texts
or lists of generators: these are kept. Anything else, such as a list of tensors, would be lost, and a test finds it.
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
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gmvae.formats.writing import write_atomically
from gmvae.nn.random_streams import generator_states, restore_generators
from gmvae.pipeline.code_digest import source_digest
from gmvae.training.state import SeedStatus, TrainingState

PLAIN = (bool, int, float, str, type(None))


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
    """Saves a run every so many minutes, and when the process is told to end; gives it back to the next one."""

    def __init__(self, path: Path, identity: dict[str, str], minutes: float = 0.0, started: float | None = None):
        """minutes: from one save to the next; 0: only when told to end. started: when, by time.monotonic."""
        self.path, self.identity, self.minutes = path, identity, minutes
        self.seconds = 0.0  # spent by earlier processes
        self.saved = time.monotonic()
        self.started = self.saved if started is None else started
        self.told: int | None = None  # the signal to end

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """While inside, SIGTERM (a cluster's notice) and SIGINT (control-C) wait for the end of a step.

        A second one ends the process at once.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.hear) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def hear(self, number: int, frame: object) -> None:
        """Note the signal, and let the next one through."""
        self.told = number
        signal.signal(number, signal.SIG_DFL)

    def after_step(self, state: TrainingState) -> None:
        """Save where it is time, and end the process where it was told to.

        The exit status is 128 and the signal's number, as a shell gives it; Snakemake tries the job again.
        """
        due = self.minutes and time.monotonic() - self.saved >= 60 * self.minutes
        if due or self.told:
            self.save(state)
        if self.told:
            print(f"{signal.Signals(self.told).name}: saved in {self.path}; run again to go on", file=sys.stderr)
            sys.exit(128 + self.told)

    def spent(self) -> float:
        """Seconds that the run has taken, in all its processes."""
        return self.seconds + time.monotonic() - self.started

    def save(self, state: TrainingState) -> None:
        """Write the state beside the file and rename it; the file is whole at every moment."""
        tensors, described = pack_state(state)
        described |= {"identity": self.identity, "seconds": self.spent()}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with write_atomically(self.path) as temporary:
            temporary.write_bytes(save(tensors, metadata={"state": json.dumps(described)}))
        self.saved = time.monotonic()

    def resume(self, state: TrainingState) -> None:
        """Bring the state to where the file has it; left as it is, with a line that says so, where the file is of
        something else, or not readable."""
        if not self.path.exists():
            return
        try:
            with safe_open(self.path, "pt") as file:
                described = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        except Exception as error:
            print(f"{self.path}: not used, as it cannot be read ({error}); training starts anew", file=sys.stderr)
            return
        other = [part for part, digest in self.identity.items() if described["identity"].get(part) != digest]
        if other:
            print(
                f"{self.path}: not used, as it is of other {' and '.join(other)}; training starts anew", file=sys.stderr
            )
            return
        unpack_state(state, tensors, described)
        self.seconds = described["seconds"]
        print(f"{self.path}: training goes on in epoch {state.epoch + 1}", file=sys.stderr)

    def remove(self) -> None:
        """Remove the file, and what was left half-written by a process that was killed."""
        for file in self.path.parent.glob(f".{self.path.stem}.*{self.path.suffix}"):
            file.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def pack_state(state: TrainingState) -> tuple[dict[str, Tensor], dict]:
    """The state as tensors by name, and as what JSON can hold."""
    state.look()
    tensors, generators, plain = extra_attributes(state.model)
    found = {f"now.{name}": tensor for name, tensor in state.tensors().items()}
    found |= {f"good.{name}": tensor for name, tensor in state.good.items()}
    found |= {f"total.{name}": tensor for name, tensor in state.totals.items()}
    found |= {f"begun.{purpose}": states for purpose, states in state.begun.items()}
    found |= {f"held.{name}": tensor for name, tensor in tensors.items()}
    found |= {f"stream.{name}": generator_states(own) for name, own in generators.items()}
    if state.label is not None:
        found["label"] = state.label
    return found, {
        "epoch": state.epoch,
        "step": state.step,
        "learning_rate": state.optimizer.param_groups[0]["lr"],
        "standing": [asdict(standing) for standing in state.standing],
        "history": state.history,
        "totals": list(state.totals),  # in their order, which is the history's
        "held": plain,
    }


def unpack_state(state: TrainingState, tensors: dict[str, Tensor], described: dict) -> None:
    """Bring a state of the same run to what `packed` made of another."""
    own = state.tensors()
    for name, tensor in tensors_of_kind("now", tensors).items():
        own[name].copy_(tensor)
    state.good = {name: tensor.to(state.device) for name, tensor in tensors_of_kind("good", tensors).items()}
    state.begun = tensors_of_kind("begun", tensors)
    state.rewind()
    totals = tensors_of_kind("total", tensors)
    state.totals = {name: totals[name].to(state.device) for name in described["totals"]}
    state.label = tensors["label"].clone().to(state.device) if "label" in tensors else None
    state.epoch, state.step, state.history = described["epoch"], described["step"], described["history"]
    state.standing = [SeedStatus(**standing) for standing in described["standing"]]
    for group in state.optimizer.param_groups:
        group["lr"] = described["learning_rate"]
    set_attributes(
        state.model, {name: tensor.to(state.device) for name, tensor in tensors_of_kind("held", tensors).items()}
    )
    set_attributes(
        state.model,
        {name: restore_generators(then, state.device) for name, then in tensors_of_kind("stream", tensors).items()},
    )
    set_attributes(state.model, described["held"])


def tensors_of_kind(kind: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of one kind by the rest of their names; copies, which lie in memory as PyTorch lays it out."""
    return {name[len(kind) + 1 :]: tensor.clone() for name, tensor in tensors.items() if name.startswith(f"{kind}.")}


def extra_attributes(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, list[torch.Generator]], dict[str, object]]:
    """What the model and its parts keep in plain attributes, by name: tensors, lists of generators, and the plain."""
    tensors, generators, plain = {}, {}, {}
    for place, module in model.named_modules():
        for name, value in vars(module).items():
            if name.startswith("_"):  # PyTorch's own
                continue
            if isinstance(value, Tensor):
                tensors[f"{place}.{name}"] = value
            elif isinstance(value, list) and value and all(isinstance(one, torch.Generator) for one in value):
                generators[f"{place}.{name}"] = value
            elif isinstance(value, PLAIN):
                plain[f"{place}.{name}"] = value
    return tensors, generators, plain


def set_attributes(model: nn.Module, values: dict[str, object]) -> None:
    """Set these attributes of the model and its parts."""
    for name, value in values.items():
        place, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(place), attribute, value)
