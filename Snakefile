"""From raw data to the thesis. `snakemake --cores all` makes everything; what is made is chosen in config.yaml."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir, "src")))

from gmvae.pipeline import dataset_plan, plan, step_options
from gmvae.pipeline.checks import unpacked
from gmvae.pipeline.config_checks import check_config, parse_switches
from gmvae.pipeline.config_files import catalogue_files, read_yaml
from gmvae.pipeline.errors import exit_if_refused
from gmvae.pipeline.code_digest import source_digest

# Later files win: the catalogues, config.yaml, each --configfile, --config.
CONFIG_FILES = [*catalogue_files(Path(workflow.basedir)), Path(workflow.basedir, "config.yaml")]
for file in [*CONFIG_FILES, *workflow.overwrite_configfiles]:
    exit_if_refused(read_yaml, Path(file))

for file in CONFIG_FILES:

    configfile: file


report: "workflow/report/workflow.rst"


exit_if_refused(unpacked.take_study, config, workflow.config_settings.overwrite_config)
exit_if_refused(check_config, parse_switches(config))

# Jobs run this interpreter on this checkout's code, with this many threads, whatever is installed or set elsewhere.
PYTHON = sys.executable
os.environ["PYTHONPATH"] = str(Path(workflow.basedir, "src"))
for library in "OMP", "OPENBLAS", "MKL", "NUMBA":
    os.environ[f"{library}_NUM_THREADS"] = str(config["threads"])
os.environ |= {"MPLBACKEND": "Agg", **step_options.switches(config)}  # what changes no result is no part of a rule


wildcard_constraints:
    source="|".join(dataset_plan.downloads(config)) or "none",
    dataset="|".join(config["datasets"]),
    task="|".join(config["tasks"]),
    model="|".join(config["models"]),
    figure="|".join(config["thesis"]["figures"]),


# Results from an archive, which `make unpack` put there, are made by no rule: there are only those of the thesis.
UPSTREAM = [] if unpacked.has_crate() else ["data", "runs", "metrics", "cells"]
for stage in ["places", *UPSTREAM, "thesis", "start"]:

    include: f"workflow/rules/{stage}.smk"


rule all:
    default_target: True
    input:
        "results/thesis.pdf",
        rules.cells.input if UPSTREAM else [],
