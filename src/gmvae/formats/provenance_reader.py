"""Read the provenance of runs, for the list of runs in the thesis and for the reference of a study."""

import json
from pathlib import Path

from gmvae.pipeline.errors import Refused

REQUIRED = ("settings", "seeds", "versions", "commit", "dirty", "device")


def read_provenance(path: Path) -> dict:
    """Read the provenance of a run.

    Args:
        path: A provenance.json.

    Returns:
        Its content, checked for the keys in REQUIRED.

    Raises:
        Refused: The file is not readable, or a key is missing.
    """
    try:
        provenance = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in REQUIRED if key not in provenance]
    except (OSError, ValueError) as error:
        raise Refused(f"{path}: not readable ({error}); remove it and run the study again") from error
    if missing:
        raise Refused(f"{path}: the keys {', '.join(missing)} are missing; remove it and run the study again")
    return provenance
