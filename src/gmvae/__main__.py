"""`python -m gmvae`: the steps of the pipeline, one line each."""

from gmvae.pipeline.step_help import list_steps

if __name__ == "__main__":
    list_steps()
