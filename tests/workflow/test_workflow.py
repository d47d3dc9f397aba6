"""A whole tiny study through Snakemake, and what an edit makes run again."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from support.checkout import TINY, copied, count, edited, planned, snakemake

from gmvae.pipeline.sources import ROOT
from gmvae.reference import wall_times
from gmvae.reference.unpack import unpack_archive
from gmvae.reference.verify import verify_runs
from gmvae.thesis.figures import style
from gmvae.thesis.figures.comparison import DOT

LATEX = shutil.which("pdflatex") is not None and shutil.which("biber") is not None
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TARGET = "all" if LATEX else "results"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The tiny study, run once; tests that edit it work in copies."""
    folder = copied(tmp_path_factory.mktemp("tiny") / "project")
    run = snakemake(folder, TARGET, *TINY)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-6000:]
    (folder / "output.txt").write_text(run.stdout + run.stderr)
    return folder


@pytest.fixture
def copy(project, tmp_path):
    """A copy of the finished study with its own Snakemake records."""
    return Path(shutil.copytree(project, tmp_path / "copy"))


def test_the_study_makes_metrics_of_every_run(project):
    metrics = pd.read_csv(project / "results/metrics.csv")
    assert set(metrics["task"]) == {"toy_tiny", "digits_tiny"}
    toy = metrics[metrics["task"] == "toy_tiny"]
    assert set(toy["model"]) == {"truth", "random", "pca", "pca_kmeans", "ae", "ae_kmeans", "vae", "gmdvae"}
    assert set(toy["seed"]) == {0, 1} and set(toy["split"]) == {"train", "test"}
    truth = toy[(toy["model"] == "truth") & (toy["metric"] == "accuracy")]
    assert len(truth) == 4 and (truth["value"] == 1).all()
    random = toy[(toy["model"] == "random") & (toy["metric"] == "ari")]
    assert (random["value"].abs() < 0.2).all()


def test_terms_and_bounds_of_a_trained_model_are_measured(project):
    metrics = pd.read_csv(project / "results/metrics.csv")
    found = set(metrics[(metrics["model"] == "gmdvae") & (metrics["split"] == "test")]["metric"])
    assert {"reconstruction", "kl_z", "kl_w", "kl_y", "kl_d", "elbo", "bound", "occupancy", "silhouette"} <= found


def test_histories_have_every_seed_epoch_and_term(project):
    history = pd.read_csv(project / "results/runs/toy_tiny/gmdvae/history.csv")
    assert len(history) == 2 * 4
    assert list(history[history["seed"] == 0]["phase"]) == ["autoencode", "guide", "free", "free"]
    assert {"reconstruction", "kl_z", "label", "loss", "occupancy", "learning_rate"} <= set(history)


def test_provenance_says_what_made_a_run(project):
    made = json.loads((project / "results/runs/toy_tiny/vae/provenance.json").read_text())
    assert made["seeds"] == [0, 1] and made["device"] == "cpu" and made["settings"]["module"] == "vae"
    assert made["versions"]["torch"] and made["seconds"] > 0


@pytest.mark.latex
@pytest.mark.skipif(not LATEX, reason="no LaTeX")
def test_the_thesis_is_there(project):
    assert (project / "results/thesis.pdf").read_bytes().startswith(b"%PDF")


def test_a_second_call_runs_nothing(project):
    assert planned(project, TARGET, *TINY) == set()


def test_the_longest_training_of_a_task_starts_first(project):
    started = re.findall(
        r"^(?:local)?rule train:.*?wildcards: task=(\w+), model=(\w+)",
        (project / "output.txt").read_text(),
        re.M | re.S,
    )
    models = [model for task, model in started if task == "toy_tiny"]
    assert models[0] == "gmdvae" and set(models) == {"ae", "vae", "gmdvae"}


def test_every_job_leaves_how_long_it_took(project):
    jobs = wall_times.read_jobs(project / "results/logs")
    steps = (project / "output.txt").read_text().count("    jobid: ")
    assert len(jobs) == steps - 1 and all(job.end > job.start for job in jobs)  # all but the target itself
    assert wall_times.most_at_once(jobs) <= 2
    assert wall_times.busy_seconds(jobs) <= sum(job.end - job.start for job in jobs)


