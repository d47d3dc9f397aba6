"""The catalogue of metrics: their groups, in the order in which tables and figures show them, and their decimals.

A metric that no group lists still reaches results/metrics.csv and can be quoted in the text; listed here, it gets a
column in the tables and a panel in the figures. Evaluation does not import this file: what is shown changes no result.
"""

AGREEMENT = ("accuracy", "purity", "nmi", "ari")  # of components with true classes: larger is better, in every model
GRADED_AGREEMENT = tuple(f"{metric}_{grade}" for metric in AGREEMENT for grade in ("coarse", "fine"))
QUALITY = (*AGREEMENT, "silhouette")  # how well a run finds the true classes: a panel each in the figure of a task
COMPONENTS = ("occupancy", "effective_components")  # how many components are in use
SOFT_ASSIGNMENT = ("effective_components", "disagreement")  # of the models whose components have responsibilities
BOUNDS = ("elbo", "bound")
NOT_IN_ELBO = ("kl_cluster",)  # IDEC's clustering loss: a divergence, but no term of an ELBO
DIVERGENCE = "divergence"  # the sum of all divergences of an ELBO; the text computes it: see thesis/comparable.py

# Columns of the first panel of a task's table.
AGREEMENT_COLUMNS = ("accuracy", "purity", "purity_coarse", "purity_fine", "nmi", "ari")
SPACE_COLUMNS = ("silhouette", "occupancy")

# What stands for a whole run where there is room for one figure: the first that the run has.
HEADLINES = (*AGREEMENT, "elbo", "objective", "silhouette")

RESPONSE_MEASURES = ("r2", "r2_de", "r2_score", "r2_score_de")  # of predicted and real profiles; `_de` on 100 genes
RESPONSE_TARGETS = ("", "change_")  # prefixes: the profile itself, and its change from control
RESPONSE_WAYS = {  # prefixes of the forms of a prediction (step respond), before the target, and what tables call them
    "": "plain",
    "z_": "plain",
    "residual_": "residual",
    "residual_z_": "residual",
    "global_": "global delta",
    "near_": "near delta",
    "combined_": "with kriging",
    "near_fixed_": "near delta, length fixed",
    "combined_fixed_": "with kriging, length fixed",
    "ceiling_": "ceiling",
}
RESPONSE_HEADLINES = tuple(f"response_{target}r2" for target in RESPONSE_TARGETS)

SHORT_NAMES = {  # headings of columns that are narrower than the display names
    "disagreement": "Disagreem.",
    "effective_components": "Effective",
    "occupancy": "In use",
    "purity_coarse": "(coarse)",
    "purity_fine": "(fine)",
    "reconstruction": "Reconstr.",
}

SHARES = {*QUALITY, *GRADED_AGREEMENT, "disagreement"}  # between -1 and 1


def decimals(metric: str) -> int:
    """How many decimals a metric is printed with: three for shares and indices, two for divergences, else one.

    Args:
        metric: Its name in results/metrics.csv.

    Returns:
        1, 2 or 3.
    """
    if metric in SHARES or metric.startswith("response_"):
        return 3
    return 2 if metric.startswith("kl_") or metric == DIVERGENCE else 1


def elbo_terms(metrics: set[str]) -> list[str]:
    """The terms of the objective in the order of a table: reconstruction, every divergence, the bounds.

    Args:
        metrics: Names of the metrics that some runs have; others than terms are left out.

    Returns:
        The names of the terms among them.
    """
    divergences = sorted(metric for metric in metrics if metric.startswith("kl_") and metric not in NOT_IN_ELBO)
    return [metric for metric in ("reconstruction", *divergences, *BOUNDS) if metric in metrics]
