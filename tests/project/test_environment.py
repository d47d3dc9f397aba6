"""The ways to install agree: pyproject.toml names packages, constraints.txt pins them, environment.yml has the same."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONDA_NAMES = {
    "igraph": "python-igraph",
    "matplotlib": "matplotlib-base",
    "seaborn": "seaborn-base",
    "torch": "pytorch",
}


def canonical(name: str) -> str:
    """A package's name as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def direct_dependencies() -> list[str]:
    """The dependencies in pyproject.toml, with those of development; the plug-in for clusters is not pinned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project["dependencies"] + project["optional-dependencies"]["dev"]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().split()
    return {canonical(name): pinned for name, _, pinned in (line.partition("==") for line in lines)}


def conda() -> dict[str, str]:
    """environment.yml's packages with their versions, those under `pip` too."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    listed = listed[:-1] + listed[-1]["pip"]
    return {name: pinned for name, _, pinned in (line.replace("==", "=").partition("=") for line in listed)}


def test_constraints_are_pins_and_nothing_else():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line), f"no plain pin: {line}"


@pytest.mark.parametrize("name", direct_dependencies())
def test_a_direct_dependency_is_pinned_in_both_environments(name):
    assert canonical(name) in pins()
    assert conda()[CONDA_NAMES.get(name, name)] == pins()[canonical(name)]


def test_the_conda_environment_has_nothing_else():
    names = {CONDA_NAMES.get(name, name) for name in direct_dependencies()}
    assert set(conda()) - {"python", "pip"} == names
    assert conda()["python"] == "3.11"


def test_conda_takes_packages_from_conda_forge_only():
    channels = yaml.safe_load((ROOT / "environment.yml").read_text())["channels"]
    assert set(channels) <= {"conda-forge", "nodefaults"}


@pytest.mark.parametrize("name", ["numpy", "scanpy", "snakemake", "torch"])
def test_the_running_environment_is_the_pinned_one(name):
    assert version(name).partition("+")[0] == pins()[name]


def test_the_project_is_called_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    author = "{given-names} {family-names}".format(**citation["authors"][0])
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"] == (ROOT / "LICENSE").read_text()[:3]
    assert author == yaml.safe_load((ROOT / "config.yaml").read_text())["thesis"]["author"]
    assert author in (ROOT / "LICENSE").read_text()


def test_github_runs_what_continuous_integration_runs_and_pins_no_package():
    text = (ROOT / ".github/workflows/tests.yml").read_text()
    steps = yaml.safe_load(text)["jobs"]["tests"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    local = re.findall(r"^make .*$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert [command for command in commands if command.startswith("make ")] == local == ["make test", "make lint"]
    (python,) = (step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", ""))
    assert python == conda()["python"]
    assert not any(f"{name}=" in text for name in pins())