WORDING = {  # one edit of each kind that changes no result
    "a comment": ("models/gmdvae.py", "", "# a comment\n"),
    "the docstring of a model": ("models/vae.py", '"""', '"""Other words. '),
    "the docstring of a step": ("metrics/evaluate.py", '"""', '"""Other words. '),
    "a refusal": ("data/derived_sets.py", 'Refused(f"', 'Refused(f"so it is: '),
    "a refusal of a step": ("runs/train.py", 'Refused("', 'Refused("so it is: '),
    "a printed line": ("training/refusals.py", 'print(f"', 'print(f"so it is: '),
    "a log line more": ("runs/embed.py", "    torch.set_num_threads", '    print("embed")\n    torch.set_num_threads'),
    "the progress line": ("training/progress.py", "", "EDITED = True\n"),
    "the errors": ("pipeline/errors.py", "", "EDITED = True\n"),
    "the writer of provenance": ("formats/provenance.py", '"numpy",', '"numpy",\n    "seaborn",'),
    "the help of steps": ("pipeline/step_help.py", "WIDTH = ", "WIDTH = 1 * "),
}


def test_editing_wording_or_what_no_result_depends_on_runs_nothing(copy):
    for name, old, new in WORDING.values():
        path = copy / "src/gmvae" / name
        if old:
            edited(path, old, new)
        else:
            path.write_text(f"{path.read_text()}\n{new}")
            count("edits checked")
    assert planned(copy, TARGET, *TINY) == set()


def runs_of(files, model):
    return {file for file in files if f"/{model}/" in file}


def test_editing_a_model_trains_that_model_only(copy):
    edited(copy / "src/gmvae/models/vae.py")
    files = planned(copy, "results/metrics.csv", *TINY)
    weights = {file for file in files if file.endswith("weights.safetensors")}
    assert weights == {"results/runs/toy_tiny/vae/weights.safetensors"}
    assert files - runs_of(files, "vae") == {"results/metrics.csv"}


def test_what_follows_from_a_model_is_made_again(copy):
    edited(copy / "src/gmvae/models/vae.py")
    files = planned(copy, TARGET, *TINY)
    assert runs_of(files, "gmdvae") == runs_of(files, "ae") == runs_of(files, "truth") == set()
    assert "results/figures/toy_tiny/latents.pdf" in files and "results/tables/toy_tiny.tex" in files
    assert not {file for file in files if file.endswith(("observed.csv", ".h5ad"))} - runs_of(files, "vae")


def test_editing_a_figure_draws_that_figure_and_the_pdf_only(copy):
    edited(copy / "src/gmvae/thesis/figures/curves.py")
    drawn = {f"results/figures/{task}/curves.{kind}" for task in ("toy_tiny", "digits_tiny") for kind in ("pdf", "svg")}
    assert planned(copy, TARGET, *TINY) == drawn | ({"results/thesis.pdf"} if LATEX else set())


def test_editing_a_chapter_sets_the_book_and_checks_its_claims_only(copy):
    edited(copy / "thesis/chapters/mixtures.tex")
    assert planned(copy, TARGET, *TINY) == {"results/claims.tex"} | ({"results/thesis.pdf"} if LATEX else set())


@pytest.mark.latex
@pytest.mark.skipif(not LATEX, reason="no LaTeX")
def test_editing_a_diagram_sets_that_diagram_and_the_book_only(copy):
    edited(copy / "thesis/diagrams/neuron.tex")
    assert planned(copy, TARGET, *TINY) == {"results/diagrams/neuron.pdf", "results/thesis.pdf"}


def test_changing_a_model_s_setting_trains_that_model_only(copy):
    entry = "vae: {name: VAE, module: vae"
    edited(copy / "workflow/catalogue/models.yaml", entry, f"{entry}, settings: {{n_layers: 1}}")
    files = planned(copy, "results/metrics.csv", *TINY)
    assert files - runs_of(files, "vae") == {"results/metrics.csv"}
    assert "results/runs/toy_tiny/vae/weights.safetensors" in files


