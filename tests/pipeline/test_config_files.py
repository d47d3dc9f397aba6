"""The YAML files of the configuration: how they are merged, and that a fault is refused with file, line and key."""

import functools
import json
from pathlib import Path

import pytest
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

from gmvae.pipeline.check import check
from gmvae.pipeline.config_files import catalogue_files, merge_config, read_config, read_yaml
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A function that writes a text to a file in the current folder, which is the test's own."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "mine.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def as_snakemake_merges(files: list[Path]) -> dict:
    return functools.reduce(lambda merged, file: update_config(merged, load_configfile(file)) or merged, files, {})


FAULTS = {
    # the text; the line and key that the message names; what it says was found
    "a key twice": ("threads: 1\nmemory: 4\nthreads: 2\n", 3, "threads", "a second time, after line 1"),
    "an inner key twice": ("models:\n  vae:\n    name: A\n    name: B\n", 4, "models.vae.name", "after line 3"),
    "a key twice in one line": ("a: {b: 1, b: 2}\n", 1, "a.b", "after line 1"),
    "a key twice in a list": ("a: [{b: 1}, {b: 1, b: 2}]\n", 1, "a.1.b", "after line 1"),
    "a section twice": ("datasets:\n  a: {name: A}\ndatasets:\n  b: {name: B}\n", 3, "datasets", "after line 1"),
    "a tab": ("models:\n\tvae: {name: A}\n", 2, "vae", "a tab"),
    "a tab after spaces": ("models:\n  \tvae: {name: A}\n", 2, "vae", "a tab"),
    "too little indentation": ("models:\n  vae: {name: A}\n ae: {name: B}\n", 3, "ae", "no valid YAML"),
    "too much indentation": ("models:\n  vae: {name: A}\n    ae: {name: B}\n", 3, "ae", "no valid YAML"),
    "a colon in a text": ("thesis:\n  author: me: myself\n", 2, "author", "no valid YAML"),
    "an open bracket": ("tasks: [a, b\nmemory: 4\n", 2, "memory", "no valid YAML"),
    "an alias of another file": ("a: *elsewhere\n", 1, "a", "an alias without an anchor"),
    "an anchor twice": ("a: &x 1\nb: &x 2\n", 2, "b", "an anchor a second time"),
    "an alias within its own entry": ("a: &x\n  b: {c: *x}\n", 1, "a.b.c", "an entry that contains it"),
    "a merge key on a list": ("a: &x [1]\nb:\n  <<: *x\n", 3, "b.<<", "a merge key without a mapping"),
    "a merge key on a text": ("b:\n  c: 1\n  <<: text\n", 3, "b.<<", "a merge key without a mapping"),
    "a merge key twice": ("a: &x {y: 1}\nb:\n  <<: *x\n  <<: *x\n", 4, "b.<<", "after line 3"),
    "a second document": ("a: 1\n---\nb: 2\n", 2, "---", "a second document"),
    "a number as a key": ("tasks:\n  2020: {name: A}\n", 2, "tasks.2020", "no text but a number"),
    "a truth value as a key": ("models:\n  on: {name: A}\n", 2, "models.on", "no text but true or false"),
    "nothing as a key": ("models:\n  ~: {name: A}\n", 2, "models.~", "no text but nothing"),
    "a date as a key": ("tasks:\n  2020-01-01: {name: A}\n", 2, "tasks.2020-01-01", "no text but a date"),
    "a list as a key": ("tasks:\n  [a]: 1\n", 2, "tasks.?", "no text but a list"),
    "a key twice, once in quotes": ("a: 1\n'a': 2\n", 2, "a", "after line 1"),
    "a key twice in lines of Windows": ("a: 1\r\nb: 1\r\na: 2\r\n", 3, "a", "after line 1"),
    "a tag": ("a: !!python/object:x {}\n", 1, "a", "no valid YAML"),
}


