"""What the project's files define, read off their syntax trees without importing anything: it takes no time.

The Snakefile asks on every call which plug-ins there are and which settings they take; `python -m gmvae` asks for the
steps.
"""

import ast
import difflib
import os
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

from gmvae.pipeline.errors import Refused

ROOT = Path(__file__).resolve().parents[3]
PLUGINS = {  # kinds of files that the config names: their package, and what makes a file of it one
    "reader": ("data.readers", "read"),
    "model": ("models", "Model"),
    "baseline": ("runs.baselines", "assign"),
    "response": ("runs.responses", "change"),
    "figure": ("thesis.figures", "draw"),
}
ARGUMENTS = {
    "reader": 1,
    "baseline": 5,
    "response": 4,
    "figure": 2,
}  # how many the steps hand over by place, or at least


@cache
def module_file(module: str) -> Path | None:
    """The file of a module of this checkout, None for any other: gmvae.models.vae -> src/gmvae/models/vae.py.

    Python finds modules beside the package, in src/, and those in the folder where steps run, the checkout's own.
    """
    folders = [ROOT / "src"] if module.startswith("gmvae.") else [ROOT, ROOT / "src"]
    files = (folder.joinpath(*module.split(".")).with_suffix(".py") for folder in folders)
    return next((file for file in files if file.is_file()), None)


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
    return parse_file(module_file(module))


def parse_file(file: Path) -> ast.Module:
    """The syntax tree of a file. Raises Refused with file and line for one that is no Python."""
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:  # ValueError: a zero byte
        fault = getattr(error, "msg", error)
        place = code_place(file, getattr(error, "lineno", None) or 1)
        raise Refused(f"{place}: found no valid Python ({fault}); correct the file") from None


def code_place(file: Path, line: int) -> str:
    """A file, as seen from the checkout, and a line in it."""
    return f"{file.relative_to(ROOT) if file.is_relative_to(ROOT) else file}, line {line}"


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
    """The arguments of a function, or of `Class.method`, as its source has them. Raises Refused where there is none."""
    *outer, last = function.split(".")
    body, line = syntax_tree(module).body, 1
    for name in outer:
        node = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == name)
        body, line = node.body, node.lineno
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == last:
            return node.args
    place = code_place(module_file(module), line)
    raise Refused(f"{place}: found no function {function}; allowed: a file that defines it; see README.md") from None


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


def has_input_size(module: str) -> bool:
    """Whether a model has the argument `n_inputs`: it can encode principal components in place of what it decodes."""
    return "n_inputs" in parameter_names(f"gmvae.models.{module}", "Model.__init__")


@cache
def plugin_names(kind: str) -> list[str]:
    """The files of one kind in PLUGINS that the config may name: those that define what makes a file a plug-in."""
    files = (ROOT / "src" / "gmvae" / PLUGINS[kind][0].replace(".", "/")).glob("*.py")
    return sorted(file.stem for file in files if PLUGINS[kind][1] in definitions(file, kind))


def definitions(file: Path, kind: str) -> dict[str, int]:
    """The classes (models) or functions at the top level of a file, with their lines; none of a file that is no Python.

    The config may name no such file, and `check_plugin` says why. A file that is not named hinders nobody.
    """
    try:
        body = parse_file(file).body
    except Refused:
        return {}
    form = ast.ClassDef if kind == "model" else ast.FunctionDef
    return {node.name: node.lineno for node in body if isinstance(node, form)}


def check_plugin(kind: str, name: str) -> None:
    """Refuse a file that the config names and that is no plug-in; a name without a file is not looked at.

    Args:
        kind: One of PLUGINS.
        name: Name of a file, without `.py`.

    Raises:
        Refused: The file is no Python, lacks what makes it a plug-in, or the step would call that with more arguments
            than it takes. The message names file and line.
    """
    package, needed = PLUGINS[kind]
    module = f"gmvae.{package}.{name}"
    file = module_file(module)
    if file is None:
        return
    parse_file(file)
    form, lines = "class" if kind == "model" else "function", definitions(file, kind)
    if needed not in lines:
        near = difflib.get_close_matches(needed, lines, n=1, cutoff=0.7)
        place = code_place(file, lines[near[0]] if near else 1)
        word = f"{form} {near[0]}" if near else f"no {form} {needed}"
        raise Refused(f"{place}: found {word}; allowed: {form} {needed}, which makes the file a {kind}")
    signature = function_signature(module, "Model.__init__" if kind == "model" else needed)
    if kind in ARGUMENTS and not signature.vararg and len(signature.args) < ARGUMENTS[kind]:
        names = ", ".join(argument.arg for argument in signature.args) or "none"
        allowed = f"{ARGUMENTS[kind]} or more, as in the other files of the folder"
        raise Refused(f"{code_place(file, lines[needed])}: {needed}: found the arguments {names}; allowed: {allowed}")


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
