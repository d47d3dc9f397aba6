"""The rule that picks a number of components from the table of a sweep.

A number that is too small merges clusters, and which ones depends on the start; one that is too large cuts clusters
where the start says. The right number is the one that different starts and different rows agree on. So:

1. A coarse division can be stable, such as two halves of a hierarchy, but it describes the rows worse. So a number
   below the one with the highest ELBO on held-out rows is dropped if its ELBO is lower by more than two standard errors
   of the difference, and by more than half of the difference of the smallest number.
2. Of the rest, the most stable has the highest mean adjusted Rand index of fits on different draws of the rows.
3. The largest number that is nearly as stable (TOLERANCE below) is chosen: of two equally stable divisions the finer.

The ELBO alone does not choose: for simulated cells of 3, 6 and 12 types it was highest at 2, 5 and 10.
Another way, an over-complete mixture whose surplus components empty, is not used. The models' Dirichlet law is one of
each row and empties none. A law over the whole set, in a variational mixture on principal components, kept all of 9
components for cells of 3 types, and 10 of 12 for 6 (`python -m benchmarks.components`).

On real cells, tried once after the rule was fixed, it finds what is stable, not what experts name: 4 for the 9 labelled
types of PBMC 3k (stability .91, at 8 .76; Louvain: 10 communities), and 6 for five cell lines of several experiments,
where 5 is more stable (.999 against .81) but lower in the ELBO by 12 nats, 5 standard errors.

Where the highest index is below UNSTABLE the reason says so: then no number is a property of the data.
"""

import pandas as pd

from gmvae.pipeline.errors import Refused

ERRORS = 2.0  # standard errors
GAP_SHARE = 0.5
TOLERANCE = 0.02
UNSTABLE = 0.5


def choose_number(table: pd.DataFrame) -> tuple[int, str]:
    """Pick a number of components.

    Args:
        table: A line for each number, in any order: n_components, elbo_gap, elbo_se and ari_parts.

    Returns:
        The number, and the reason in a sentence.

    Raises:
        Refused: No line has an index of stability.
    """
    table = table.dropna(subset=["ari_parts"]).sort_values("n_components")
    if table.empty:
        raise Refused("n_components: found no two trainings to compare; set a number")
    below = table.n_components < table.n_components[table.elbo_gap.idxmin()]
    coarse = below & (table.elbo_gap > ERRORS * table.elbo_se) & (table.elbo_gap > GAP_SHARE * table.elbo_gap.iloc[0])
    rest = table[~coarse]
    highest = rest.ari_parts.max()
    chosen = rest[rest.ari_parts >= highest - TOLERANCE].iloc[-1]
    number = int(chosen.n_components)
    reason = f"stability {chosen.ari_parts:.2f} (ARI between draws of the rows), the highest is {highest:.2f}"
    if coarse.any():
        reason += f"; too low an ELBO: {', '.join(str(k) for k in table.n_components[coarse])}"
    if number in (table.n_components.min(), table.n_components.max()):
        reason += f"; {number} is an end of the candidates"
    if highest < UNSTABLE:
        reason += "; no number is stable, so take it as a guess"
    return number, reason
