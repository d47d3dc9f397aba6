"""nn, models and training need only torch and NumPy at import: a machine that just trains needs nothing else."""

import importlib.metadata
import json
import re
import subprocess
import sys

import pytest

from gmvae.pipeline.sources import ROOT

PACKAGES = ["nn", "models", "training"]
# Imports each module in turn while every third-party package but the allowed ones is refused.
SCRIPT = """
import importlib, json, sys
refused, modules = (set(json.loads(text)) for text in sys.argv[1:])

class Refuser:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"{name} is refused")

sys.meta_path.insert(0, Refuser)
failures = {}
for module in sorted(modules):
    try:
        importlib.import_module(module)
    except ImportError as error:
        failures[module] = str(error)
print(json.dumps(failures))
"""


def modules(package):
    files = (ROOT / "src/gmvae" / package).glob("*.py")
    return sorted(f"gmvae.{package}.{file.stem}" for file in files if file.stem != "__init__")


def requirements(distribution):
    """The installed distributions that a distribution needs, itself included."""
    names, waiting = set(), [distribution]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in names:
            continue
        try:
            lines = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        names.add(name)
        waiting += [re.match(r"[\w.-]+", line)[0] for line in lines if "extra ==" not in line]
    return names


@pytest.fixture(scope="module")
def failures():
    """What each module that cannot be imported with torch and NumPy alone needs beside them."""
    allowed = requirements("torch") | requirements("numpy") | {"gmvae"}
    refused = [
        package
        for package, distributions in importlib.metadata.packages_distributions().items()
        if not {re.sub(r"[-_.]+", "-", name).lower() for name in distributions} & allowed
    ]
    assert {"scipy", "pandas", "anndata", "sklearn", "h5py"} <= set(refused)
    every = [module for package in PACKAGES for module in modules(package)]
    command = [sys.executable, "-c", SCRIPT, json.dumps(refused), json.dumps(every)]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_needs_only_torch_and_numpy_at_import(package, failures):
    assert {module: needs for module, needs in failures.items() if module in modules(package)} == {}
