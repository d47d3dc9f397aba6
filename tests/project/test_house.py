"""The house itself: which package imports which, how full a folder may be, how things are named, how long files are."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from gmvae.pipeline.sources import PLUGINS, ROOT, step_modules

SOURCE = ROOT / "src" / "gmvae"
# From the bottom up: a package imports from those in lines above its own; two in one line do not import each other.
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
FULL_FOLDER = 15  # Python files of a folder, __init__.py not counted
LONG_FILE = 250  # lines; most have about 150
LONG_FUNCTION = 40  # lines without its docstring; most have less than 25
TWICE = 10  # names of functions that may stand in more than one module
LINES = {"README.md": 149, "config.yaml": 199, "Snakefile": 60}  # at most
OTHER_TESTS = {"project", "storage", "support", "tiny", "workflow"}  # folders of tests that mirror no package
# Verbs whose participle does not end in -ed. Those that are also a present form (run, split, fit) may name a function.
PARTICIPLES = set(
    re.findall(
        r"\w+",
        """
    begun bent bled born bought broken brought built caught chosen dealt done drawn driven eaten fallen fed felt
    fitted flown forgotten fought found frozen given gone ground grown had heard held hidden hung kept known laid
    led left lent lit lost made meant met overlaid paid rebuilt redone risen said seen sent sewn shaken shot shown
    shrunk shut slept slid sold sought spent spoken spun stolen stood struck strung stuck sunk swept swollen sworn
    taken taught thought thrown told torn understood undone unseen withheld woken won worn wound woven written
        """,
    )
)
NO_PARTICIPLES = {"embed", "exceed", "feed", "need", "proceed", "seed", "speed", "succeed"}
EMPTY_NAMES = {"asked", "found", "said", "told"}  # names of values that do not say what the value is
# Turns that readers who learned English at school do not know; each with a plain word in its place.
OLD_ENGLISH = re.compile(
    r"\b(?:(?:is|are|was|were) (?:told|asked for)|as it stands|of whose|lies? to|ha(?:s|ve) no say|hitherto"
    r"|(?:where|there|here)(?:of|upon|unto|with))\b",
    re.IGNORECASE,
)
REFLECTION = {"delattr", "dir", "getattr", "hasattr", "setattr", "vars"}


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if path.name != "__init__.py")


FILES = [path for path in python_files(SOURCE) if path.parent != SOURCE]  # without __main__.py


def short(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def package(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0]


@cache
def syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def nodes(path: Path, *kinds: type) -> Iterator[ast.AST]:
    """All nodes of some kinds, at whatever depth of a file."""
    return (node for node in ast.walk(syntax_tree(path)) if isinstance(node, kinds))


def imported_modules(path: Path) -> set[str]:
    """The modules that a file imports, by statement or by import_module."""
    modules = set()
    for node in nodes(path, ast.Import, ast.ImportFrom, ast.Call):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def dynamic_imports(path: Path) -> list[str]:
    """The modules that a file imports by name: the text of the name as the source has it."""
    calls = (node for node in nodes(path, ast.Call) if ast.unparse(node.func).endswith(("import_module", "__import__")))
    return [ast.unparse(call.args[0]).strip("f'\"") for call in calls]


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods of a file."""
    return list(nodes(path, ast.FunctionDef, ast.AsyncFunctionDef))


