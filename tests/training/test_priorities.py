"""The longest trainings start first: what counts, and the order that it gives."""

import copy
from pathlib import Path

import pandas as pd
import pytest

from gmvae.pipeline import plan
from gmvae.pipeline.config_files import read_config
from gmvae.training.priorities import training_cost, training_priorities

ROOT = Path(__file__).resolve().parents[2]
TIMES = pd.read_csv(ROOT / "results/reference/embedded/runs.csv")


@pytest.fixture
def config() -> dict:
    """The shipped configuration with its default study."""
    from gmvae.pipeline.config_checks import check_config

    content = read_config(ROOT / "config.yaml")
    check_config(content)
    return copy.deepcopy(content)


@pytest.mark.parametrize("key", ["epochs", "n_samples"])
def test_more_epochs_and_more_draws_cost_more(config, key):
    before = training_cost(config, "digits", "vae")
    config["training"][key] = 2 * config["training"][key]
    assert training_cost(config, "digits", "vae") > before


def test_wider_layers_more_seeds_and_longer_numbers_cost_more(config):
    costs = [training_cost(config, "digits", "vae")]
    config["models"]["vae"]["settings"] = {"n_hidden": 512}
    costs.append(training_cost(config, "digits", "vae"))
    config["models"]["vae"]["training"] = {"precision": "float64"}
    costs.append(training_cost(config, "digits", "vae"))
    config["studies"]["embedded"]["seeds"] = list(range(20))
    costs.append(training_cost(config, "digits", "vae"))
    assert costs == sorted(set(costs))


def test_components_cost_more_only_where_each_class_is_decoded(config):
    costs = {model: training_cost(config, "digits_labels100", model) for model in ("m2", "gmdvae")}
    config["tasks"]["digits_labels100"]["n_components"] = 20
    assert training_cost(config, "digits_labels100", "m2") > costs["m2"]
    assert training_cost(config, "digits_labels100", "gmdvae") == costs["gmdvae"]


@pytest.mark.parametrize(
    ("study", "longest"),
    [("embedded", ("digits_labels100", "m2")), ("ablations", ("digits_ablation", "gmdvae_k5"))],
)
def test_the_longest_training_of_a_study_has_the_highest_priority(config, study, longest):
    config["study"] = study
    priorities = training_priorities(config)
    assert max(priorities, key=priorities.get) == longest
    assert len(priorities) == sum(len(plan.trained_models(config, task)) for task in plan.tasks(config))
    assert min(priorities.values()) == 2 and max(priorities.values()) < 1000  # what trainings wait for has 1000


@pytest.mark.parametrize("task", ["digits", "digits_labels100", "pbmc68k", "toy"])
def test_the_order_is_about_that_of_measured_times(config, task):
    """The committed times of the default study, whose runs shared two cores with others."""
    times = TIMES[TIMES.task == task].set_index("model").seconds
    models = [model for model in plan.trained_models(config, task) if model in times.index]
    costs = pd.Series({model: training_cost(config, task, model) for model in models})
    assert costs.corr(times[models], method="spearman") > 0.5