def test_a_changed_operator_in_a_part_of_all_models_trains_them_again_and_prepares_nothing(copy):
    edited(copy / "src/gmvae/nn/objective.py", "reward + label_weight", "reward - label_weight")
    files = planned(copy, "results/metrics.csv", *TINY)
    weights = {file.split("/")[-2] for file in files if file.endswith("weights.safetensors")}
    assert weights == {"ae", "vae", "gmdvae"} and not {file for file in files if file.startswith("results/data/")}


def test_editing_metrics_evaluates_and_does_not_train(copy):
    edited(copy / "src/gmvae/metrics/scores.py")
    files = planned(copy, "results/metrics.csv", *TINY)
    assert files and all(file.endswith("metrics.csv") for file in files)


@pytest.mark.parametrize(
    "change",
    ["mirror=/somewhere", "cache=/elsewhere", "offline=true", "progress=False", "checkpoint_minutes=1", "memory=0"],
)
def test_what_cannot_change_a_result_runs_nothing(project, change):
    assert planned(project, TARGET, *TINY, "--config", change) == set()


def test_committing_runs_nothing(copy):
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "a commit"]):
        who = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=copy, check=True, capture_output=True)
    assert planned(copy, TARGET, *TINY) == set()


def test_touching_or_copying_files_runs_nothing(copy):
    for file in (copy / "src").rglob("*.py"):
        file.touch()
    assert planned(copy, TARGET, *TINY) == set()


@pytest.mark.parametrize("name", ["metrics.csv", "latent.h5ad", "weights.safetensors"])
def test_a_changed_result_is_named_and_not_used_until_it_is_made_again(copy, name):
    file = f"results/runs/toy_tiny/vae/{name}"
    with (copy / file).open("ab") as content:
        content.write(b" ")
    run = snakemake(copy, "-n", TARGET, *TINY)
    errors = [line for line in (run.stdout + run.stderr).splitlines() if "error:" in line]
    assert run.returncode != 0 and len(errors) == 1
    assert errors[0].startswith(f"error: {file}: was changed after its job wrote it")
    assert file in planned(copy, TARGET, "--forcerun", file, *TINY)
    (copy / file).unlink()
    planned(copy, TARGET, *TINY)  # not refused


def test_runs_that_are_made_again_are_equal_to_the_byte(project, capsys):
    tiny = ROOT / "tests/tiny/config.yaml"
    verify_runs("tiny", project / "results", ROOT / "config.yaml", [tiny], share=0.2, seed=0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 of 10 finished runs are made again (--seed 0)" and lines[-1].startswith("2 of 2 runs are")
    assert all("equal to the byte" in line for line in lines[1:-1])


def test_a_refused_config_ends_in_one_line(project):
    run = snakemake(project, "-n", *TINY, "--config", "study=tyni")
    errors = [line for line in (run.stdout + run.stderr).splitlines() if "error:" in line]
    assert run.returncode != 0 and len(errors) == 1
    assert "study" in errors[0] and "tyni" in errors[0] and "tiny" in errors[0]


def test_a_failing_step_leaves_nothing_and_shows_its_line(copy):
    (copy / "results/seals.json").unlink()  # else the call itself is refused
    (copy / "results/data/toy_tiny.h5ad").write_bytes(b"not an h5ad")
    (copy / "results/runs/toy_tiny/vae/weights.safetensors").unlink()
    run = snakemake(copy, "results/runs/toy_tiny/vae/weights.safetensors", *TINY)
    assert run.returncode != 0
    assert "error: " in run.stdout + run.stderr and "toy_tiny.h5ad" in run.stdout + run.stderr
    assert not list((copy / "results/runs/toy_tiny/vae").glob("*weights*"))


@pytest.mark.slow
def test_a_stranger_adds_a_model_with_one_file_and_one_entry(copy):
    """It passes the check suite by lying there, and runs in the study; no other model runs again."""
    shutil.copy(copy / "tests/tiny/mine.py", copy / "src/gmvae/models/mine.py")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:xdist",
        "-o",
        "addopts=",
        "-k",
        "mine",
        "tests/models/test_models.py",
    ]
    environment = os.environ | {"PYTHONPATH": str(copy / "src")}
    checked = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert checked.returncode == 0 and " passed" in checked.stdout, checked.stdout[-3000:]
    run = snakemake(copy, "results/metrics.csv", *TINY, "tests/tiny/mine.yaml")
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stderr.count("rule train:") == 1
    metrics = pd.read_csv(copy / "results/metrics.csv")
    assert "elbo" in set(metrics[metrics["model"] == "mine"]["metric"])


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_the_report_shows_the_figures(project, tmp_path):
    """The page after clicks on Figures, a task, and the first figure's eye: the dots of its models are there."""
    report = project / "results/report.html"
    run = snakemake(project, TARGET, *TINY, "--report", "results/report.html")
    assert run.returncode == 0, run.stderr[-3000:]
    blank = screenshot(report, tmp_path, ["Figures", "toy_tiny"])
    shown = screenshot(report, tmp_path, ["Figures", "toy_tiny", "#a[iconname=eye]"])
    ink = [sum(int(np.all(np.abs(page - dot) < 0.05, axis=-1).sum()) for dot in DOTS) for page in (blank, shown)]
    assert ink[1] > ink[0] + 30, ink