def module_functions(path: Path) -> set[str]:
    """The names of the functions at the top level of a file, but for those that make it a plug-in."""
    names = {node.name for node in syntax_tree(path).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    folder = ".".join(path.parent.relative_to(SOURCE).parts)
    return names - {needed for plugins, needed in PLUGINS.values() if plugins == folder}


def is_bare_participle(name: str) -> bool:
    word = name.strip("_")
    return word not in NO_PARTICIPLES and (word in PARTICIPLES or re.fullmatch(r"[a-z]+ed", word) is not None)


def value_names(path: Path) -> set[str]:
    """The names of all variables and parameters of a file."""
    stored = {node.id for node in nodes(path, ast.Name) if isinstance(node.ctx, ast.Store)}
    return stored | {node.arg for node in nodes(path, ast.arg)}


def prose(path: Path) -> str:
    """The docstrings and comments of a file."""
    comments = re.findall(r"#.*", path.read_text(encoding="utf-8"))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = [ast.get_docstring(node) or "" for node in nodes(path, *kinds)]
    return re.sub(r"\s+", " ", "\n".join(docstrings + comments))


@pytest.mark.parametrize("path", FILES, ids=short)
def test_imports_between_packages_run_one_way(path):
    levels = [number for number, packages in enumerate(ORDER) if package(path) in packages]
    assert levels, f"{package(path)} has no place in ORDER"
    allowed = set().union(*ORDER[: levels[0]]) | {package(path)}
    packages = {module.split(".")[1] for module in imported_modules(path) if module.startswith("gmvae.")}
    assert packages <= allowed


def test_imports_are_absolute_and_by_the_module_s_own_name():
    for path in python_files(SOURCE):
        for node in nodes(path, ast.ImportFrom):
            assert node.level == 0, f"{short(path)}:{node.lineno} imports relatively"
            if (node.module or "").split(".")[0] == "gmvae":
                renamed = [alias.name for alias in node.names if alias.asname]
                assert not renamed, f"{short(path)}:{node.lineno} renames {renamed}"


def test_imports_stand_at_the_top_or_behind_a_reason():
    for path in python_files(SOURCE):
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in nodes(path, ast.Import, ast.ImportFrom):
            if node.col_offset:
                start = node.lineno - 1  # of the imports that stand together: one reason is enough for them
                while lines[start - 1].lstrip().startswith(("from ", "import ", "#", "if TYPE_CHECKING:")):
                    start -= 1
                around = "\n".join(lines[start : node.end_lineno])
                assert "#" in around, f"{short(path)}:{node.lineno} imports inside a function without a reason"


def test_only_plugins_are_imported_by_name():
    """Otherwise the order of packages could be got round."""
    folders = tuple(f"gmvae.{plugins}." for plugins, _ in PLUGINS.values())
    for path in python_files(SOURCE):
        assert all(name.startswith(folders) for name in dynamic_imports(path)), short(path)
    assert any(dynamic_imports(path) for path in FILES)


def test_no_folder_holds_more_than_fifteen_files():
    for root in (SOURCE, ROOT / "tests", ROOT / "benchmarks"):
        folders = defaultdict(int)
        for path in python_files(root):
            folders[str(path.parent.relative_to(ROOT))] += 1
        assert {folder: n for folder, n in folders.items() if n > FULL_FOLDER} == {}


def test_every_folder_is_a_package_whose_init_file_is_empty():
    for folder in {path.parent for path in python_files(SOURCE)}:
        assert (folder / "__init__.py").read_text(encoding="utf-8").strip() == "", folder


def test_the_folders_of_tests_are_those_of_the_package():
    folders = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders - OTHER_TESTS <= {package(path) for path in FILES}


def test_no_function_is_named_by_a_bare_participle():
    assert is_bare_participle("told") and is_bare_participle("_joined") and not is_bare_participle("embed")
    names = {path: [node.name for node in functions(path) if is_bare_participle(node.name)] for path in FILES}
    assert {short(path): bare for path, bare in names.items() if bare} == {}


def test_a_name_of_a_function_means_one_thing():
    modules = defaultdict(list)
    for path in FILES:
        for name in module_functions(path):
            modules[name].append(short(path))
    twice = {name: places for name, places in modules.items() if len(places) > 1}
    assert len(twice) <= TWICE, twice


def test_values_are_named_for_what_they_are():
    empty = {short(path): value_names(path) & EMPTY_NAMES for path in FILES}
    assert {path: names for path, names in empty.items() if names} == {}


def test_comments_and_docstrings_are_plain_english():
    turns = {short(path): OLD_ENGLISH.findall(prose(path)) for path in FILES}
    assert {path: phrases for path, phrases in turns.items() if phrases} == {}


def test_files_and_functions_are_short():
    for path in FILES:
        n_lines = len(path.read_text(encoding="utf-8").splitlines())
        assert n_lines <= LONG_FILE, f"{short(path)} has {n_lines} lines"
        for node in functions(path):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            n_lines = node.end_lineno - body[0].lineno + 1 if body else 0
            assert n_lines <= LONG_FUNCTION, f"{short(path)}: {node.name} has {n_lines} lines"


@pytest.mark.parametrize("name", LINES)
def test_what_a_user_reads_first_is_short(name):
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= LINES[name]


def test_nothing_asks_a_model_what_it_has():
    """models/interface.py says what a model is."""
    for path in FILES:
        for call in nodes(path, ast.Call):
            function = ast.unparse(call.func).removeprefix("builtins.")
            subject = ast.unparse(call.args[0]) if call.args else ""
            of_model = re.search(r"\b(?:model|module|network)\b", subject) or (
                package(path) == "models" and re.match(r"self\b", subject)
            )
            assert not (function in REFLECTION and of_model), f"{short(path)}:{call.lineno}: {ast.unparse(call)}"
            assert not (function == "inspect.signature" and re.search(r"\bmodel\.", subject)), (
                f"{short(path)}:{call.lineno}"
            )


def test_python_m_gmvae_lists_every_step_in_one_line():
    run = subprocess.run([sys.executable, "-m", "gmvae"], capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    ending = [path for path in FILES if re.search(r"^    run_step\(", path.read_text(encoding="utf-8"), re.MULTILINE)]
    assert len(lines) == len(step_modules()) == len(ending)
    for line, module in zip(lines, step_modules(), strict=True):
        assert re.fullmatch(rf"python -m {re.escape(module)} +\S.*\.", line), line
