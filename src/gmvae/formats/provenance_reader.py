"""Reading what a run was made with: for the list of runs in the thesis, and for the reference of a study."""

import json
from pathlib import Path

from gmvae.pipeline.errors import Refused

NEEDED = ("settings", "seeds", "versions", "commit", "dirty", "device")


def read_provenance(path: Path) -> dict:
    """The content of a provenance.json."""
    try:
        made = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in NEEDED if key not in made]
    except (OSError, ValueError) as fault:
        raise Refused(f"{path}: not readable ({fault}); remove it and run the study again") from fault
    if missing:
        raise Refused(f"{path}: the keys {', '.join(missing)} are missing; remove it and run the study again")
    return made
