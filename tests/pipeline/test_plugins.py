"""Files of a user's own: what is no plug-in is named with file and line, and what their code depends on is followed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gmvae.pipeline import code_digest, sources
from gmvae.pipeline.check import check
from gmvae.pipeline.code_digest import check_imports, source_digest, source_modules
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT, check_plugin, plugin_names

MODEL = (ROOT / "tests/tiny/mine.py").read_text(encoding="utf-8")


def forget() -> None:
    """Empty the caches that last as long as a process."""
    for module in (code_digest, sources):
        for function in vars(module).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of the package's code, which the functions read in the place of the checkout's."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for module in (code_digest, sources):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def write(checkout: Path, name: str, text: str) -> Path:
    """A file of the checkout, with the folders that it lies in."""
    file = checkout / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    forget()
    return file


# --------------------------------------------------------------------------------------- what the config may not name

BROKEN = {
    # the file; its text; what the refusal of the configuration names
    "a model that is no Python": (
        "models/mine.py",
        "import torch\n\nclass class Model:\n",
        r"mine\.py, line 3: .*syntax",
    ),
    "a text that does not end": ("models/mine.py", "X = 1\nY = 'a\n", r"mine\.py, line 2: .*string"),
    "a wrong indentation": ("models/mine.py", "if True:\nX = 1\n", r"mine\.py, line 2: .*indent"),
    "bytes that are no text": ("models/mine.py", "X = 1\n\0\n", r"mine\.py, line \d: found no valid Python"),
    "a class by another name": (
        "models/mine.py",
        "\nclass Modell:\n    pass\n",
        r"mine\.py, line 2: found class Modell; .*Model",
    ),
    "a file without a class": ("models/mine.py", "X = 1\n", r"mine\.py, line 1: found no class Model"),
    "a function in the place of a class": (
        "models/mine.py",
        "def Model():\n    pass\n",
        r"mine\.py, line 1: found no class",
    ),
    "a model without a constructor": (
        "models/mine.py",
        "X = 1\nclass Model:\n    pass\n",
        r"mine\.py, line 2: .*__init__",
    ),
    "a reader without read": (
        "data/readers/mine.py",
        "def load(raw):\n    pass\n",
        r"mine\.py, line 1: found no function read",
    ),
    "a reader without an argument": (
        "data/readers/mine.py",
        "\ndef read():\n    pass\n",
        r"mine\.py, line 2: read: found .*none",
    ),
    "a class in the place of read": (
        "data/readers/mine.py",
        "class read:\n    pass\n",
        r"mine\.py, line 1: found no function",
    ),
    "a baseline without assign": (
        "runs/baselines/mine.py",
        "def assigns(z):\n    pass\n",
        r"mine\.py, line 1: found function assigns",
    ),
    "a baseline with few arguments": (
        "runs/baselines/mine.py",
        "def assign(z):\n    pass\n",
        r"mine\.py, line 1: assign: found .*z;",
    ),
    "a response without change": ("runs/responses/mine.py", "\n\n\n", r"mine\.py, line 1: found no function change"),
    "a figure without draw": (
        "thesis/figures/mine.py",
        "def drew(output):\n    pass\n",
        r"mine\.py, line 1: found .*; .*draw",
    ),
    "a figure that is a part of others": (
        "thesis/figures/mine.py",
        "from gmvae.thesis.figures import style\n",
        r"mine\.py, line 1",
    ),
}
ENTRIES = {
    "models": "models: {vae: {module: mine}}",
    "data/readers": "datasets: {toy: {source: mine}}",
    "runs/baselines": "models: {random: {baseline: mine}}",
    "runs/responses": "models: {no_change: {response: mine}}",
    "thesis/figures": "thesis: {figures: {mine: all}}",
}


@pytest.mark.parametrize(("name", "text", "message"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_no_plugin_is_refused_with_file_and_line(checkout, name, text, message):
    write(checkout, f"src/gmvae/{name}", text)
    mine = write(checkout, "mine.yaml", ENTRIES[name.rpartition("/")[0]])
    with pytest.raises(Refused, match=rf"^src/gmvae/\w+.*{message}") as refusal:
        check(ROOT / "config.yaml", [mine])
    assert "\n" not in str(refusal.value) and (
        "; allowed: " in str(refusal.value) or "; correct " in str(refusal.value)
    )


def test_a_shipped_model_that_a_user_breaks_is_refused_so_too(checkout):
    file = checkout / "src/gmvae/models/vae.py"
    text = file.read_text(encoding="utf-8")
    line = text.splitlines().index("class Model(LatentModel):") + 1
    for new, message in (("class Modell(", "found class Modell"), ("class class Model(", "found no valid Python")):
        write(checkout, "src/gmvae/models/vae.py", text.replace("class Model(", new))
        with pytest.raises(Refused, match=rf"^src/gmvae/models/vae\.py, line {line}: {message}"):
            check(ROOT / "config.yaml")


def test_a_broken_file_that_the_config_does_not_name_hinders_nobody(checkout):
    write(checkout, "src/gmvae/models/sketch.py", "class class Model\n")
    check(ROOT / "config.yaml")
    assert "sketch" not in plugin_names("model") and "vae" in plugin_names("model")


def test_a_broken_file_that_a_model_imports_is_refused(checkout):
    write(checkout, "src/gmvae/models/mine.py", MODEL + "\nfrom helper import X\n")
    write(checkout, "src/helper.py", "X = 1\nX = = 2\n")
    with pytest.raises(Refused, match=r"^src/helper\.py, line 2: found no valid Python"):
        check_imports("gmvae.models.mine")
    with pytest.raises(Refused, match=r"^src/helper\.py, line 2"):
        check(ROOT / "config.yaml", [write(checkout, "mine.yaml", ENTRIES["models"])])


# ------------------------------------------------------------------------------------------- what a digest takes in

HELPER = "src/gmvae/models/helper.py"
FOLLOWED = {
    # what the model says; the file that this brings in
    "a relative import": ("from .helper import X", HELPER),
    "a relative import of a module": ("from . import helper", HELPER),
    "a relative import from above": ("from ..nn import helper", "src/gmvae/nn/helper.py"),
    "an absolute import": ("from gmvae.models.helper import X", HELPER),
    "an import by another name": ("import gmvae.models.helper as h", HELPER),
    "an import of a module from its package": ("from gmvae.models import helper as h", HELPER),
    "a star import": ("from .helper import *", HELPER),
    "an import in a function": ("def f():\n    from .helper import X", HELPER),
    "an import in a condition": ("try:\n    1 / 0\nexcept ValueError:\n    from .helper import X", HELPER),
    "a package": ("from .parts import X", "src/gmvae/models/parts/__init__.py"),
    "a module of a package": ("from .parts.one import X", "src/gmvae/models/parts/one.py"),
    "the init file on the way": ("from .parts.one import X", "src/gmvae/models/parts/__init__.py"),
    "what a package imports": ("from .parts import Y", "src/gmvae/models/parts/two.py"),
    "all modules of a package": ("from .parts import *", "src/gmvae/models/parts/one.py"),
    "a module beside the package": ("import helper", "src/helper.py"),
    "a package beside the package": ("from own.deep import X", "src/own/deep/__init__.py"),
    "a module in the checkout": ("from helper2 import X", "helper2.py"),
    "a module of a folder without init": ("import loose.part as part", "src/loose/part.py"),
    "an import by a call": ("import importlib\nimportlib.import_module('gmvae.models.helper')", HELPER),
    "a call of another name": ("from importlib import import_module as load\nh = load(name='helper')", "src/helper.py"),
    "a relative call": ("import importlib as i\ni.import_module('.helper', __package__)", HELPER),
    "a relative call with a package": (
        "import importlib as i\ni.import_module('.helper', 'gmvae.nn')",
        "src/gmvae/nn/helper.py",
    ),
    "a call of __import__": ("h = __import__('helper')", "src/helper.py"),
    "a call in an expression": ("def f(x):\n    return [__import__('helper').X for _ in x]", "src/helper.py"),
}  # fmt: skip
HELPERS = [HELPER, "src/gmvae/nn/helper.py", "src/helper.py", "helper2.py", "src/loose/part.py"]
HELPERS += [f"src/gmvae/models/parts/{name}.py" for name in ("one", "two")] + ["src/own/deep/__init__.py"]


@pytest.mark.parametrize(("code", "file"), FOLLOWED.values(), ids=FOLLOWED)
def test_a_change_in_what_a_model_imports_changes_its_digest(checkout, code, file):
    for helper in HELPERS:
        write(checkout, helper, "X = 1\n")
    write(checkout, "src/gmvae/models/parts/__init__.py", "from .two import X as Y\nX = 1\n__all__ = ['X', 'one']\n")
    write(checkout, "src/gmvae/models/mine.py", MODEL + f"\n{code}\n")
    check_imports("gmvae.models.mine")
    before = source_digest("gmvae.models.mine")
    path = checkout / file
    write(checkout, file, path.read_text().replace("X = 1", "X = 2"))
    assert source_digest("gmvae.models.mine") != before
    unused = write(checkout, "src/unused.py", "X = 1\n")
    after = source_digest("gmvae.models.mine")
    unused.write_text("X = 2\n")
    forget()
    assert source_digest("gmvae.models.mine") == after


def test_no_digest_takes_in_libraries(checkout):
    write(checkout, "src/gmvae/models/mine.py", "import numpy.linalg\nfrom torch import nn\nimport importlib\n" + MODEL)
    assert all(name.startswith("gmvae.") for name in source_modules("gmvae.models.mine"))


HIDDEN = {
    "a name that is computed": ("import importlib\nname = 'helper'\nh = importlib.import_module(name)", 3),
    "a name with a gap": ("from importlib import import_module\nh = import_module(f'gmvae.{__name__}')", 2),
    "a function by another name": ("import importlib\n\nload = importlib.import_module", 3),
    "a function found by name": ("import importlib\nload = getattr(importlib, 'import_module')", 2),
    "__import__ of a variable": ("def f(name):\n    return __import__(name)", 2),
    "__import__ with a level": ("h = __import__('helper', globals(), locals(), [], 1)", 1),
    "a file loaded by its path": ("import importlib.util as u\nh = u.spec_from_file_location('h', 'h.py')", 2),
    "a file that is run": ("import runpy\nh = runpy.run_path('h.py')", 2),
    "code in a text": ("exec(open('h.py').read())", 1),
    "another path of modules": ("import sys\nsys.path.append('elsewhere')\nimport h", 2),
    "another path by another name": ("import sys as s\ns.path.insert(0, 'elsewhere')", 2),
    "another path that is imported": ("from sys import path\npath.append('elsewhere')", 2),
}


@pytest.mark.parametrize(("code", "line"), HIDDEN.values(), ids=HIDDEN)
def test_an_import_that_no_digest_can_follow_is_refused_with_file_and_line(checkout, code, line):
    write(checkout, "src/gmvae/models/mine.py", f"{code}\n{MODEL}")
    with pytest.raises(Refused, match=rf"^src/gmvae/models/mine\.py, line {line}: found [^\n]*; allowed: [^\n]*$"):
        check(ROOT / "config.yaml", [write(checkout, "mine.yaml", ENTRIES["models"])])
    write(checkout, "src/helper.py", code)
    write(checkout, "src/gmvae/models/mine.py", f"import helper\n{MODEL}")
    with pytest.raises(Refused, match=rf"^src/helper\.py, line {line}: found"):
        check_imports("gmvae.models.mine")


def test_what_only_looks_like_an_import_by_name_is_no_fault(checkout):
    code = (
        "import sys\n\ndef f(model, path):\n    model.eval()\n    model.path = path\n    return sys.modules, 'eval'\n"
    )
    write(checkout, "src/gmvae/models/mine.py", code + MODEL)
    check_imports("gmvae.models.mine")
    check_plugin("model", "mine")


# --------------------------------------------------------------------------------------------------- what a step says


def call_prepare(checkout: Path, text: str) -> subprocess.CompletedProcess:
    """The step `prepare` with a reader of the user's own."""
    write(checkout, "src/gmvae/data/readers/mine.py", text)
    command = ["-m", "gmvae.data.prepare", "--source", "mine", "--name", "Mine", "--test-share", "0.2"]
    return subprocess.run(
        [sys.executable, *command, "--output", str(checkout / "mine.h5ad")],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout / "src")},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import numpy\n\ndef read(raw):\n    return nothing\n", "line 4: NameError: name 'nothing' is not defined"),
        ("import nothing_like_it\n\ndef read(raw):\n    pass\n", "line 1: ModuleNotFoundError: No module"),
        ("import numpy\n\ndef read(raw):\n    return numpy.ones(2).reshape(3)\n", "line 4: ValueError: cannot reshape"),
        ("X = 1 / 0\n\ndef read(raw):\n    pass\n", "line 1: ZeroDivisionError"),
    ],
)
def test_an_exception_in_a_file_of_the_user_ends_in_one_line_with_file_and_line(checkout, text, line):
    run = call_prepare(checkout, text)
    assert run.returncode == 1 and run.stderr.startswith("Traceback")
    last = run.stderr.splitlines()[-1]
    assert last.startswith(f"error: src/gmvae/data/readers/mine.py, {line}") and last.endswith("; correct the file")


def test_an_exception_in_a_file_of_the_project_is_a_traceback(checkout):
    run = call_prepare(checkout, "def read(raw):\n    return 3\n")
    assert run.returncode == 1 and "Traceback" in run.stderr and "error: " not in run.stderr.splitlines()[-1]


def test_a_refusal_of_a_file_of_the_user_is_one_line(checkout):
    text = "from gmvae.pipeline.errors import Refused\n\ndef read(raw):\n    raise Refused('mine: found nothing')\n"
    assert call_prepare(checkout, text).stderr == "error: mine: found nothing\n"
