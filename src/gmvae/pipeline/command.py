"""A step's signature is its command line: `python -m gmvae.runs.train --help`."""

import argparse
import inspect
import json
import os
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path

from threadpoolctl import threadpool_limits

from gmvae.pipeline.errors import Refused, exit_if_plugin_failed
from gmvae.pipeline.step_help import read_step_help

# Flags that change no result. Where one is not given, the environment's variable is taken: GMVAE_MEMORY for --memory.
# The Snakefile sets the variables from config.yaml, so that they are no part of a rule.
SWITCHES = ("mirror", "cache", "offline", "progress", "checkpoint_minutes", "memory")


def run_step(step: Callable, arguments: list[str] | None = None) -> None:
    """Parse the command line by the step's signature and call it. A `Refused` becomes one line and exit status 1.

    So does an exception of a user's own file, after its traceback: see `exit_if_plugin_failed`. Any other exception is
    a fault of this project.

    Args:
        step: the function; its docstring is the text of --help.
        arguments: the command line without the program; None: that of this process.
    """
    try:
        options = vars(step_parser(step).parse_args(arguments))
        threads = options.get("threads") or 1  # one thread and two do not give the same bits
        for library in ("OMP", "OPENBLAS", "MKL"):
            os.environ[f"{library}_NUM_THREADS"] = str(threads)  # for libraries that the step imports itself
        with threadpool_limits(threads):
            step(**options)
    except Refused as refusal:
        sys.exit(f"error: {refusal}")
    except Exception as failure:
        exit_if_plugin_failed(failure)
        raise


def step_parser(step: Callable) -> argparse.ArgumentParser:
    """The argument parser of a step: `--a-b` for parameter `a_b`, required where there is no default."""
    spec = inspect.getmodule(step).__spec__  # its name is the module's even when it runs as __main__
    parser = argparse.ArgumentParser(
        prog=f"python -m {spec.name if spec else step.__module__}",
        description=read_step_help(step).description,
        epilog=read_step_help(step).ending,
        formatter_class=StepFormatter,
    )
    hints = typing.get_type_hints(step)
    for name, parameter in inspect.signature(step).parameters.items():
        default, needed = default_value(name, parameter, hints[name])
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            required=needed,
            default=default,
            help=f"{read_step_help(step).flags.get(name, '')}{default_note(name, parameter)}".replace("%", "%%"),
            **option_keywords(hints[name]),
        )
    return parser


class StepFormatter(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are in the docstring, and room for the names of flags."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=32)


def switch_variable(name: str) -> str:
    """The environment variable of a switch: GMVAE_CHECKPOINT_MINUTES of checkpoint_minutes."""
    return f"GMVAE_{name.upper()}"


def default_value(name: str, parameter: inspect.Parameter, hint: object) -> tuple[object, bool]:
    """The value of a flag that is not given, and whether it must be given; texts are then read by the flag's type."""
    optional = isinstance(hint, types.UnionType)  # X | None
    text = os.environ.get(switch_variable(name), "") if name in SWITCHES else ""
    if text:
        return (parse_truth(name, text) if hint is bool else text), False
    if parameter.default is inspect.Parameter.empty:
        return None, not optional
    return parameter.default, False


def parse_truth(name: str, text: str) -> bool:
    """A switch's True or False from the environment."""
    if text.lower() not in ("true", "false", "1", "0"):
        raise Refused(f"{switch_variable(name)}: found '{text}' in the environment; allowed: true or false")
    return text.lower() in ("true", "1")


def default_note(name: str, parameter: inspect.Parameter) -> str:
    """What stands behind a flag's text: its default, and the environment variable of a switch."""
    notes = [] if parameter.default in (inspect.Parameter.empty, None, "") else [f"default: {parameter.default}"]
    notes += [f"environment: {switch_variable(name)}"] if name in SWITCHES else []
    return f" ({'; '.join(notes)})" if notes else ""


def option_keywords(hint: object) -> dict:
    """The keywords of `add_argument` for a type hint: plain types, `X | None`, lists of them, bool, dict as JSON."""
    if isinstance(hint, types.UnionType):
        hint = next(choice for choice in typing.get_args(hint) if choice is not type(None))
    if typing.get_origin(hint) is list:
        return {"type": typing.get_args(hint)[0], "nargs": "*"}
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if hint is dict or typing.get_origin(hint) is dict:
        return {"type": parse_json_object, "metavar": "JSON"}
    if hint in (str, int, float, Path):
        return {"type": hint}
    raise TypeError(f"no command-line form for the type {hint}")


def parse_json_object(text: str) -> dict:
    """The dict that the JSON text holds."""
    content = json.loads(text)
    if not isinstance(content, dict):
        raise argparse.ArgumentTypeError("not a JSON object")
    return content
