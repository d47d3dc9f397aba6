"""A digest of the code that a step's result depends on: Snakemake does not look inside imports, so its rules do.

Each rule has the digest of its step and plug-ins as a param, and a job runs again when it changes. It covers the syntax
trees of the modules that are reached by imports, as far as they can change a result: see syntax_digest.py. They may be
modules of the package or beside it, and named by an import statement or, written out, by importlib.import_module.
What loads code in another way is refused where the config names the plug-in: `check_imports`. The modules in NO_SOURCES
are left out as a whole.

Why a digest, and not only a list of modules that are no inputs: comments and messages are everywhere, in models too,
and a better wording must not train for an hour. Why the list beside it: the progress line is code and not only wording,
and changes no result either. A test shows that nothing in the listed modules returns a value into a result.
"""

import ast
import hashlib
import re
from functools import cache

from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT, code_place, module_file, statements, syntax_tree
from gmvae.pipeline.syntax_digest import tree_digest

NO_SOURCES = {  # modules that no result depends on, each with the reason
    "gmvae.pipeline.errors": "its one exception is only raised and caught: a step that refuses writes nothing",
    "gmvae.pipeline.step_help": "the texts of --help",
    "gmvae.pipeline.config_model": "checks settings and returns nothing: a step that refuses them writes nothing",
    "gmvae.pipeline.code_digest": "says whether an unfinished run goes on, which ends with the same bytes either way",
    "gmvae.formats.provenance": "writes what a run was made with, beside its results",
    "gmvae.training.progress": "shows how far a run is",
}
IMPORTERS = {"import_module", "__import__"}  # followed where the name is written out
LOADERS = {"spec_from_file_location", "SourceFileLoader", "run_path", "run_module", "addsitedir", "exec", "eval"} | {
    "sys.path",
    "sys.meta_path",
    "sys.path_hooks",
}
HINTS = re.compile(
    r"import_module|__import__|spec_from_file|SourceFileLoader|run_path|run_module|addsitedir|\bsys\b|"
    r"(?<![.\w])(exec|eval)\b"
)  # files without such words are not searched
# These import plug-ins by the names that the config has: the rules take the digest of step and plug-in together.
PLUGIN_IMPORTERS = {"gmvae.formats.weights", "gmvae.data.prepare", "gmvae.runs.baseline", "gmvae.runs.expect"}


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
def read_module(module: str) -> tuple[tuple[str, ...], str, str]:
    """What a module imports of this checkout, the digest of its syntax tree, and its first import that is not followed.

    That import is given with file and line, "" where there is none. The tree is not kept.
    """
    tree, file = syntax_tree(module), module_file(module)
    named, hidden = set(), ""
    if HINTS.search(file.read_text(encoding="utf-8", errors="replace")):
        named, nodes = imports_by_call(module, tree)
        node = min(nodes, key=lambda node: node.lineno, default=None)
        hidden = f"{code_place(file, node.lineno)}: found {ast.unparse(node)}" if node else ""
    return tuple(sorted(imported_names(module, tree, named))), tree_digest(tree), hidden


def project_imports(module: str) -> tuple[str, ...]:
    """The checkout's own modules that a module imports, at whatever depth of its code, sorted; with their packages."""
    return read_module(module)[0]


def module_digest(module: str) -> str:
    """The digest of a module's syntax tree."""
    return read_module(module)[1]


def check_imports(module: str) -> None:
    """Refuse a plug-in that loads code which no digest can follow: its result could be out of date unnoticed.

    Args:
        module: The plug-in, such as gmvae.models.mine; what it imports is looked at too.

    Raises:
        Refused: A file is no Python, or has such an import. The message names file and line.
    """
    for name in source_modules(module):
        hidden = read_module(name)[2]
        if hidden and name not in PLUGIN_IMPORTERS:
            raise Refused(f"{hidden}; allowed: import statements, or importlib.import_module with a name in quotes")


def imported_names(module: str, tree: ast.Module, named: set[str]) -> set[str]:
    """The files of this checkout that a module's imports run: modules, and the __init__ of each package on the way.

    Args:
        module: The module's name.
        tree: Its syntax tree.
        named: What it imports by calls.
    """
    names, package = set(named), module.split(".")
    for node in statements(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = ".".join(([*package[: -node.level]] if node.level else []) + ([node.module] if node.module else []))
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
            if node.names[0].name == "*" and (init := module_file(f"{base}.__init__")):  # its __all__ may name modules
                names |= {f"{base}.{file.stem}" for file in init.parent.glob("*.py")}
    parts = [name.split(".") for name in {*names, module} if is_of_checkout(name.partition(".")[0])]
    names = {".".join(part) for part in parts}
    names |= {".".join([*part[:n], "__init__"]) for part in parts for n in range(1, len(part) + 1)}
    return {name for name in names - {module} if module_file(name)}


def imports_by_call(module: str, tree: ast.Module) -> tuple[set[str], list[ast.expr]]:
    """The modules that are imported by calls with the name written out, and the nodes that load code in other ways."""
    aliases = import_aliases(tree)
    names, followed, hidden = set(), set(), []
    for node in ast.walk(tree):  # a call comes before what it calls
        if isinstance(node, ast.Call) and loader_name(node.func, aliases) in IMPORTERS:
            name = written_name(module, node)
            if name:
                names.add(name)
                followed.add(id(node.func))
        elif id(node) not in followed and loader_name(node, aliases):
            hidden.append(node)
    return names, hidden


def import_aliases(tree: ast.Module) -> dict[str, str]:
    """What the names mean that a module's imports define: `sys` for s after `import sys as s`."""
    aliases = {}
    for node in statements(tree):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname: alias.name for alias in node.names if alias.asname}
        if isinstance(node, ast.ImportFrom) and not node.level:
            aliases |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return aliases


def loader_name(node: ast.AST, aliases: dict[str, str]) -> str:
    """The name in IMPORTERS or LOADERS that an expression stands for, "" for any other expression."""
    if isinstance(node, ast.Constant) and node.value in tuple(IMPORTERS):
        return node.value  # getattr(importlib, "import_module")
    if not isinstance(node, ast.Attribute | ast.Name):
        return ""
    first, dot, rest = ast.unparse(node).partition(".")
    name = aliases.get(first, first) + dot + rest
    if name in LOADERS:
        return name
    last = name.rpartition(".")[2]
    is_method = "." in name and last in ("exec", "eval")  # model.eval() loads no code
    return last if last in IMPORTERS | LOADERS and not is_method else ""


def written_name(module: str, call: ast.Call) -> str:
    """The name of the module that a call imports, "" where it is not written out in the call."""
    values = {keyword.arg: keyword.value for keyword in call.keywords}
    values |= dict(zip(("name", "package"), call.args, strict=False))
    name, package = values.get("name"), values.get("package")
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str) or len(call.args) + len(call.keywords) > 2:
        return ""
    if not name.value.startswith("."):
        return name.value if package is None or "import_module" in ast.unparse(call.func) else ""
    if package is None or not (isinstance(package, ast.Constant) or ast.unparse(package) == "__package__"):
        return ""
    own = package.value if isinstance(package, ast.Constant) else module.rpartition(".")[0]
    return f"{own}{name.value}" if not name.value.startswith("..") else ""


@cache
def is_of_checkout(package: str) -> bool:
    """Whether the checkout has a module or package of this name, in src/ or in its own folder."""
    return any((folder / name).exists() for folder in (ROOT, ROOT / "src") for name in (package, f"{package}.py"))
