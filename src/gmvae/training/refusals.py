"""What the step train refuses once rows are there: a start or views that they cannot have, a run that diverged."""

import sys
from pathlib import Path

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Rows
from gmvae.pipeline.errors import Refused
from gmvae.training.checkpoints import Checkpointer
from gmvae.training.communities import check_parts
from gmvae.training.schedule import Training
from gmvae.training.state import EXPLODED, TrainingState


def check_views(model: LatentModel, training: Training, rows: Rows, likelihood: str, data: Path) -> None:
    """Refuse views that the rows of a run cannot have; a model that takes no views ignores them.

    Args:
        model: The model to train.
        training: The training settings.
        rows: The training rows.
        likelihood: The name of the dataset's likelihood.
        data: The file of the dataset, for the message.

    Raises:
        Refused: Neighbours without a graph, affine maps of rows that are no images, or thinning of no counts.
    """
    sees_counts = likelihood in COUNT_LIKELIHOODS and rows.x.shape == rows.target.shape  # a view is made of counts
    has = {
        "neighbours": (rows.neighbours is not None, "with the graph of its rows (--graph)", "affine or []"),
        "affine": (len(rows.shape) == 2, "of images (height and width in uns['shape'])", "neighbours or []"),
        "thinning": (sees_counts, "of counts, which the encoder sees as log1p", "neighbours or []"),
    }
    for kind in training.views if model.takes_views else ():
        is_there, needed, other = has[kind]
        if not is_there:
            raise Refused(f"training.views: found {kind} for {data}; allowed: it for a dataset {needed}; use {other}")


def check_start(model: LatentModel, plan: Training, rows: Rows, data: Path) -> None:
    """Raise Refused where the start of the training makes more clusters than there are training rows, or no graph."""
    n, k = rows.label.shape[1], rows.n_components
    if model.has_components and plan.guide_epochs > 0 and plan.guide == "leiden":
        if rows.neighbours is None:
            raise Refused("training.guide: found leiden without --graph; allowed: it with the file of neighbours")
        check_parts(rows.neighbours.cpu().numpy(), k)
    is_guided = model.has_components and plan.guide_epochs > 0 and bool((rows.label < 0).all())
    is_guided &= plan.guide != "leiden"  # which makes fewer communities then
    if k <= n or not (is_guided or model.starts_from_clusters):
        return
    cause = f"the start of {model.name}" if model.starts_from_clusters else "the phase guide"
    remedy = "or a model that does not start from clusters" if model.starts_from_clusters else "or guide_epochs: 0"
    allowed = f"at most {n}, the training rows of {data}, of which {cause} makes K clusters"
    raise Refused(f"n_components: found {k}; allowed: {allowed}; set fewer components, {remedy}")


def check_divergence(state: TrainingState, plan: Training, keeper: Checkpointer) -> list[dict]:
    """The seeds that diverged. Raises Refused, and saves a checkpoint, unless the run may be written with them."""
    diverged = state.diverged_seeds()
    if not diverged:
        return diverged
    first = diverged[0]
    fault = f"{first['term']} of seed {first['seed']} is not finite, or above {EXPLODED:g}, in epoch {first['epoch']}"
    if len(diverged) > 1:
        fault += f" (likewise seeds {', '.join(str(entry['seed']) for entry in diverged[1:])})"
    if plan.diverged == "keep" and len(diverged) < len(state.seeds):
        print(f"{fault}: its state of the epoch before is written, as training.diverged is `keep`", file=sys.stderr)
        return diverged
    keeper.save(state)
    remedy = "set training.diverged to keep to write all seeds like this, or try"
    if len(diverged) == len(state.seeds):
        remedy = "no other seed is left; try"
    clip = f"training.clip below {plan.clip:g}" if plan.clip else "training.clip: 1"
    raise Refused(
        f"{fault}; {keeper.path} has its state of the epoch before, and the other seeds fully trained: {remedy} "
        f"a training.learning_rate below {plan.learning_rate:g}, or {clip}"
    )
