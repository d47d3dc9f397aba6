"""A step's command line: its help, its switches from the environment, and the options that rules write."""

import argparse
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmvae.pipeline.command import SWITCHES, run_step, step_parser
from gmvae.pipeline.sources import ROOT, step_modules
from gmvae.pipeline.step_help import read_step_help
from gmvae.pipeline.step_options import option_words, switches


def measure(
    data: Path,
    seeds: list[int],
    settings: dict,
    share: float | None = None,
    mirror: str = "",
    memory: float = 4.0,
    progress: bool = True,
) -> dict:
    """Measure something.

    It takes a while, 100 % of it.

    Args:
        data: The data set,
            as h5ad.
        seeds: The seeds.
        settings: What to measure: all of it, or 5 % of it.
        share: The share.
        mirror: Where to look first.
        memory: GiB.
        progress: Show a line.

    Returns:
        What was measured.

    Raises:
        Refused: Nothing was found.
    """
    called.append(locals())


called: list[dict] = []
NEEDED = ["--data", "x.h5ad", "--seeds", "0", "--settings", "{}"]


@pytest.fixture(autouse=True)
def no_switches(monkeypatch):
    called.clear()
    for name in SWITCHES:
        monkeypatch.delenv(f"GMVAE_{name.upper()}", raising=False)


def test_help_says_what_each_flag_is():
    text = " ".join(step_parser(measure).format_help().split())
    assert "Measure something. It takes a while, 100 % of it. options:" in text
    assert "--data DATA The data set, as h5ad." in text and "all of it, or 5 % of it." in text
    assert "GiB. (default: 4.0; environment: GMVAE_MEMORY)" in text and "The share." in text
    assert text.endswith("Returns: What was measured. Raises: Refused: Nothing was found.") and "Args" not in text


def test_a_docstring_without_sections_is_the_description():
    def plain(data: Path) -> None:
        """One line.

        data: the data set.
        """

    assert read_step_help(plain) == ("One line.\n\ndata: the data set.", {}, "")


def test_values_come_as_the_types_of_the_signature():
    run_step(measure, [*NEEDED, "--share", "0.5", "--no-progress"])
    assert called == [
        {
            "data": Path("x.h5ad"),
            "seeds": [0],
            "settings": {},
            "share": 0.5,
            "mirror": "",
            "memory": 4.0,
            "progress": False,
        }
    ]


def test_a_switch_that_is_not_given_comes_from_the_environment(monkeypatch):
    for name, text in (("mirror", "/somewhere"), ("memory", "0.5"), ("progress", "False")):
        monkeypatch.setenv(f"GMVAE_{name.upper()}", text)
    run_step(measure, NEEDED)
    run_step(measure, [*NEEDED, "--mirror", "/here", "--memory", "2", "--progress"])
    values = [(call["mirror"], call["memory"], call["progress"]) for call in called]
    assert values == [("/somewhere", 0.5, False), ("/here", 2.0, True)]


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("GMVAE_MEMORY", "")
    run_step(measure, NEEDED)
    assert called[0]["memory"] == 4.0


@pytest.mark.parametrize(("name", "value"), [("memory", "much"), ("progress", "perhaps")])
def test_a_bad_variable_is_refused_in_one_line_that_has_its_value(monkeypatch, capsys, name, value):
    monkeypatch.setenv(f"GMVAE_{name.upper()}", value)
    with pytest.raises(SystemExit) as end:
        run_step(measure, NEEDED)
    text = str(end.value.code) + capsys.readouterr().err
    assert value in text and name in text.lower() and not called


def test_only_what_the_config_says_reaches_the_environment():
    config = dict.fromkeys(SWITCHES, "") | {"offline": False, "memory": 4, "mirror": ""}
    assert switches(config) == {"GMVAE_OFFLINE": "False", "GMVAE_MEMORY": "4"}  # a user's own GMVAE_MIRROR stays
    assert switches(config | {"mirror": "/m"})["GMVAE_MIRROR"] == "/m"


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SETTINGS = st.dictionaries(TEXTS, st.one_of(st.integers(), st.floats(allow_nan=False), TEXTS, st.booleans()))


@given(TEXTS, st.lists(st.integers()), SETTINGS, st.none() | st.floats(0, 1), st.booleans())
def test_options_are_read_as_they_were_written(mirror, seeds, settings, share, progress):
    values = {"data": Path("a b"), "seeds": seeds, "settings": settings, "share": share, "mirror": mirror}
    parsed = vars(step_parser(measure).parse_args(option_words(values | {"progress": progress})))
    assert parsed == values | {"progress": progress, "memory": 4.0}


def test_options_are_words_of_a_command_line():
    words = option_words(
        {"n_components": 5, "settings": {"b": 1, "a": [2]}, "seeds": [0, 1], "held": None, "all": True}
    )
    assert words == ["--n-components", "5", "--settings", '{"b": 1, "a": [2]}', "--seeds", "0", "1", "--all"]


@pytest.mark.parametrize("module", step_modules())
def test_a_step_documents_each_of_its_flags(module):
    step = step_function(module)
    text = read_step_help(step)
    assert list(inspect.signature(step).parameters) == list(text.flags), f"{module}: Args and parameters differ"
    assert text.description and all(text.flags.values())


def step_function(module: str):
    """The step that a module runs from the command line."""
    tree_end = (ROOT / "src" / Path(*module.split(".")).with_suffix(".py")).read_text(encoding="utf-8")
    return getattr(importlib.import_module(module), re.findall(r"run_step\((\w+)\)", tree_end)[-1])


def test_steps_are_listed_one_a_line():
    run = subprocess.run([sys.executable, "-m", "gmvae"], capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    assert [line.split()[2] for line in lines] == list(step_modules())
    assert max(map(len, lines)) <= 120
    assert all(line.startswith("python -m gmvae.") for line in lines)


def test_every_type_of_a_signature_has_a_form_on_the_command_line():
    def odd(data: set) -> None:
        """A type that no command line has."""

    with pytest.raises(TypeError, match="set"):
        step_parser(odd)
    assert isinstance(step_parser(measure), argparse.ArgumentParser)


def test_libraries_that_a_step_imports_itself_have_its_threads_too(monkeypatch):
    """Their threads decide the last bits, and the limits at the start reach only what is loaded by then."""
    script = """
from gmvae.pipeline.command import run_step

def count():
    \"\"\"Print the threads of each library.\"\"\"
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_info
    print(sorted({library["num_threads"] for library in threadpool_info()}))

run_step(count, [])
"""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert finished.stdout.strip() == "[1]", finished.stderr
