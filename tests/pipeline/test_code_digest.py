"""The digest of a step's code: wording leaves it as it is, anything else changes it; and what it covers."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.checkout import count

from gmvae.pipeline import code_digest, sources
from gmvae.pipeline.code_digest import NO_SOURCES, source_modules
from gmvae.pipeline.sources import PLUGINS, ROOT, plugin_names, step_modules
from gmvae.pipeline.syntax_digest import tree_digest

CODE = '''
"""Text of the module."""
import logging
import warnings
import sys

RATE = 0.1  # a comment

class Model:
    """Text of the class."""

    flag = True

    def scale(self, x, factor=2.0):
        """Text of the method."""
        known = ", ".join(map(str, x))
        if not x:
            raise ValueError(f"x: found {known}; allowed: numbers", 3)
        print(f"{known} are scaled", file=sys.stderr)
        logging.info("scaled")
        warnings.warn("soon to go", stacklevel=2)
        assert factor > 0, "factor must be above 0"
        total = sum(x) + RATE
        return [value * factor for value in x if value < total]
'''

WORDING = {
    "a comment": ("# a comment", "# another one"),
    "a docstring": ("Text of the method.", "Other text."),
    "the docstring of a module": ('"""Text of the module."""', ""),
    "the docstring of a class": ("Text of the class.", "Other text."),
    "the layout": ("def scale(self, x, factor=2.0):", "def scale(\n        self, x,\n        factor=2.0,\n    ):"),
    "a refusal": ("allowed: numbers", "give numbers"),
    "what a refusal shows": ("found {known}; ", "found {known} of {len(x)}; "),
    "a text that only messages use": ('", ".join(map(str, x))', '" and ".join(map(str, x))'),
    "a printed line": ("are scaled", "have been scaled"),
    "a printed line more": ('logging.info("scaled")', 'logging.info("scaled")\n        print("done")'),
    "a printed line less": ('        print(f"{known} are scaled", file=sys.stderr)\n', ""),
    "a logged line": ('logging.info("scaled")', 'logging.warning("scaled %d values", len(x))'),
    "a warning": ("soon to go", "to go soon"),
    "an assertion's message": ("factor must be above 0", "factor: found 0 or less"),
}
MEANING = {
    "a constant": ("RATE = 0.1", "RATE = 0.2"),
    "the kind of a constant": ("factor=2.0", "factor=2"),
    "a default": ("factor=2.0", "factor=3.0"),
    "no default": ("factor=2.0", "factor"),
    "a flag": ("flag = True", "flag = False"),
    "an operator": ("value * factor", "value + factor"),
    "a comparison": ("value < total", "value <= total"),
    "a condition": ("if not x:", "if x:"),
    "a name that is read": ("sum(x) + RATE", "sum(x) + factor"),
    "the order of statements": ("import warnings\nimport sys", "import sys\nimport warnings"),
    "an import": ("import sys", "import sys\nimport random"),
    "a decorator": ("    def scale(self,", "    @staticmethod\n    def scale(self,"),
    "what is returned": ("return [", "return sorted(["),
    "the kind of an exception": ("raise ValueError(", "raise KeyError("),
    "a number in an exception": ('numbers", 3)', 'numbers", 4)'),
    "a refusal less": ("raise ValueError(", "list("),
    "what an assertion asks": ("assert factor > 0", "assert factor >= 0"),
    "a message that does something": ('logging.info("scaled")', "logging.info(x.pop())"),
    "a message with another effect": ("are scaled", "are scaled {x.sort()}"),
    "a refusal that does something": ("found {known}; ", "found {known} {x.pop()}; "),
    "a line that is written to a file": ("file=sys.stderr", "file=x"),
    "a text that is used": ("return [value", "return known, [value"),
    "a filter of warnings": ('warnings.warn("soon to go", stacklevel=2)', 'warnings.simplefilter("error")'),
    "the type of a parameter": ("factor=2.0", "factor: float = 2.0"),
}


def changed(old: str, new: str) -> str:
    """CODE with one text in place of another."""
    assert CODE.count(old) == 1, old
    text = CODE.replace(old, new)
    return text.replace("if value < total]", "if value < total])") if "sorted([" in new else text


@pytest.mark.parametrize(("old", "new"), WORDING.values(), ids=WORDING)
def test_wording_leaves_the_digest_as_it_is(old, new):
    assert tree_digest(ast.parse(changed(old, new))) == tree_digest(ast.parse(CODE))
    count("edits checked")


@pytest.mark.parametrize(("old", "new"), MEANING.values(), ids=MEANING)
def test_what_may_change_a_result_changes_the_digest(old, new):
    assert tree_digest(ast.parse(changed(old, new))) != tree_digest(ast.parse(CODE))
    count("edits checked")


def test_a_line_written_to_a_file_counts_word_by_word():
    lines = ["print('a', file=file)", "print('b', file=file)", "print('a', **options)", "print('b', **options)"]
    assert len({tree_digest(ast.parse(line)) for line in lines}) == 4


def test_a_text_that_a_message_and_a_result_use_counts():
    code = "def f(x):\n    text = 'a'\n    if not x:\n        raise ValueError(text)\n    return {result}"
    other = code.replace("'a'", "'b'")
    for result, same in (("x", True), ("text", False), ("lambda: text", False)):
        digests = {tree_digest(ast.parse(version.replace("{result}", result))) for version in (code, other)}
        assert (len(digests) == 1) == same


VALUES = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(), st.booleans(), st.none())


@given(VALUES, VALUES)
def test_constants_differ_where_their_digests_do(one, other):
    digests = [tree_digest(ast.parse(f"x = {value!r}")) for value in (one, other)]
    assert (digests[0] == digests[1]) == (repr(one) == repr(other))


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted((ROOT / "src/gmvae").rglob("*.py"))))
def test_a_file_written_anew_from_its_tree_has_the_same_digest(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert tree_digest(ast.parse(ast.unparse(tree))) == tree_digest(tree)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([ROOT / f"src/gmvae/models/{name}.py" for name in plugin_names("model")]), st.data())
def test_every_number_of_a_model_counts_but_in_messages(path, data):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    messages = [node for node in ast.walk(tree) if isinstance(node, ast.Raise | ast.Assert)]
    spoken = {id(node) for message in messages for node in ast.walk(message)}
    numbers = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and id(node) not in spoken
    ]
    before, number = tree_digest(tree), data.draw(st.sampled_from(numbers))
    number.value = number.value + 1 if not isinstance(number.value, bool) else not number.value
    assert tree_digest(tree) != before


# ------------------------------------------------------------------------------------------------- what a step reaches


def test_a_step_covers_itself_its_plug_in_and_what_they_import():
    modules = source_modules("gmvae.runs.train", "gmvae.models.gmdvae")
    assert {"gmvae.runs.train", "gmvae.models.gmdvae", "gmvae.training.loop", "gmvae.nn.layers"} <= set(modules)
    assert {"gmvae.__init__", "gmvae.models.__init__", "gmvae.nn.__init__"} <= set(modules)
    assert "gmvae.models.vade" not in modules and not set(NO_SOURCES) & set(modules)


def test_respond_does_not_depend_on_embed_or_on_any_metric():
    for step in ("gmvae.runs.respond", "gmvae.runs.expect"):
        modules = source_modules(step)
        assert not [name for name in modules if name.startswith("gmvae.metrics.") and not name.endswith("__init__")]
        assert "gmvae.runs.embed" not in modules and "gmvae.runs.baseline" not in modules


def test_training_does_not_depend_on_what_comes_after_it_or_on_the_config():
    packages = {name.split(".")[1] for name in source_modules("gmvae.runs.train", "gmvae.models.gmdvae")}
    assert packages == {"__init__", "formats", "models", "nn", "pipeline", "runs", "training"}
    modules = source_modules("gmvae.runs.train", "gmvae.models.gmdvae")
    assert [name for name in modules if name.startswith("gmvae.pipeline.")] == [
        "gmvae.pipeline.__init__",
        "gmvae.pipeline.command",
    ]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A copy of the sources that the digest is taken of, with what it remembers emptied before and after."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("gmvae.pipeline.code_digest", "gmvae.pipeline.sources"):
        monkeypatch.setattr(f"{name}.ROOT", tmp_path)
    forget()
    yield tmp_path / "src/gmvae"
    forget()


def forget() -> None:
    """Empty the caches that last as long as a process."""
    for module in (code_digest, sources):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


def digests() -> dict[str, str]:
    """The digest of each step and of each with a plug-in, as the rules take it."""
    forget()
    kinds = {"prepare": "reader", "train": "model", "embed": "model", "respond": "model"}
    kinds |= {"baseline": "baseline", "expect": "response"}
    named = {}
    for step in step_modules():
        kind = kinds.get(step.rpartition(".")[2])
        for plugin in plugin_names(kind) if kind else [""]:
            modules = [step, f"gmvae.{PLUGINS[kind][0]}.{plugin}"] if kind else [step]
            named[" ".join(filter(None, [step.removeprefix("gmvae."), plugin]))] = code_digest.source_digest(*modules)
    return named


def affected(file: Path, old: str, new: str) -> set[str]:
    """The steps whose digests change with an edit, each with its plug-in."""
    before, text = digests(), file.read_text(encoding="utf-8")
    assert old in text, f"{file} has no {old!r}"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    after = digests()
    count("edits checked")
    return {name for name in before if before[name] != after[name]}


def test_an_operator_in_a_model_counts_for_the_steps_with_that_model(elsewhere):
    edited = affected(elsewhere / "models/vae.py", "has_bound = True", "has_bound = False")
    assert edited == {"runs.train vae", "runs.embed vae", "runs.respond vae"}


def test_a_constant_in_a_part_of_models_counts_for_the_models_that_have_it(elsewhere):
    path = elsewhere / "nn/layers.py"
    edited = affected(path, "\nimport ", "\nNEW = 1\nimport ")
    assert {"runs.train vae", "runs.train gmdvae", "runs.embed gmdvae"} <= edited
    assert not {name for name in edited if name.split(".")[0] in ("metrics", "thesis", "data")}


def test_a_constant_in_a_metric_counts_for_evaluation_and_for_no_run(elsewhere):
    edited = affected(elsewhere / "metrics/scores.py", "\nimport ", "\nNEW = 1\nimport ")
    assert "metrics.evaluate" in edited
    runs = {name for name in edited if name.startswith(("runs.", "data."))}
    assert runs <= {"runs.biology.findings", "runs.choices.choose"}  # they score clusters, too


def test_a_default_in_a_figure_counts_for_that_figure(elsewhere):
    edited = affected(elsewhere / "thesis/figures/angles.py", "\nimport ", "\nNEW = 1\nimport ")
    assert edited == {"thesis.figures.angles"}


def test_a_reader_counts_for_the_data_sets_that_are_read_with_it(elsewhere):
    edited = affected(elsewhere / "data/readers/digits.py", "\nimport ", "\nNEW = 1\nimport ")
    assert edited == {"data.prepare digits"}


def test_code_in_an_init_file_counts(elsewhere):
    (elsewhere / "models/__init__.py").write_text("NEW = 1\n")
    forget()
    edited = affected(elsewhere / "models/__init__.py", "1", "2")
    assert {"runs.train vae", "runs.embed m2"} <= edited and not {name for name in edited if "metrics" in name}


def test_a_model_that_a_user_adds_is_covered_with_what_it_imports(elsewhere):
    shutil.copy(ROOT / "tests/tiny/mine.py", elsewhere / "models/mine.py")
    (elsewhere / "models/own_part.py").write_text("FACTOR = 2\n")
    with open(elsewhere / "models/mine.py", "a") as file:
        file.write("\nfrom .own_part import FACTOR\n")
    assert affected(elsewhere / "models/own_part.py", "2", "3") == {
        "runs.train mine",
        "runs.embed mine",
        "runs.respond mine",
    }


@pytest.mark.parametrize("module", sorted(NO_SOURCES))
def test_an_edit_of_a_module_that_is_no_source_counts_nowhere(elsewhere, module):
    path = elsewhere.parent.joinpath(*module.split(".")).with_suffix(".py")
    assert affected(path, "\n", "\nNEW = 1\n") == set()


# ------------------------------------------------------------------------- nothing in NO_SOURCES returns into a result


def uses(path: Path) -> list[tuple[str, list[ast.AST]]]:
    """Where a file reads a name that it imports from a module in NO_SOURCES, or what such a name was called for: the
    name, with the nodes around it from the inside out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in NO_SOURCES]
    names = {alias.asname or alias.name for node in imports for alias in node.names}
    found, waiting, followed = [], [(name, tree) for name in names], set()
    while waiting:
        name, scope = waiting.pop()
        for node in ast.walk(scope):
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
                around = [node]
                while around[-1] in parents:
                    around.append(parents[around[-1]])
                target = assigned_name(around)
                if target is None:
                    found.append((name, around))
                elif (target, path) not in followed:
                    followed.add((target, path))
                    waiting.append((target, enclosing_function(around)))
    return found


