"""Configurations that nobody means: each is refused in one line or accepted, and no name leads out of the results."""

import copy
import json
import random
import re

import pytest
from support.checkout import count
from support.hostile import Trial, mutated_bytes, summary, try_all

from gmvae.pipeline import dataset_plan
from gmvae.pipeline.config_checks import check_config
from gmvae.pipeline.config_files import merge_config, read_config, read_yaml
from gmvae.pipeline.sources import ROOT

SEED = 20261127
N_CHANGES, N_MUTATIONS = 80, 42
TEXT = """\
# What a user writes for cells of their own.
study: mine
studies:
  mine: {title: "Mine", seeds: [0, 1, 2], tasks: [mine]}
datasets:
  mine:
    name: Mine
    source: h5ad
    test_share: 0.2
    settings: &own {path: /data/mine.h5ad, label: cell_type, drop_unlabelled: true}
    cells: {min_genes: 200, max_mito: 0.05}
tasks:
  mine: {dataset: mine, labels: none, n_components: 8, models: [truth, pca, gmdvae], training: {epochs: 20}}
"""
VALUES = [None, True, -1, 0, 1e308, float("nan"), float("inf"), 10**30, "", " ", "\n", "a\0b", "../../escape"]
VALUES += ["/etc/passwd", "$(touch escape)", "'; touch escape; '", "{output}", "{{", "%s", "x" * 100_000, "\ud800"]
VALUES += [[], {}, [[[[]]]], [None], [1, 1], {"../escape": 1}, {"": {}}, {"a\0": []}, "‮gmvae", -0.0, 1 + 2**63]
KEYS = ["../escape", "/escape", "a/b", "..", ".", "", "a b", "a\0b", "A", "1", "-x", "$(x)", "{x}", "a" * 100_000, "é"]


def bomb(start: str, end: str, second: str = "", third: str = "") -> str:
    """Twenty lists or entries, each with three times the one before: 3^20 values in 600 bytes, as the study's name."""
    lines = ["a: &a {x: y}" if "<<" in start else f"a: &a {start}x{end}"]
    for name, before in zip("bcdefghijklmnopqrstu", "abcdefghijklmnopqrst", strict=True):
        lines.append(f"{name}: &{name} {start}*{before}, {second}*{before}, {third}*{before}{end}")
    return "\n".join([*lines, "study: *u", ""])


HOSTILE_TEXTS = {
    "an object of Python": "study: !!python/object/apply:os.system ['touch escape']\n",
    "a module of Python": "study: !!python/module:os\n",
    "a name of Python": "!!python/name:os.system : 1\n",
    "a thousand million values": bomb("[", "]"),
    "a thousand million entries": bomb("{a: ", "}", "b: ", "c: "),
    "a thousand million merged keys": bomb("{<<: [", "]}"),
    "NUL as an escape": 'mirror: "a\\0b"\n',
    "half a sign as an escape": 'mirror: "\\ud800"\n',
    "NUL in a key": '"a\\0b": 1\n',
    "an alias of itself": "study: &a [*a]\n",
    "an anchor that holds itself": "studies: &a {mine: *a}\n",
    "many brackets": "[" * 100_000,
    "deep mappings": "".join(" " * i + "a:\n" for i in range(3000)),
    "a deep flow": "a: " + "{a: " * 3000 + "}" * 3000,
    "nothing": "",
    "only a comment": "# study: mine\n",
    "two documents": "study: mine\n---\nstudy: other\n",
    "a tab": "study:\tmine\n\ttasks: x\n",
    "NUL": "study: mine\0\n",
    "another encoding": "study: 'm\u00fcne'\n",
    "a byte order mark": "\ufeffstudy: embedded\n",
    "a huge number": "threads: " + "9" * 5000 + "\n",
    "a huge float": "checkpoint_minutes: 1" + "0" * 400 + ".0\n",
    "a number of sixty": "threads: 1:" + "59:" * 1000 + "1\n",
    "a date that is none": "study: 2026-99-99\n",
    "binary": "study: !!binary bm90IGFzY2lpIP8=\n",
    "a set": "studies: !!set {mine}\n",
    "an ordered map": "studies: !!omap [mine: 1]\n",
    "a long key": f"? {'k' * 2000}\n: 1\n",
    "keys that are lists": "? [a, b]\n: 1\n",
    "merge of a list": "<<: [1, 2]\nstudy: mine\n",
    "a directive": "%YAML 9.9\n---\nstudy: mine\n",
    "carriage returns": "study: embedded\r\rthreads: 1\r",
}


@pytest.fixture(scope="module")
def config():
    content = read_config(ROOT / "config.yaml")
    check_config(content)  # what it imports and caches is there for all forks
    return content


