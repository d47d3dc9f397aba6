"""Which project files a module depends on, read off its import statements without importing anything.

Snakemake does not look inside imports; its rules name these files as inputs, so that a change re-runs what it touches
and nothing else. Paths are relative to the project's root: Snakemake compares checksums of relative paths only.
"""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def path(module: str) -> Path:
    """The file of a module of this package, relative to the root: gmvae.models.vae -> src/gmvae/models/vae.py."""
    return Path("src", *module.split(".")).with_suffix(".py")


@cache
def imports(module: str) -> tuple[str, ...]:
    """The package's own modules that a module imports, at whatever depth of its code, sorted."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path(module)).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return tuple(sorted(name for name in found if name.startswith("gmvae.") and (ROOT / path(name)).is_file()))


def sources(*modules: str) -> list[str]:
    """The files that the modules depend on, themselves included, sorted, relative to the project's root."""
    reached, waiting = set(), list(modules)
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting.extend(imports(module))
    return sorted(str(path(module)) for module in reached)


def parameters(module: str, function: str) -> list[str]:
    """The parameter names of a function, or of `Class.method`, of a module; `self` is left out."""
    arguments = signature(module, function)
    names = [argument.arg for argument in arguments.args + arguments.kwonlyargs]
    return [name for name in names if name != "self"]


def keywords(module: str, function: str) -> dict[str, str]:
    """The keyword-only parameters, what the config may set, each with its type as the source has it."""
    return types(signature(module, function).kwonlyargs)


def types(arguments: list[ast.arg]) -> dict[str, str]:
    """The names of arguments with their annotations, "" for none."""
    return {argument.arg: ast.unparse(argument.annotation) if argument.annotation else "" for argument in arguments}


@cache
def signature(module: str, function: str) -> ast.arguments:
    """The arguments of a function, or of `Class.method`, as its source has them."""
    *outer, last = function.split(".")
    body = ast.parse((ROOT / path(module)).read_text(encoding="utf-8")).body
    for name in outer:
        body = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == name).body
    return next(node for node in body if isinstance(node, ast.FunctionDef) and node.name == last).args
