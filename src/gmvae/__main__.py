"""`python -m gmvae` lists the steps of the pipeline; `python -m gmvae inspect FILE` and `annotate` run one,
`python -m gmvae doctor` says what is missing."""

import sys

from gmvae.pipeline.step_help import list_steps


def main(words: list[str]) -> None:
    """List the steps, look at a file of cells, annotate new cells, or look at what the machine lacks.

    Args:
        words: The command line without the program.
    """
    options = words[1:]
    if words[:1] == ["doctor"]:
        from gmvae.pipeline.doctor.doctor import run_doctor  # runs without the environment, as nothing else does

        run_doctor()
    elif words[:1] == ["inspect"]:
        from gmvae.cells.inspect import inspect  # takes a second, which the list of steps does not need
        from gmvae.pipeline.command import run_step

        run_step(inspect, ["--path", *options] if options and not options[0].startswith("-") else options)
    elif words[:1] == ["annotate"]:
        from gmvae.cells.annotate import annotate  # likewise
        from gmvae.pipeline.command import run_step

        run_step(annotate, options)
    else:
        list_steps()


if __name__ == "__main__":
    main(sys.argv[1:])
