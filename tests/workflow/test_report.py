"""The report's captions: each is a text for every task, without an error of its template or its markup."""

from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
from docutils.core import publish_parts

from gmvae.pipeline.config_files import read_config

ROOT = Path(__file__).resolve().parents[2]
CONFIG = read_config(ROOT / "config.yaml")
CAPTIONS = sorted((ROOT / "workflow/report").glob("*.rst"))


def rendered(caption: Path, task: str, figure: str = "") -> str:
    """The caption's text in HTML, made as Snakemake makes it: a template, then reStructuredText."""
    job = SimpleNamespace(config=CONFIG, wildcards=SimpleNamespace(task=task, figure=figure))
    strict = jinja2.Environment(undefined=jinja2.StrictUndefined)
    text = strict.from_string(caption.read_text(encoding="utf-8")).render(snakemake=job)
    return publish_parts(text, writer="html", settings_overrides={"halt_level": 2, "report_level": 5})["body"]


@pytest.mark.parametrize("caption", CAPTIONS, ids=lambda caption: caption.stem)
def test_a_caption_is_one_text_for_every_task(caption):
    texts = {task: rendered(caption, task, "curves") for task in CONFIG["tasks"]}
    assert all(len(text) > 80 and "{" not in text for text in texts.values())
    if "wildcards.task" in caption.read_text(encoding="utf-8"):
        assert len(set(texts.values())) == len(texts)


@pytest.mark.parametrize("figure", CONFIG["thesis"]["figures"])
def test_every_figure_of_the_thesis_has_a_caption(figure):
    caption = ROOT / "workflow/report/figure.rst"
    assert len(rendered(caption, "toy", figure)) > len(rendered(caption, "toy", "another")) + 80


def test_the_front_page_names_every_task_of_the_study():
    front = rendered(ROOT / "workflow/report/workflow.rst", "")
    for task in CONFIG["studies"][CONFIG["study"]]["tasks"]:
        assert CONFIG["datasets"][CONFIG["tasks"][task]["dataset"]]["name"] in front
