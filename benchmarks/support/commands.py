"""The training runs that several benchmarks time, as commands of `benchmarks.support.train_ours`."""

import json

from gmvae.pipeline import plan
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.sources import ROOT

NETWORK = {"n_hidden": 128, "n_layers": 2, "n_latent": 10}
TRAINING = {"batch_size": 128, "learning_rate": 1e-3}


def benchmark_run(
    data: list[str],
    module: str,
    n_seeds: int = 1,
    epochs: int = 1,
    precision: str = "float32",
    n_components: int = 10,
    steps: int = 0,
    threads: int = 1,
) -> list[str]:
    """The command that trains a model with the network of the benchmarks, without the phases of a schedule.

    Args:
        data: The options that name the dataset, from benchmarks.support.datasets.
        module: The file of the model.
        n_seeds: The number of seeds that are trained together.
        epochs: The number of epochs.
        precision: The number format of the products: float32 or bfloat16.
        n_components: The number of clusters.
        steps: The number of training steps in each epoch; 0 means a whole epoch.
        threads: The number of compute threads.

    Returns:
        The module to run and its options.
    """
    training = TRAINING | {"epochs": epochs, "precision": precision}
    command = training_command(data, module, NETWORK, training, n_components, n_seeds, threads)
    return [*command, "--steps", str(steps)] if steps else command


def study_run(data: list[str], task: str, model: str, n_seeds: int) -> list[str]:
    """The command that trains a model of a task with the settings, the schedule and the epochs of config.yaml."""
    config = read_config(ROOT / "config.yaml")
    settings, training = plan.model_settings(config, task, model), plan.training_settings(config, task, model)
    module = config["models"][model]["module"]
    return training_command(data, module, settings, training, plan.n_components(config, task, model), n_seeds)


def training_command(
    data: list[str], module: str, settings: dict, training: dict, n_components: int, n_seeds: int, threads: int = 1
) -> list[str]:
    """The module to run and its options."""
    options = {"module": module, "settings": json.dumps(settings), "training": json.dumps(training)}
    options |= {"n-components": n_components, "n-seeds": n_seeds, "threads": threads}
    return ["benchmarks.support.train_ours", *data, *option_list(options)]


def option_list(options: dict[str, object]) -> list[str]:
    """The options as words of a command line: {"a": 1} becomes --a 1."""
    return [str(word) for name, value in options.items() for word in (f"--{name}", value)]
