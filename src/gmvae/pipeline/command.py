"""A step's signature is its command line: `python -m gmvae.runs.train --help`."""

import argparse
import inspect
import json
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path

from threadpoolctl import threadpool_limits

from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import step_modules


def run_step(step: Callable, arguments: list[str] | None = None) -> None:
    """Parse the command line by the step's signature and call it. A `Refused` becomes one line and exit status 1."""
    options = vars(step_parser(step).parse_args(arguments))
    try:
        with threadpool_limits(options.get("threads") or 1):  # one thread and two do not give the same bits
            step(**options)
    except Refused as refusal:
        sys.exit(f"error: {refusal}")


def step_parser(step: Callable) -> argparse.ArgumentParser:
    """The argument parser of a step: `--a-b` for parameter `a_b`, required where there is no default."""
    spec = inspect.getmodule(step).__spec__  # its name is the module's even when it runs as __main__
    described = argparse.ArgumentParser(
        prog=f"python -m {spec.name if spec else step.__module__}",
        description=inspect.getdoc(step),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    hints = typing.get_type_hints(step)
    for name, parameter in inspect.signature(step).parameters.items():
        optional = isinstance(hints[name], types.UnionType)  # X | None
        required = parameter.default is inspect.Parameter.empty and not optional
        default = None if parameter.default is inspect.Parameter.empty else parameter.default
        described.add_argument(
            f"--{name.replace('_', '-')}", required=required, default=default, **option_keywords(hints[name])
        )
    return described


def option_keywords(hint: object) -> dict:
    """The keywords of `add_argument` for a type hint: plain types, `X | None`, lists of them, bool, dict as JSON."""
    if isinstance(hint, types.UnionType):
        hint = next(choice for choice in typing.get_args(hint) if choice is not type(None))
    if typing.get_origin(hint) is list:
        return {"type": typing.get_args(hint)[0], "nargs": "*", "help": "one or more"}
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if hint is dict or typing.get_origin(hint) is dict:
        return {"type": parse_json_object, "help": "a JSON object", "metavar": "JSON"}
    if hint in (str, int, float, Path):
        return {"type": hint}
    raise TypeError(f"no command-line form for the type {hint}")


def parse_json_object(text: str) -> dict:
    """The dict that the JSON text holds."""
    content = json.loads(text)
    if not isinstance(content, dict):
        raise argparse.ArgumentTypeError("not a JSON object")
    return content


def list_steps() -> None:
    """Print each step's command and what it does, a line each."""
    steps = step_modules()
    width = max(len(module) for module in steps)
    for module, text in steps.items():
        print(f"python -m {module:<{width}}  {text}")
