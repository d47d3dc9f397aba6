"""`python -m gmvae`: the steps of the pipeline, one line each; `python -m gmvae inspect FILE` runs that step."""

import sys

from gmvae.pipeline.command import run_step
from gmvae.pipeline.step_help import list_steps


def main(words: list[str]) -> None:
    """List the steps, or look at a file of cells.

    Args:
        words: The command line without the program.
    """
    if words[:1] != ["inspect"]:
        list_steps()
        return
    from gmvae.cells.inspect import inspect  # takes a second, which the list of steps does not need

    options = words[1:]
    run_step(inspect, ["--path", *options] if options and not options[0].startswith("-") else options)


if __name__ == "__main__":
    main(sys.argv[1:])