def check_content(content: dict) -> None:
    """Check a configuration, and of one that is accepted that no name can lead out of the folder of results."""
    check_config(content)
    for section in ("studies", "datasets", "tasks", "models", "downloads"):
        assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in content[section]), section
    for source, files in dataset_plan.downloads(content).items():
        assert re.fullmatch("[a-z][a-z0-9_]*", source), source
        assert all("/" not in file and "\0" not in file and file not in ("", ".", "..") for file in files), files


def parts_of(content: object, at: tuple = ()) -> list[tuple]:
    """The keys that lead to each part of a configuration."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [place for key, inner in items for place in [(*at, key), *parts_of(inner, (*at, key))]]


def changed_config(config: dict, place: tuple, draws: random.Random) -> tuple[str, dict]:
    """A configuration with one part replaced, renamed, removed or added, and what was done."""
    content = copy.deepcopy(config)
    parent = content
    for key in place[:-1]:
        parent = parent[key]
    action, value = draws.choice(["replace", "replace", "rename", "remove", "add"]), draws.choice(VALUES)
    if action == "replace" or isinstance(parent, list):
        parent[place[-1]] = copy.deepcopy(value)
    elif action == "rename":
        value = draws.choice(KEYS)
        parent[value] = parent.pop(place[-1])
    elif action == "remove":
        del parent[place[-1]]
    else:
        parent[draws.choice(KEYS)] = value
    return f"{action} {'.'.join(map(str, place))}: {str(value)[:40]!r}", content


ADDRESSES = ["https://", "https://[", "https://[::1", "https://host:99999/f", "https://host:x/f", "https:///f"]
ADDRESSES += [
    "file:///etc/passwd",
    "ftp://host/f",
    "https://host/a b",
    "https://host/\n",
    "//host/f",
    "javascript:1",
    "",
]
FILES = ["../escape", "/etc/passwd", "a/b", "..", ".", "", "a\0b", "a\nb", "-rf", "$(x).h5ad", "{output}", "x" * 300]


@pytest.mark.parametrize(("kind", "values"), [("address", ADDRESSES), ("name", FILES)])
def test_hostile_downloads_are_refused(config, tmp_path, kind, values):
    """Hostile addresses of a file, and names that lead elsewhere or that a shell would read."""
    trials, entry = [], {"url": "https://host/f", "sha256": "0" * 64}
    for value in values:
        content = copy.deepcopy(config)
        files = {"f.gz": entry | {"url": value}} if kind == "address" else {value: entry}
        content["downloads"]["mnist"] |= files
        trials.append(Trial(value, ("downloads.mnist",), lambda content=content: check_content(content)))
    outcomes = try_all(trials, tmp_path)
    count("inputs tried", len(outcomes))
    assert not summary(outcomes), summary(outcomes)
    assert [outcome.name for outcome in outcomes if outcome.kind != "refused"] == []


def read_and_check(config: dict, file) -> None:
    """What a call does with a user's file."""
    check_content(merge_config(copy.deepcopy(config), read_yaml(file)))


def test_hostile_values_of_every_key_are_refused_in_one_line_or_mean_something(config, tmp_path):
    draws, trials = random.Random(SEED), []
    places = parts_of(config)
    for place in draws.choices(places, k=N_CHANGES):
        name, content = changed_config(config, place, draws)
        trials.append(Trial(name, ("allowed", "found"), lambda content=content: check_content(content)))
    outcomes = try_all(trials, tmp_path)
    count("inputs tried", len(outcomes))
    assert not summary(outcomes), f"seed {SEED}\n{summary(outcomes)}"
    assert sum(outcome.kind == "refused" for outcome in outcomes) > N_CHANGES / 2  # they are hostile indeed


def test_hostile_texts_are_refused_in_one_line_or_mean_something(config, tmp_path):
    texts = {name: text.encode("latin-1" if "encoding" in name else "utf-8") for name, text in HOSTILE_TEXTS.items()}
    texts |= dict(mutated_bytes(TEXT.encode(), N_MUTATIONS, SEED))
    texts["JSON with NaN"] = json.dumps({"checkpoint_minutes": float("nan")}).encode()
    trials = []
    for i, (name, text) in enumerate(texts.items()):
        file = tmp_path / f"mine{i}.yaml"
        file.write_bytes(text)
        trials.append(Trial(name, ("allowed", "found"), lambda file=file: read_and_check(config, file)))
    outcomes = try_all(trials, tmp_path)
    count("inputs tried", len(outcomes))
    assert not summary(outcomes), f"seed {SEED}\n{summary(outcomes)}"
    assert sum(outcome.kind == "refused" for outcome in outcomes) > len(outcomes) / 2
    assert not list(tmp_path.rglob("escape*")) and not (ROOT / "escape").exists()
