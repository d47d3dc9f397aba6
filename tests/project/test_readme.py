"""The README is true: its commands are understood, its paths exist, its example of a data set is accepted."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gmvae.pipeline import plan
from gmvae.pipeline.config_checks import check_config
from gmvae.pipeline.config_files import read_config

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = [line for line in TEXT.splitlines() if line.startswith("|")]
COMMANDS = [command for line in TABLE for command in re.findall(r"`(snakemake [^`]*)`", line)]
PATHS = sorted(
    path
    for path in set(re.findall(r"[`(]([A-Za-z_./]+/[A-Za-z_.]+|[A-Za-z_]+\.[a-z]{2,4})[`)]", TEXT))
    if not path.startswith(("results/", ".venv"))  # what is there only once it was made
)


def test_there_are_commands_to_check():
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("command", COMMANDS)
def test_snakemake_understands_the_command(command):
    program, *arguments = shlex.split(command)
    dry = [sys.executable, "-m", program, "--dry-run", "--quiet", "all", *arguments]
    finished = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", TEXT, re.MULTILINE))))
def test_make_has_the_target(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_named_exists(path):
    assert (ROOT / path).exists() or (ROOT / "src/gmvae/models" / path).exists()


def test_the_example_of_a_data_set_is_accepted():
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    merged = read_config(ROOT / "config.yaml")
    for section, entries in yaml.safe_load(block).items():
        merged[section] |= entries
        merged["studies"]["embedded"]["tasks"] += [name for name in entries if section == "tasks"]
    check_config(merged)
    assert "mine" in plan.tasks(merged)
