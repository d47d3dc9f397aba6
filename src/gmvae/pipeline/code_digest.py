"""A digest of the code that a step's result depends on: Snakemake does not look inside imports, so its rules do.

Each rule has the digest of its step and plug-ins as a param, and a job runs again when it changes. It covers the syntax
trees of the modules that are reached by import statements, as far as they can change a result: see syntax_digest.py.
The modules in NO_SOURCES are left out as a whole.

Why a digest, and not only a list of modules that are no inputs: comments and messages are everywhere, in models too,
and a better wording must not train for an hour. Why the list beside it: the progress line is code and not only wording,
and changes no result either. A test shows that nothing in the listed modules returns a value into a result.
"""

import ast
import hashlib
from functools import cache

from gmvae.pipeline.sources import ROOT, module_path, statements, syntax_tree
from gmvae.pipeline.syntax_digest import tree_digest

NO_SOURCES = {  # modules that no result depends on, each with the reason
    "gmvae.pipeline.errors": "its one exception is only raised and caught: a step that refuses writes nothing",
    "gmvae.pipeline.step_help": "the texts of --help",
    "gmvae.pipeline.config_model": "checks settings and returns nothing: a step that refuses them writes nothing",
    "gmvae.pipeline.code_digest": "says whether an unfinished run goes on, which ends with the same bytes either way",
    "gmvae.formats.provenance": "writes what a run was made with, beside its results",
    "gmvae.training.progress": "shows how far a run is",
}


@cache
def source_digest(*modules: str) -> str:
    """Digest the code that the modules depend on, themselves included.

    Args:
        modules: names such as gmvae.runs.train, a step and its plug-ins.

    Returns:
        Sixteen hexadecimal digits.
    """
    digest = hashlib.sha256()
    for module in source_modules(*modules):
        digest.update(f"{module} {module_digest(module)}\n".encode())
    return digest.hexdigest()[:16]


@cache
def source_modules(*modules: str) -> tuple[str, ...]:
    """The modules that the modules depend on, themselves included, sorted; without those in NO_SOURCES."""
    reached, waiting = set(), list(modules)
    while waiting:
        module = waiting.pop()
        if module not in reached and module not in NO_SOURCES:
            reached.add(module)
            waiting.extend(project_imports(module))
    return tuple(sorted(reached))


@cache
def read_module(module: str) -> tuple[tuple[str, ...], str]:
    """What a module imports of this package, and the digest of its syntax tree; the tree is not kept."""
    tree = syntax_tree(module)
    return tuple(sorted(imported_names(module, tree))), tree_digest(tree)


def project_imports(module: str) -> tuple[str, ...]:
    """The package's own modules that a module imports, at whatever depth of its code, sorted; with their packages."""
    return read_module(module)[0]


def module_digest(module: str) -> str:
    """The digest of a module's syntax tree."""
    return read_module(module)[1]


def imported_names(module: str, tree: ast.Module) -> set[str]:
    """The files of this package that a module's imports run: modules, and the __init__ of each package on the way."""
    names, package = set(), module.split(".")
    for node in statements(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = ".".join(([*package[: -node.level]] if node.level else []) + ([node.module] if node.module else []))
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in {*names, module} if name.split(".")[0] == "gmvae"]
    names |= {".".join([*part[:n], "__init__"]) for part in parts for n in range(1, len(part) + 1)}
    return {name for name in names - {module} if is_module(name)}


@cache
def is_module(name: str) -> bool:
    """Whether the name is that of a file of this package."""
    return name.startswith("gmvae.") and (ROOT / module_path(name)).is_file()
