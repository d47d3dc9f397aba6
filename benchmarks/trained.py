"""The runs that several benchmarks time, as commands of `benchmarks.fitted`."""

import json

from gmvae.pipeline import plan
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.sources import ROOT

NETWORK = {"n_hidden": 128, "n_layers": 2, "n_latent": 10}
TRAINING = {"batch_size": 128, "learning_rate": 1e-3}


def run(
    data: list[str],
    module: str,
    n_seeds: int = 1,
    epochs: int = 1,
    precision: str = "float32",
    n_components: int = 10,
    steps: int = 0,
    threads: int = 1,
) -> list[str]:
    """A model of the benchmarks' network on a data set (its options) for some epochs, without a schedule's phases."""
    training = TRAINING | {"epochs": epochs, "precision": precision}
    found = command(data, module, NETWORK, training, n_components, n_seeds, threads)
    return [*found, "--steps", str(steps)] if steps else found


def study_run(data: list[str], task: str, model: str, n_seeds: int) -> list[str]:
    """A run of the study as config.yaml has it: its settings, schedule and number of epochs."""
    config = read_config(ROOT / "config.yaml")
    settings, training = plan.model_settings(config, task, model), plan.training_settings(config, task, model)
    module = config["models"][model]["module"]
    return command(data, module, settings, training, plan.n_components(config, task, model), n_seeds)


def command(
    data: list[str], module: str, settings: dict, training: dict, n_components: int, n_seeds: int, threads: int = 1
) -> list[str]:
    """The module and its options."""
    given = {"module": module, "settings": json.dumps(settings), "training": json.dumps(training)}
    given |= {"n-components": n_components, "n-seeds": n_seeds, "threads": threads}
    return ["benchmarks.fitted", *data, *(str(part) for key, value in given.items() for part in (f"--{key}", value))]
