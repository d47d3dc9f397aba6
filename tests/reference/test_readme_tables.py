"""The README's tables of results are those that results/reference gives."""

import pandas as pd
import pytest
from reference.test_reference import kept
from support import finished

from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT
from gmvae.reference.readme import BEGIN, END, tables, write_overview


def test_the_readme_has_the_tables_of_the_reference():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = text.partition(BEGIN)[2].partition(END)[0]
    assert shown == f"\n{tables(ROOT / 'results/reference')}", "README.md has other results: run `make readme`"


@pytest.fixture
def reference(tmp_path):
    return kept(finished.checkout(tmp_path)).parent


def test_a_row_has_our_model_with_all_seeds_and_with_the_picked_one(reference):
    (row,) = [line for line in tables(reference).splitlines() if line.startswith("| Toy ")]
    table = finished.metrics()
    ours = table[(table.task == "toy") & (table.model == "gmdvae")]
    accuracy = ours[(ours.metric == "accuracy") & (ours.split == "test")].set_index("seed").value
    objective = ours[(ours.metric == "objective") & (ours.split == "train")].set_index("seed").value
    mean, picked = f"{accuracy.mean():.3f} ± {accuracy.std():.3f}", f"{accuracy[objective.idxmax()]:.3f}"
    assert row == f"| Toy | 5 | Accuracy | GMΔVAE | {mean} | {picked} |  |  |"  # truth is a control, ae has no accuracy


def test_over_clustered_tasks_are_measured_by_purity(reference):
    assert any(line.startswith("| Digits, 20 | 20 | Purity | GMΔVAE |") for line in tables(reference).splitlines())


def test_the_best_other_model_is_that_of_the_largest_mean(reference):
    path = reference / "small" / "metrics.csv"
    table = finished.metrics()
    rival = table[(table.model == "gmdvae") & (table.metric == "accuracy")].assign(model="ae")
    rival["value"] += 0.1
    pd.concat([table, rival]).to_csv(path, index=False)
    (row,) = [line for line in tables(reference).splitlines() if line.startswith("| Toy ")]
    assert row.endswith(
        f"| AE | {rival[rival.split == 'test'].value.mean():.3f} ± {rival[rival.split == 'test'].value.std():.3f} |"
    )


def test_the_sentence_says_how_long_it_took_and_where(reference):
    sentence = next(line for line in tables(reference).splitlines() if line.startswith("**Made up**"))
    assert (
        "4 seeds" in sentence and "22 s" in sentence and "at most 2 jobs" in sentence and "`cccccccccccc`" in sentence
    )


def test_only_what_is_between_the_marks_is_written(reference, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_overview(readme, reference)
    once = readme.read_text()
    write_overview(readme, reference)
    assert readme.read_text() == once == f"before\n{BEGIN}\n{tables(reference)}{END}\nafter\n"
    assert "old" not in once and "Digits, 20" in once


def test_no_reference_gives_no_table(tmp_path):
    assert tables(tmp_path / "nowhere") == ""


@pytest.mark.parametrize("text", ["nothing", f"{END}\n{BEGIN}", BEGIN, f"{BEGIN}{BEGIN}{END}"])
def test_a_readme_without_the_marks_is_refused(reference, tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(Refused, match=r"README.md: the lines .* are not there once each"):
        write_overview(readme, reference)
    assert readme.read_text() == text
