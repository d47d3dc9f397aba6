"""The one exception that means: the input, not the program, is at fault."""

import errno
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

STORAGE_REMEDIES = {  # by the number that the system gives
    errno.ENOSPC: "make room on this disk and run again",
    errno.EDQUOT: "make room within your quota and run again",
    errno.EROFS: "work in a folder on a disk that can be written",
    errno.EACCES: "give yourself the right to it (chmod u+rw)",
    errno.EPERM: "give yourself the right to it (chmod u+rw)",
}
LONGEST = 4000  # signs of a message


class Refused(Exception):
    """Bad input. The message is one line: the file or key, what was found, what is allowed, the remedy.

    It may quote what the input holds. Signs that a terminal would obey or could not show are written as escapes, and
    the middle of a very long message is left out.
    """

    def __str__(self) -> str:
        text = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in super().__str__())
        return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


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


def exit_if_plugin_failed(failure: Exception) -> None:
    """Print the traceback and then one line with file and line of an exception that comes from a user's own file.

    Those are the plug-ins (models, readers, baselines, responses, figures) and all files of the checkout outside of the
    package. An exception comes from the file that the last line of its traceback within the checkout is of: what a
    plug-in calls in a library is the plug-in's fault, what it calls in the package may be a fault of the package.

    An exception of a disk that is full or may not be used is one line alone, see `exit_if_storage_failed`.

    Args:
        failure: The exception; one that comes from elsewhere is left to the caller.
    """
    from gmvae.pipeline.sources import PLUGINS, ROOT, code_place  # that module imports this one

    exit_if_storage_failed(failure)
    places = [(Path(frame.filename), frame.lineno or 1) for frame in traceback.extract_tb(failure.__traceback__)]
    if isinstance(failure, SyntaxError) and failure.filename:  # raised by Python, which reads the file
        places.append((Path(failure.filename), failure.lineno or 1))
    package, installed = ROOT / "src" / "gmvae", Path(sys.prefix)
    own = [(file, line) for file, line in places if file.is_relative_to(ROOT) and not file.is_relative_to(installed)]
    if not own:
        return
    file, line = own[-1]
    plugins = [package / folder.replace(".", "/") for folder, _ in PLUGINS.values()]
    if file.is_relative_to(package) and not any(file.is_relative_to(folder) for folder in plugins):
        return
    traceback.print_exception(failure)
    message = str(failure).strip().partition("\n")[0]
    sys.exit(f"error: {code_place(file, line)}: {type(failure).__name__}: {message}; correct the file")


def exit_if_storage_failed(failure: BaseException | None) -> None:
    """Print one line for an exception that comes from a disk which is full, read-only or not allowed, and exit.

    Args:
        failure: The exception; what it was raised from or while handling is looked at too. h5py tells the number of the
            system's error, and the file, only in its text.
    """
    while failure is not None:
        number = re.search(r"errno = (\d+)", str(failure))
        code = failure.errno if isinstance(failure, OSError) and failure.errno else int(number[1]) if number else 0
        if code in STORAGE_REMEDIES:
            place = re.search(r"filename = '(.+?)'", str(failure))
            file = place[1] if place else getattr(failure, "filename", None)
            folder = Path(file).absolute().parent if file else Path.cwd()
            line = f"error: {folder}: {os.strerror(code)}; {STORAGE_REMEDIES[code]}"
            if number:  # Python would end by closing the file, which h5py cannot any more
                print(line, file=sys.stderr, flush=True)
                os._exit(1)
            sys.exit(line)
        failure = failure.__cause__ or failure.__context__
