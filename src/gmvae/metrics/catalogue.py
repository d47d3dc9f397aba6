"""What metrics there are, in groups, and how many decimals each is printed with."""

AGREEMENT = ("accuracy", "purity", "nmi", "ari")  # of components and classes; the same for finer and coarser classes
GRADED = {f"{metric}_{suffix}" for metric in AGREEMENT for suffix in ("fine", "coarse")}
SHARES = {*AGREEMENT, *GRADED, "silhouette", "disagreement"}  # between -1 and 1: three decimals


def decimals(metric: str) -> int:
    """How many decimals a metric is printed with: three for shares and indices, two for divergences, else one."""
    return 3 if metric in SHARES or metric.startswith("response_") else 2 if metric.startswith("kl_") else 1


def format_fixed(value: float, places: int) -> str:
    """The number with so many decimals, and no minus before zero."""
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text