@pytest.mark.parametrize(("text", "line", "key", "shown"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_refused_in_one_line_with_file_line_and_key(written, text, line, key, shown):
    with pytest.raises(Refused) as refusal:
        read_yaml(written(text))
    message = str(refusal.value)
    assert message.startswith(f"mine.yaml, line {line}: {key}: found ") and shown in message
    assert "; allowed: " in message and "\n" not in message


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b\n", "a\n", "a: 2026-13-45\n", "a: \x07\n"])
def test_what_holds_no_keys_or_is_no_yaml_is_refused_by_its_file(written, text):
    with pytest.raises(Refused, match=r"^mine\.yaml.*: found .*; allowed: [^\n]*$"):
        read_yaml(written(text))


def test_deep_brackets_are_refused_and_long_files_are_read(written):
    for depth in (3000, 200_000):  # the second ends the program in libyaml
        with pytest.raises(Refused, match=r"^mine\.yaml: found .*levels deep; allowed: [^\n]*$"):
            read_yaml(written(f"a: {'[' * depth}{']' * depth}\n"))
    text = "tasks:\n" + "".join(f"  t{i}: {{k: {i}}}\n" for i in range(3000))
    assert len(read_yaml(written(text))["tasks"]) == 3000
    with pytest.raises(Refused, match=r"^mine\.yaml, line 3002: tasks\.t7: found .*after line 9;"):
        read_yaml(written(text + "  t7: {}\n"))


def test_a_key_in_quotes_may_look_like_a_number(written):
    assert read_yaml(written("---\n'1': {'yes': a}\n")) == {"1": {"yes": "a"}}


def test_a_file_that_is_missing_or_is_no_text_is_refused(written, tmp_path):
    with pytest.raises(Refused, match=r"absent\.yaml"):
        read_yaml(tmp_path / "absent.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Refused, match=r"bytes\.yaml"):
        read_yaml(tmp_path / "bytes.yaml")


def test_anchors_aliases_and_merge_keys_work_within_a_file(written):
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\nd: &l [1]\ne: *l\n"
    assert read_yaml(written(text)) == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": {"x": 1, "y": 2},
        "d": [1],
        "e": [1],
    }


def test_json_is_read_with_tabs_and_without_repeated_keys(written):
    assert read_yaml(written('{\n\t"a": {"b": [1, true, "x"]}\n}', "mine.json")) == {"a": {"b": [1, True, "x"]}}
    with pytest.raises(Refused, match=r"^mine\.json, line 3: a: found"):
        read_yaml(written('{\n\t"a": 1,\n\t"a": 2\n}', "mine.json"))


def test_a_later_file_extends_entries_and_replaces_lists(written):
    first = written("models: {vae: {name: V, training: &t {epochs: 5, clip: 1}}, ae: {training: *t}}\nseeds: [1, 2]\n")
    second = written("models: {vae: {training: {clip: 2}}}\nseeds: [3]\n", "second.yaml")
    merged = merge_config(merge_config({}, read_yaml(first)), read_yaml(second))
    assert merged["models"]["vae"] == {"name": "V", "training": {"epochs": 5, "clip": 2}}
    assert merged["models"]["ae"] == {"training": {"epochs": 5, "clip": 1}}  # an alias is no shared value
    assert merged["seeds"] == [3]
    assert merged == as_snakemake_merges([first, second])


def test_the_files_are_merged_as_snakemake_merges_them(written):
    mine = written(
        "study: mine\nstudies: {mine: {title: Mine, seeds: [0], tasks: [toy]}}\ntasks: {toy: {models: [pca]}}\n"
    )
    tiny = ROOT / "tests/tiny/config.yaml"
    files = [*catalogue_files(ROOT), ROOT / "config.yaml"]
    assert read_config(ROOT / "config.yaml") == as_snakemake_merges(files)
    assert read_config(ROOT / "config.yaml", [tiny, mine]) == as_snakemake_merges([*files, tiny, mine])


def test_entries_of_config_yaml_win_over_the_catalogue(written, tmp_path):
    (tmp_path / "workflow/catalogue").mkdir(parents=True)
    written("models: {vae: {name: VAE, module: vae}}\n", "workflow/catalogue/models.yaml")
    config = written("models: {vae: {name: Mine}}\nstudy: x\n", "config.yaml")
    assert read_config(config) == {"models": {"vae": {"name": "Mine", "module": "vae"}}, "study": "x"}


def test_the_step_checks_the_text_and_the_content_of_all_files(written, capsys):
    check(ROOT / "config.yaml", [written(json.dumps({"threads": 2}), "mine.json")])
    assert capsys.readouterr().out
    with pytest.raises(Refused, match=r"^mine\.yaml, line 2: vae: found a tab"):
        check(ROOT / "config.yaml", [written("models:\n\tvae: {name: A}\n")])
    with pytest.raises(Refused, match=r"threads: found 0"):
        check(ROOT / "config.yaml", [written("threads: 0\n")])