def assigned_name(around: list[ast.AST]) -> str | None:
    """The local variable that a call's result becomes, where it becomes one."""
    call, statement = around[1], around[2]
    if isinstance(call, ast.Call) and call.func is around[0] and isinstance(statement, ast.Assign):
        return statement.targets[0].id if isinstance(statement.targets[0], ast.Name) else None
    return None


def enclosing_function(around: list[ast.AST]) -> ast.AST:
    return next(node for node in around if isinstance(node, ast.FunctionDef))


def returns_nothing(around: list[ast.AST]) -> bool:
    """Whether a use is one that no result can depend on."""
    node, inner = around[0], None
    for outer in around[1:]:
        if isinstance(outer, ast.Raise | ast.ClassDef):  # raised, or an exception's base
            return True
        if isinstance(outer, ast.ExceptHandler) and outer.type in (node, inner):
            return True
        if isinstance(outer, ast.arg | ast.FunctionDef):  # an annotation
            return inner in (getattr(outer, "annotation", None), getattr(outer, "returns", None))
        if isinstance(outer, ast.withitem):  # a context manager that gives nothing to its block
            return outer.optional_vars is None
        if isinstance(outer, ast.keyword) and outer.arg in ("description", "epilog", "help"):  # texts of argparse
            return True
        if isinstance(outer, ast.Expr):
            return is_own_call(outer.value, node) or is_provenance(outer.value)
        inner = outer
    return False


