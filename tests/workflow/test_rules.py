"""What every rule has: its code's digest, its log, its time, and nothing that a function of Python should do."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "workflow/rules").glob("*.smk"))}
RULES = {
    name: text
    for file in TEXTS.values()
    for name, text in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", file, flags=re.MULTILINE | re.DOTALL)
}
STEPS = {name: text for name, text in RULES.items() if "    shell:" in text}


def test_all_rules_are_found():
    assert len(STEPS) == 30 and set(RULES) - set(STEPS) == {"prepared", "results", "cells"}


@pytest.mark.parametrize("name", STEPS)
def test_a_rule_names_the_digest_of_its_step_and_no_file_of_code(name):
    step = re.search(r"-m (gmvae\.[\w.{}]+)", STEPS[name]).group(1).replace("{wildcards.", "{wc.")
    assert f'"{step}"' in re.search(r"^        code=.*?\n(?=        \w|    \w|\Z)", STEPS[name], re.M | re.S).group()
    assert "source_files" not in STEPS[name] and "src/gmvae" not in STEPS[name]


@pytest.mark.parametrize("name", STEPS)
def test_a_rule_keeps_its_log_and_its_time(name):
    log, benchmark = (re.search(rf'    {key}:\n        "(.*)"', STEPS[name]).group(1) for key in ("log", "benchmark"))
    assert log.startswith(f"results/logs/{name}") and benchmark == log.replace(".log", ".benchmark.tsv")
    assert "> {log:q} 2>&1" in STEPS[name]


@pytest.mark.parametrize("name", STEPS)
def test_what_changes_no_result_is_no_part_of_a_rule(name):
    for switch in ("mirror", "cache", "offline", "progress", "checkpoint", "memory"):
        assert switch not in STEPS[name]


@pytest.mark.parametrize("file", TEXTS)
def test_rules_hold_no_json(file):
    assert "json." not in TEXTS[file] and "for key, value" not in TEXTS[file]
