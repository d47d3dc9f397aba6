"""The house itself: what may import what, how full a folder may be, and how functions are named."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from gmvae.pipeline.sources import PLUGINS, ROOT

SOURCE = ROOT / "src" / "gmvae"
# From the bottom up. A package imports from those in lines above its own; packages in one line do not import each other.
ORDER = [
    {"pipeline"},
    {"formats"},
    {"data", "nn", "metrics"},
    {"models"},
    {"training"},
    {"cells"},
    {"thesis"},
    {"reference"},
    {"runs"},
]
FULL = 15  # Python files of a folder, __init__.py not counted
TWICE = 10  # names of functions that may stand in more than one module
PARTICIPLES = set(
    """begun bent bought bound broken brought built caught chosen cut dealt done drawn fed felt fitted found given gone
    grown heard held hidden kept known laid left lent lost made meant met put read seen sent set shown shut sold spent
    spread stood stuck sunk swept taken taught thought told torn understood woken won worn written""".split()
)
NO_PARTICIPLES = {"embed", "feed", "need", "seed", "speed", "put", "read", "cut", "set", "spread", "bound"}


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if path.name != "__init__.py")


def package(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0]


def imported_packages(path: Path) -> set[str]:
    """The packages of gmvae that a file imports from, at whatever depth of its code."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {module.split(".")[1] for module in modules if module.startswith("gmvae.")}


def functions(path: Path) -> list[str]:
    """The names of all functions and methods of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def module_functions(path: Path) -> list[str]:
    """The names of the functions at the top level of a file."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return [node.name for node in body if isinstance(node, ast.FunctionDef)]


def is_bare_participle(name: str) -> bool:
    return name not in NO_PARTICIPLES and (name in PARTICIPLES or re.fullmatch(r"[a-z]+ed", name) is not None)


@pytest.mark.parametrize("path", python_files(SOURCE), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_between_packages_run_one_way(path):
    if path.parent == SOURCE:  # __main__.py
        return
    level = next(number for number, packages in enumerate(ORDER) if package(path) in packages)
    allowed = set().union(*ORDER[:level]) | {package(path)}
    assert imported_packages(path) <= allowed


def test_no_folder_holds_more_than_fifteen_files():
    for root in (SOURCE, ROOT / "tests"):
        folders = {path.parent for path in python_files(root)}
        counts = {str(folder.relative_to(ROOT)): len(list(folder.glob("[!_]*.py"))) for folder in folders}
        assert {folder: n for folder, n in counts.items() if n > FULL} == {}


def test_every_init_file_is_empty():
    assert [path for path in SOURCE.rglob("__init__.py") if path.read_text(encoding="utf-8").strip()] == []


def test_no_function_is_named_by_a_bare_participle():
    assert is_bare_participle("told") and is_bare_participle("joined") and not is_bare_participle("embed")
    named = {path: [name for name in functions(path) if is_bare_participle(name)] for path in python_files(SOURCE)}
    assert {str(path.relative_to(SOURCE)): names for path, names in named.items() if names} == {}


def test_a_name_of_a_function_means_one_thing():
    modules = defaultdict(list)
    plugin_functions = {needed for _, needed in PLUGINS.values()}
    for path in python_files(SOURCE):
        for name in set(module_functions(path)) - plugin_functions:
            modules[name].append(str(path.relative_to(SOURCE)))
    twice = {name: places for name, places in modules.items() if len(places) > 1}
    assert len(twice) <= TWICE, twice


def test_nothing_asks_a_model_what_it_has():
    """models/interface.py says what a model is."""
    for path in python_files(SOURCE):
        assert not re.search(r"(?:has|get)attr\((?:\w+\.)*model\b", path.read_text(encoding="utf-8")), path
