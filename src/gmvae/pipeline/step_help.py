"""The texts of a step's --help, read off its docstring: what it does, its flags one by one, what it refuses."""

import inspect
import re
from collections.abc import Callable
from typing import NamedTuple

from gmvae.pipeline.sources import step_modules

SECTION = re.compile(r"^(Args|Returns|Raises):$", flags=re.MULTILINE)
ITEM = re.compile(r"^    (\w+): (.*(?:\n {5,}.*|\n(?=\n {5,}))*)", flags=re.MULTILINE)
WIDTH = 120  # characters of a line of the list of steps


class StepHelp(NamedTuple):
    """The parts of a step's docstring."""

    description: str  # what stands before `Args:`
    flags: dict[str, str]  # by parameter
    ending: str  # Returns and Raises


def read_step_help(step: Callable) -> StepHelp:
    """Divide the docstring of a step, Google style, into the texts of its --help."""
    description, *sections = SECTION.split(inspect.getdoc(step) or "")
    by_name = dict(zip(sections[::2], sections[1::2], strict=True))
    items = ITEM.findall(by_name.pop("Args", ""))
    ending = "\n\n".join(f"{name}:\n{text.strip(chr(10))}" for name, text in by_name.items())
    return StepHelp(description.strip(), {name: " ".join(text.split()) for name, text in items}, ending.rstrip())


def list_steps() -> None:
    """Print each step's command and what it does, a line each, cut at 120 characters."""
    steps = step_modules()
    width = max(len(module) for module in steps)
    for module, text in steps.items():
        line = f"python -m {module:<{width}}  {text}"
        print(line if len(line) <= WIDTH else f"{line[: WIDTH - 4].rpartition(' ')[0]} ...")
