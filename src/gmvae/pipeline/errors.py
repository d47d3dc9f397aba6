"""The one exception that means: the input, not the program, is at fault."""

import sys
from collections.abc import Callable


class Refused(Exception):
    """Bad input. The message is one line: the file or key, what was found, what is allowed, the remedy."""


def exit_if_refused(function: Callable, *arguments: object) -> None:
    """Call a function; a `Refused` becomes one line on stderr and exit status 1.

    Args:
        function: What to call; its result is not used.
        arguments: Its arguments.
    """
    try:
        function(*arguments)
    except Refused as refusal:
        sys.exit(f"error: {refusal}")