DOTS = [1 - DOT["alpha"] * (1 - np.array(to_rgb(style.model_colour(model)))) for model in ("ae_kmeans", "gmdvae")]
CLICKS = """<script>
const wanted = %s, texts = () => [...document.querySelectorAll("a,button,li,span,td,div")];
const found = (what) => what[0] == "#" ? document.querySelector(what.slice(1))
  : texts().filter((e) => e.childElementCount < 3 && e.textContent.trim() === what).pop();
const clock = setInterval(() => wanted.length ? found(wanted.shift()).click() : clearInterval(clock), 1000);
</script>"""


def screenshot(page, folder, clicks):
    """The page's pixels [height, width, 3] in headless Chromium, some seconds after it clicked on these things."""
    before, end, after = page.read_text().rpartition("</body>")
    copy, picture = folder / "page.html", folder / "page.png"
    copy.write_text(before + CLICKS % json.dumps(clicks) + end + after)
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]
    view = ["--window-size=1400,900", "--virtual-time-budget=20000", f"--screenshot={picture}", f"file://{copy}"]
    command = [CHROMIUM, "--headless", "--no-sandbox", f"--user-data-dir={folder / 'profile'}", *quiet, *view]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return plt.imread(picture)[..., :3]


BOOK = [sys.executable, "-m", "gmvae.reference.archive", "--study", "tiny", "--results", "results", "--part", "book"]
BOOK_FILES = ["--output", "archive", "--config", "config.yaml", "--configfile", "tests/tiny/config.yaml"]


@pytest.fixture(scope="module")
def unpacked(project, tmp_path_factory):
    """A new checkout with nothing but what the archive of the tiny study's book brought."""
    source = Path(shutil.copytree(project, tmp_path_factory.mktemp("packed") / "project"))
    environment = os.environ | {"PYTHONPATH": str(source / "src")}
    packed = subprocess.run([*BOOK, *BOOK_FILES], cwd=source, env=environment, capture_output=True, text=True)
    assert packed.returncode == 0, packed.stdout[-2000:] + packed.stderr[-4000:]
    folder = copied(tmp_path_factory.mktemp("unpacked") / "project")
    unpack_archive(str(source / "archive/book.tar.gz"), folder / "results")
    return folder


