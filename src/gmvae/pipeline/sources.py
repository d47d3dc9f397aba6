"""What the project's files define, read off their syntax trees without importing anything: it takes no time.

The Snakefile asks on every call which plug-ins there are and which settings they take; `python -m gmvae` asks for the
steps.
"""

import ast
import os
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = {  # kinds of files that the config names: their package, and what makes a file of it one
    "reader": ("data.readers", "read"),
    "model": ("models", "Model"),
    "baseline": ("runs.baselines", "assign"),
    "response": ("runs.responses", "change"),
    "figure": ("thesis.figures", "draw"),
}


def module_path(module: str) -> Path:
    """The file of a module of this package, relative to the root: gmvae.models.vae -> src/gmvae/models/vae.py."""
    return Path("src", *module.split(".")).with_suffix(".py")


def project_files(folder: str, *suffixes: str) -> list[str]:
    """List the project's files with one of the suffixes, in a folder and below it.

    Args:
        folder: A folder of the project.
        suffixes: Such as .tex.

    Returns:
        Sorted paths, relative to the working directory: Snakemake compares relative paths by content, and a call may
        come from another folder than the project's.
    """
    files = (path for path in Path(ROOT, folder).rglob("*") if path.suffix in suffixes)
    return sorted(os.path.relpath(path) for path in files)


@lru_cache(maxsize=2)
def syntax_tree(module: str) -> ast.Module:
    """The syntax tree of a module, not to be changed. Few are kept: many slow down the collection of garbage."""
    return ast.parse((ROOT / module_path(module)).read_text(encoding="utf-8"))


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements inside a module or a statement; expressions are not looked into, which would take long."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for statement in getattr(node, field, []):
            yield statement
            yield from statements(statement)


def parameter_names(module: str, function: str) -> list[str]:
    """The parameter names of a function, or of `Class.method`, of a module; `self` is left out."""
    arguments = function_signature(module, function)
    names = [argument.arg for argument in arguments.args + arguments.kwonlyargs]
    return [name for name in names if name != "self"]


def keyword_types(module: str, function: str) -> dict[str, str]:
    """The keyword-only parameters, what the config may set, each with its type as the source has it."""
    return annotation_types(function_signature(module, function).kwonlyargs)


def keyword_defaults(module: str) -> dict[str, object]:
    """The default values of the settings of a module's class Model, as far as they are plain constants."""
    arguments = function_signature(module, "Model.__init__")
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {argument.arg: value.value for argument, value in pairs if isinstance(value, ast.Constant)}


def annotation_types(arguments: list[ast.arg]) -> dict[str, str]:
    """The names of arguments with their annotations, "" for none."""
    return {argument.arg: ast.unparse(argument.annotation) if argument.annotation else "" for argument in arguments}


@cache
def function_signature(module: str, function: str) -> ast.arguments:
    """The arguments of a function, or of `Class.method`, as its source has them."""
    *outer, last = function.split(".")
    body = syntax_tree(module).body
    for name in outer:
        body = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == name).body
    return next(node for node in body if isinstance(node, ast.FunctionDef) and node.name == last).args


def class_flag(module: str, name: str) -> bool:
    """Whether the class Model of a module says `name = True`."""
    tree = next(node for node in syntax_tree(module).body if isinstance(node, ast.ClassDef) and node.name == "Model")
    values = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == name
    ]
    return values == [True]


@cache
def plugin_names(kind: str) -> list[str]:
    """The files of one kind in PLUGINS that the config may name: those that define what makes a file a plug-in."""
    package, needed = PLUGINS[kind]
    files = (ROOT / "src" / "gmvae" / package.replace(".", "/")).glob("*.py")
    return sorted(file.stem for file in files if needed in defined_names(file))


def defined_names(file: Path) -> set[str]:
    """The functions and classes that a file defines at its top level."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def step_modules() -> dict[str, str]:
    """The steps, modules that end by running one from the command line: their names with the first line of their text.

    In the order of the folders' names; the text is the docstring of the step itself.
    """
    steps = {}
    for file in sorted((ROOT / "src" / "gmvae").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        call = tree.body[-1] if tree.body else None
        if isinstance(call, ast.If) and "run_step(" in ast.unparse(call):
            name = ast.unparse(call.body[-1].value.args[0])
            step = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
            module = ".".join(file.relative_to(ROOT / "src").with_suffix("").parts)
            steps[module] = ast.get_docstring(step).partition("\n")[0]
    return steps
