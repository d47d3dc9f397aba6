"""Step: check the configuration without running anything."""

from pathlib import Path

from gmvae.pipeline.command import run_step
from gmvae.pipeline.config_checks import check_config
from gmvae.pipeline.config_files import read_config


def check(config: Path = Path("config.yaml"), configfile: list[Path] | None = None) -> None:
    """Check the configuration. For invalid YAML, the message names file and line, which Snakemake's own does not.

    Args:
        config: The file config.yaml; the catalogues are in the folder workflow/catalogue beside it.
        configfile: Files of your own, as for `snakemake --configfile`; the last one wins.

    Raises:
        Refused: A file is no valid YAML, or holds a key twice; a key, value or name is not allowed.
    """
    check_config(read_config(config, configfile or []))
    print("The configuration is in order.")


if __name__ == "__main__":
    run_step(check)
