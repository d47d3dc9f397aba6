"""Which views the rows of a run can have."""

from pathlib import Path

from gmvae.formats.likelihoods import COUNT_LIKELIHOODS
from gmvae.models.interface import LatentModel
from gmvae.nn.batches import Rows
from gmvae.pipeline.errors import Refused
from gmvae.training.schedule import Training


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
