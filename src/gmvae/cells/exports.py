"""Which cells the configuration exports: the tasks on counts, and the model of each whose clusters are shown.

The Snakefile reads this on every call, so it imports nothing heavy.
"""

import ast
from functools import cache

from gmvae.pipeline import dataset_plan, plan
from gmvae.pipeline.sources import class_flag, syntax_tree

COUNTS = {"negative_binomial", "zero_inflated_negative_binomial"}  # formats.likelihoods, which no rule imports
FIRST = ("cgmdvae", "gmdvae")  # the models whose clusters are exported where a task has several

FINDINGS = (  # the csv files of the step `findings`
    *("clusters", "dots", "shared_markers", "confusion", "recall", "calibration", "composition"),
    *("changed_genes", "changes", "generated", "findings"),
)


def exported_tasks(config: dict) -> list[str]:
    """The tasks of the study whose cells are exported.

    Args:
        config: The checked configuration.

    Returns:
        The tasks on counts that have a model with components, in the study's order.
    """
    return [task for task in plan.tasks(config) if has_counts(config, task) and exported_model(config, task)]


def described_tasks(config: dict) -> list[str]:
    """The tasks of the study whose cells have a section in the thesis.

    Args:
        config: The checked configuration.

    Returns:
        Those whose cells are exported, without tasks that hold out a type of cells, which have a section of their own.
    """
    return [task for task in exported_tasks(config) if plan.held_out_type(config, task) is None]


def compared_tasks(config: dict) -> list[str]:
    """The tasks of which the thesis tells one in full.

    Args:
        config: The checked configuration.

    Returns:
        Those with a section on their cells whose models see no label; where there are none, all with a section.
    """
    described = described_tasks(config)
    return [task for task in described if config["tasks"][task]["labels"] == "none"] or described


def findings_files(task: str) -> list[str]:
    """The tables of a task's clusters: genes, types, conditions, generated cells.

    Args:
        task: An entry of `tasks`.

    Returns:
        Paths.
    """
    return [f"results/cells/{task}/{name}.csv" for name in FINDINGS]


def exported_model(config: dict, task: str) -> list[str]:
    """The model of a task whose clusters are exported.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.

    Returns:
        One name: the first model of module cgmdvae, else of gmdvae, else with any components; none if there is none.
    """
    modules = {model: config["models"][model]["module"] for model in plan.trained_models(config, task)}
    clustering = [model for model in modules if class_flag(f"gmvae.models.{modules[model]}", "has_components")]
    preferred = [model for module in FIRST for model in clustering if modules[model] == module]
    return [*preferred, *clustering][:1]


def has_counts(config: dict, task: str) -> bool:
    """Whether the dataset of a task has counts, as far as the configuration and the reader's source show it.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.

    Returns:
        True where the entry has thresholds for cells, or where the reader names a likelihood of counts.
    """
    dataset = config["tasks"][task]["dataset"]
    sources = dataset_plan.dataset_sources(config, dataset)
    return "cells" in config["datasets"][dataset] or any(reads_counts(source) for source in sources)


@cache
def reads_counts(source: str) -> bool:
    """Whether the file of a reader holds the name of a likelihood of counts."""
    nodes = ast.walk(syntax_tree(f"gmvae.data.readers.{source}"))
    return any(isinstance(node, ast.Constant) and node.value in COUNTS for node in nodes)
