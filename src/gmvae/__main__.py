"""`python -m gmvae`: the steps of the pipeline, one line each; `python -m gmvae inspect FILE` runs that step."""

import sys

from gmvae.pipeline.command import run_step
from gmvae.pipeline.step_help import list_steps

if __name__ == "__main__":
    if sys.argv[1:2] == ["inspect"]:
        from gmvae.cells.inspect import inspect  # takes a second, which the list of steps does not need

        words = sys.argv[2:]
        run_step(inspect, words if not words or words[0].startswith("-") else ["--path", *words])
    else:
        list_steps()