def is_own_call(value: ast.expr, name: ast.Name) -> bool:
    """Whether a statement calls the name, or a method of it, with no use of what comes back."""
    target = value.func if isinstance(value, ast.Call) else value
    return target is name or (isinstance(target, ast.Attribute) and target.value is name)


def is_provenance(value: ast.expr) -> bool:
    """Whether a statement writes a file of the name `provenance`."""
    return (
        isinstance(value, ast.Call)
        and ast.unparse(value.func) == "write_json"
        and (ast.unparse(value.args[-1]) == "provenance")
    )


def step_files() -> list[Path]:
    """The files of all sources of the steps that rules run: what is only called by hand makes no result."""
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    modules = {name for step in step_modules() if f"-m {step} " in rules for name in source_modules(step)}
    assert "gmvae.runs.train" in modules and "gmvae.thesis.pdf" in modules
    modules |= {f"gmvae.{PLUGINS[kind][0]}.{name}" for kind in PLUGINS for name in plugin_names(kind)}
    modules = source_modules(*sorted(modules))
    return sorted(ROOT / "src" / Path(*name.split(".")).with_suffix(".py") for name in modules)


IDENTITY = ("training/checkpoints.py", "source_digest", "run_identity")  # of a checkpoint: see the reason in NO_SOURCES


