"""A digest of the code that a step's result depends on: Snakemake does not look inside imports, so its rules do.

Each rule has the digest of its step and plug-ins as a param, and a job runs again when it changes. It covers the syntax
trees of the modules that are reached by import statements, nothing being imported for it. What cannot change a result
is left out of the trees: comments, formatting, docstrings, and the texts of raised exceptions, of printed and of
logged lines. The modules in NO_SOURCES are left out as a whole.

Why a digest, and not only a list of modules that are no inputs: wording stands everywhere, in models too, and a
corrected comment or message must not train for an hour. Why the list beside it: code such as the progress line is no
wording, and changes no result either. A test shows that nothing in the listed modules returns a value into a result.
"""

import ast
import hashlib
from functools import cache

from gmvae.pipeline.sources import ROOT, module_path, syntax_tree

NO_SOURCES = {  # modules that no result depends on, each with the reason
    "gmvae.pipeline.errors": "its one exception is only raised and caught: a step that refuses writes nothing",
    "gmvae.pipeline.step_help": "the texts of --help",
    "gmvae.pipeline.code_digest": "says whether an unfinished run goes on, which ends with the same bytes either way",
    "gmvae.formats.provenance": "writes what a run was made with, beside its results",
    "gmvae.training.progress": "shows how far a run is",
}
LOGGING = ("debug", "info", "warning", "warn", "error", "exception", "critical", "log")
LOGGERS = ("logging", "logger", "log", "warnings")
WORDING = (  # functions and methods that words are made with; any other call in a message stays in the digest
    *("float", "format", "int", "isinstance", "join", "len", "list", "map", "max", "min", "range", "repr", "round"),
    *("set", "sorted", "sum", "str", "strip", "tuple", "type"),
)


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
def project_imports(module: str) -> tuple[str, ...]:
    """The package's own modules that a module imports, at whatever depth of its code, sorted; with their packages."""
    names, package = set(), module.split(".")
    for node in ast.walk(syntax_tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = ".".join(([*package[: -node.level]] if node.level else []) + ([node.module] if node.module else []))
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in {*names, module} if name.split(".")[0] == "gmvae"]
    names |= {".".join([*part[:n], "__init__"]) for part in parts for n in range(1, len(part) + 1)}
    return tuple(sorted(name for name in names - {module} if is_module(name)))


@cache
def is_module(name: str) -> bool:
    """Whether the name is that of a file of this package."""
    return name.startswith("gmvae.") and (ROOT / module_path(name)).is_file()


@cache
def module_digest(module: str) -> str:
    """The digest of a module's syntax tree."""
    return tree_digest(syntax_tree(module))


def tree_digest(tree: ast.AST) -> str:
    """The digest of a syntax tree as far as it can change a result."""
    parts: list[str] = []
    append_node(tree, parts)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def append_node(node: object, parts: list[str]) -> None:
    """Append the parts of a node in their order, each field after its name; empty fields say nothing.

    Python's own `ast.dump` differs from version to version in what it does with empty fields.
    """
    if isinstance(node, ast.AST):
        parts.append(type(node).__name__)
        if isinstance(node, ast.Constant):
            parts.append(repr(node.value))
            return
        for field in node._fields:
            value = getattr(node, field, None)
            if field == "ctx" or value is None or value == []:
                continue
            if isinstance(node, ast.Raise | ast.Assert) and field in ("exc", "msg"):
                value = without_message(value)
            parts.append(f".{field}")
            append_node(value, parts)
    elif isinstance(node, list):
        parts.append("[")
        for item in node:
            append_item(item, parts)
        parts.append("]")
    else:
        parts.append(repr(node))


def append_item(item: object, parts: list[str]) -> None:
    """Append an item of a list, such as a statement; of one that only says something, the calls that do more."""
    if isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant):
        return  # a docstring, or another text on its own
    if isinstance(item, ast.Expr) and is_message(item.value):
        for part in working_parts(arguments(item.value)):
            append_node(part, parts)
        return
    append_node(item, parts)


def is_message(node: ast.expr) -> bool:
    """Whether an expression prints to the terminal, logs or warns."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr in LOGGING:
        return isinstance(node.func.value, ast.Name) and node.func.value.id in LOGGERS
    if not isinstance(node.func, ast.Name) or node.func.id != "print":
        return False
    files = [ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg in ("file", None)]
    return all(file in ("sys.stderr", "sys.stdout") for file in files)


def without_message(node: ast.expr) -> list[ast.expr]:
    """A raised exception, or an assertion's message, without its words: numbers, such as an exit status, stay."""
    if not isinstance(node, ast.Call):
        return [node] if isinstance(node, ast.Name | ast.Attribute) else working_parts([node])
    numbers = [part for part in node.args if isinstance(part, ast.Constant) and not isinstance(part.value, str)]
    return [node.func, *numbers, *working_parts(arguments(node))]


def arguments(call: ast.Call) -> list[ast.expr]:
    """The arguments of a call, those with keywords too."""
    return [*call.args, *[keyword.value for keyword in call.keywords]]


def working_parts(words: list[ast.expr]) -> list[ast.expr]:
    """The parts of a message's expressions that may do more than word it: calls, assignments, yields."""
    return [
        node
        for word in words
        for node in ast.walk(word)
        if isinstance(node, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom)
        or (isinstance(node, ast.Call) and called_name(node) not in WORDING)
    ]


def called_name(call: ast.Call) -> str:
    """The name of the function or method that is called, "" for any other expression."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))