def test_from_the_archive_of_a_book_snakemake_plans_the_thesis_only(project, unpacked):
    thesis = set(re.findall(r"^rule (\w+):", (unpacked / "workflow/rules/thesis.smk").read_text(), flags=re.M))
    run = snakemake(unpacked, "-n", TARGET, *TINY)
    assert run.returncode == 0, run.stderr[-3000:]
    planned_rules = set(re.findall(r"^(?:local)?rule (\w+):", run.stdout + run.stderr, flags=re.M))
    assert {"figure", "numbers", "claims"} < planned_rules <= thesis | {"all"}
    assert "is an archive of study tiny" in run.stderr and "other than in" not in run.stderr
    assert not list((unpacked / "results").rglob("weights.safetensors"))


def test_the_book_from_the_archive_has_the_same_bytes_and_follows_edits(project, unpacked, tmp_path):
    """Figures, tables, numbers and, where LaTeX is there, the PDF."""
    folder = Path(shutil.copytree(unpacked, tmp_path / "book"))
    run = snakemake(folder, TARGET, *TINY)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    made = [file for part in ("figures", "tables") for file in (project / "results" / part).rglob("*.*")]
    made += [project / "results" / name for name in ("numbers.tex", "claims.tex", *(["thesis.pdf"] if LATEX else []))]
    assert len(made) > 15
    for file in made:
        assert (folder / file.relative_to(project)).read_bytes() == file.read_bytes(), file
    assert planned(folder, TARGET, *TINY) == set()
    book = {"results/thesis.pdf"} if LATEX else set()
    chapter = folder / "thesis/chapters/mixtures.tex"
    chapter.write_text(chapter.read_text() + "\nOne more sentence.\n")
    assert planned(folder, TARGET, *TINY) == {"results/claims.tex"} | book
    edited(folder / "src/gmvae/thesis/figures/images.py", "LABEL_WIDTH = 1.1", "LABEL_WIDTH = 1.3")
    figure = [f"results/figures/digits_tiny/images.{kind}" for kind in ("pdf", "svg")]
    assert planned(folder, TARGET, *TINY) == {"results/claims.tex", *figure} | book
    run = snakemake(folder, TARGET, *TINY)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
    assert (folder / figure[1]).read_bytes() != (project / figure[1]).read_bytes()


def test_the_description_of_a_book_s_archive_has_every_file_and_run(project, unpacked):
    graph = json.loads((unpacked / "results/ro-crate-metadata.json").read_text())["@graph"]
    files = {entity["@id"] for entity in graph if entity["@type"] == "File" and not entity["@id"].startswith("#")}
    present = {str(file.relative_to(unpacked / "results")) for file in (unpacked / "results").rglob("*.*")}
    assert files | {"ro-crate-metadata.json", "seals.json"} == present
    runs = {entity["name"] for entity in graph if entity["@type"] == "CreateAction"}
    assert runs == {
        f"{path.parent.name} on {path.parent.parent.name}" for path in project.rglob("runs/*/*/metrics.csv")
    }
    thinned = {entity["@id"] for entity in graph if "isBasedOn" in entity}
    assert {"data/toy_tiny.h5ad", "data/digits.h5ad"} < thinned
    assert all(name.endswith(".h5ad") for name in thinned)


def test_where_a_book_is_unpacked_another_study_and_training_are_refused(unpacked, tmp_path):
    run = snakemake(unpacked, "-n", "results", "--config", "study=embedded")
    assert run.returncode != 0 and "is an archive of study tiny" in run.stderr + run.stdout
    folder = Path(shutil.copytree(unpacked, tmp_path / "book"))
    (folder / "results/ro-crate-metadata.json").unlink()
    run = snakemake(folder, "-n", TARGET, *TINY)
    assert run.returncode != 0 and "was changed after its job wrote it" in run.stderr + run.stdout


def test_a_study_with_jobs_to_run_has_no_book(copy):
    (copy / "results/numbers.tex").unlink()
    environment = os.environ | {"PYTHONPATH": str(copy / "src")}
    packed = subprocess.run([*BOOK, *BOOK_FILES], cwd=copy, env=environment, capture_output=True, text=True)
    assert packed.returncode != 0 and not (copy / "archive/book.tar.gz").exists()
    assert packed.stderr.startswith("error: part book: results are to be made first (1 job, of results/numbers.tex)")