def test_nothing_in_the_listed_modules_returns_a_value_into_a_result():
    suspects, counted = [], 0
    for path in step_files():
        for name, around in uses(path):
            counted += 1
            place = (str(path.relative_to(ROOT / "src/gmvae")), name)
            if returns_nothing(around) or place in ((IDENTITY[:2]), ("__main__.py", "list_steps")):
                continue
            suspects.append((*place, around[0].lineno))
    assert suspects == [] and counted > 100


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    return Progress(x)",
        "def f(x):\n    line = Progress(x)\n    x.append(line.share)",
        "def f(x):\n    line = Progress(x)\n    return line",
        "def f(x):\n    x.append(Progress(x))",
        "def f(x):\n    with Progress(x) as line:\n        pass",
        "def f(x):\n    if Progress(x):\n        x.pop()",
    ],
)
def test_a_value_from_a_listed_module_that_gets_on_is_noticed(tmp_path, code):
    file = tmp_path / "file.py"
    file.write_text(f"from gmvae.training.progress import Progress\n\n\n{code}\n")
    assert not all(returns_nothing(around) for _, around in uses(file))


def test_the_listed_modules_exist_and_say_why():
    for module, reason in NO_SOURCES.items():
        assert (ROOT / "src" / Path(*module.split(".")).with_suffix(".py")).is_file() and len(reason) > 10


def test_a_digest_takes_no_library_but_python_s_own():
    code = "import sys, gmvae.pipeline.code_digest; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT / "src", capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert set(run.stdout.split()) - sys.stdlib_module_names <= {"gmvae", "__main__", "sitecustomize"}
