"""results/reference/README.md has the tables of the committed references."""

import pandas as pd
import pytest
from reference.test_reference import kept
from support import finished

from gmvae.pipeline.sources import ROOT
from gmvae.reference.readme import references_page, result_rows, write_readme


def test_the_committed_page_has_the_tables_of_the_committed_references():
    reference = ROOT / "results/reference"
    text = (reference / "README.md").read_text(encoding="utf-8")
    assert text == references_page(reference), "results/reference/README.md has other results: run `make readme`"


@pytest.fixture
def reference(tmp_path):
    return kept(finished.checkout(tmp_path)).parent


def test_a_row_has_our_model_with_all_seeds_and_with_the_picked_one(reference):
    (row,) = [line for line in references_page(reference).splitlines() if line.startswith("| Toy ")]
    table = finished.metrics()
    ours = table[(table.task == "toy") & (table.model == "gmdvae")]
    accuracy = ours[(ours.metric == "accuracy") & (ours.split == "test")].set_index("seed").value
    objective = ours[(ours.metric == "objective") & (ours.split == "train")].set_index("seed").value
    mean, picked = f"{accuracy.mean():.3f} ± {accuracy.std():.3f}", f"{accuracy[objective.idxmax()]:.3f}"
    assert row == f"| Toy | 5 | Accuracy | GMΔVAE | {mean} | {picked} |  |  |"  # truth is a control, ae has no accuracy


def test_over_clustered_tasks_are_measured_by_purity(reference):
    assert any(
        line.startswith("| Digits, 20 | 20 | Purity | GMΔVAE |") for line in references_page(reference).splitlines()
    )


def test_the_best_other_model_is_that_of_the_largest_mean(reference):
    path = reference / "small" / "metrics.csv"
    table = finished.metrics()
    rival = table[(table.model == "gmdvae") & (table.metric == "accuracy")].assign(model="ae")
    rival["value"] += 0.1
    pd.concat([table, rival]).to_csv(path, index=False)
    (row,) = [line for line in references_page(reference).splitlines() if line.startswith("| Toy ")]
    assert row.endswith(
        f"| AE | {rival[rival.split == 'test'].value.mean():.3f} ± {rival[rival.split == 'test'].value.std():.3f} |"
    )


def test_a_response_is_told_in_our_main_form_beside_the_best_form_of_the_others():
    """By hand: two models, three forms."""
    rows = [
        ("kang", model, seed, "test", f"response_{form}change_r2", value + seed / 100)
        for model, form, value in [
            ("cgmdvae", "", 0.1),
            ("cgmdvae", "combined_", 0.7),
            ("scgen", "", 0.4),
            ("scgen", "residual_", 0.6),
        ]
        for seed in (0, 1)
    ]
    table = pd.DataFrame(rows, columns=["task", "model", "seed", "split", "metric", "value"])
    config = {
        "tasks": {"kang": {"dataset": "kang", "n_components": 7, "models": ["cgmdvae", "scgen"]}},
        "datasets": {"kang": {"name": "Kang"}},
        "models": {"cgmdvae": {"name": "Ours"}, "scgen": {"name": "scGen"}},
        "names": {},
    }
    (row,) = result_rows(table, config, "kang", "response_change_r2")
    assert row.startswith("| Kang | 7 | response_change_r2 | Ours, with kriging | 0.705 ± 0.007 |")
    assert row.endswith("| scGen, residual | 0.605 ± 0.007 |")


def test_the_sentence_says_how_long_it_took_and_where(reference):
    sentence = next(line for line in references_page(reference).splitlines() if line.startswith("Study `small`"))
    assert (
        "4 seeds" in sentence and "22 s" in sentence and "at most 2 jobs" in sentence and "`cccccccccccc`" in sentence
    )


def test_the_step_writes_the_page_and_the_same_bytes_each_time(reference):
    page = reference / "README.md"
    write_readme(reference, page)
    once = page.read_text(encoding="utf-8")
    write_readme(reference, page)
    assert page.read_text(encoding="utf-8") == once == references_page(reference)
    assert "## Made up" in once and "Digits, 20" in once


def test_no_reference_gives_no_table(tmp_path):
    assert "|" not in references_page(tmp_path / "nowhere")


def test_finished_runs_of_an_unfinished_study_are_told_while_there_are_some(reference):
    assert "`partial`" not in references_page(reference)
    (reference / "partial").mkdir()
    assert "`partial`" in references_page(reference)
