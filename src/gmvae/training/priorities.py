"""Which trainings start first: those that take longest, so that no core waits for a last one. The Snakefile asks."""

from gmvae.pipeline import plan
from gmvae.pipeline.sources import class_flag, keyword_defaults

TYPICAL_K = 10  # where a sweep chooses the number of components
NARROW = 16  # the width of a model without hidden layers
PRECISION_COST = {"float64": 2.0, "float32": 1.0, "bfloat16": 0.5}


def training_priorities(config: dict) -> dict[tuple[str, str], int]:
    """The priority of each training of the study.

    Snakemake starts the ready jobs of the highest priority. What trainings wait for has more than any of them; what
    follows from them has less, and runs when all have started.

    Args:
        config: The checked configuration.

    Returns:
        2 for the cheapest, more for what takes longer, by task and model.
    """
    runs = [(task, model) for task in plan.tasks(config) for model in plan.trained_models(config, task)]
    costs = {run: training_cost(config, *run) for run in runs}
    return {run: 2 + sum(other < cost for other in costs.values()) for run, cost in costs.items()}


def training_cost(config: dict, task: str, model: str) -> float:
    """About how long a training takes beside others on the same data set, in no unit.

    The rows are not known before the data set is prepared. The factors are those of measured trainings: a model with
    components takes twice as long for a row; further draws share the encoder, and so do the K decodings of a model
    that decodes every row once per class.

    Args:
        config: The checked configuration.
        task: An entry of `tasks`.
        model: An entry of `models`.

    Returns:
        A number without a unit.
    """
    module = f"gmvae.models.{config['models'][model]['module']}"
    training = plan.training_settings(config, task, model)
    per_row = 2.0 if class_flag(module, "has_components") else 1.0
    if class_flag(module, "decodes_class"):
        k = config["models"][model].get("n_components", config["tasks"][task]["n_components"])
        per_row = (1 + (k if isinstance(k, int) else TYPICAL_K)) / 2
    draws = (1 + training["n_samples"]) / 2
    width = plan.model_settings(config, task, model).get("n_hidden", keyword_defaults(module).get("n_hidden", NARROW))
    precision = PRECISION_COST.get(training["precision"], 1.0)
    return training["epochs"] * per_row * draws * width * precision * len(plan.seeds(config))
