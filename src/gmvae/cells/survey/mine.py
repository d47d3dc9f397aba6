"""The file mine.yaml: the entries of a dataset, a task and a study for a user's cells, with comments on each choice."""

import json

from gmvae.cells.survey.columns import COMPUTED, Column, describe_candidates, describe_column, split_words
from gmvae.cells.survey.report import (
    TEST_SHARE,
    Survey,
    batch_sizes,
    chosen_thresholds,
    describe_survey,
    kept_share,
    number,
)
from gmvae.cells.survey.thresholds import count_removed, describe_doublets, deviation_thresholds
from gmvae.pipeline.checks.letters import unset_letters

STEPS = 12_000  # of training that are enough for many cells
FEWEST_STEPS = 240  # of training, as many as 60 epochs of 512 cells have
BATCH = 128  # rows in a step, the default of config.yaml
FEWEST_ROWS = 200  # for a sweep over the number of components
FEW_COMPONENTS = 5  # K where there are neither labels nor rows enough


def write_entries(survey: Survey, key: str, command: str) -> str:
    """Write the content of mine.yaml.

    Args:
        survey: What was found out about the file.
        key: The name of its dataset, task and study.
        command: The command that runs them.

    Returns:
        YAML with comments.
    """
    file, label = survey.file, survey.chosen["label"]
    stem = file.path.name.split(".")[0]
    name = json.dumps(key if not stem or unset_letters(stem) else stem, ensure_ascii=False)
    n_rows = len(file.cells) * kept_share(survey) * (1 - TEST_SHARE)
    k, reason = components_entry(label, n_rows)
    models = ["truth", "random"] * bool(label) + ["pca", "pca_kmeans", "gmdvae"]  # the controls bound scores of labels
    models += ["cgmdvae"] * bool(survey.chosen["condition"])
    epochs = choose_epochs(n_rows)
    lines = [
        f"# Entries for {file.path.name}, found by `python -m gmvae inspect`; they are read after config.yaml by",
        f"#     {command}",
        "# Check them, change what is wrong, and run that command.",
        f"study: {key}",
        "studies:",
        "  # Each model is trained from each seed; a result is a mean over the seeds.",
        f"  {key}: {{title: {name}, seeds: [0, 1, 2], tasks: [{key}]}}",
        "datasets:",
        *(f"  # {' '.join(line.split())}" for line in describe_survey(survey)),
        f"  {key}:",
        f"    name: {name}",
        f"    source: {file.source}",
        f"    test_share: {TEST_SHARE}  # of the cells, held out for testing",
        "    settings:",
        *(f"      {line}" for line in settings_lines(survey)),
        *(f"    {line}" for line in batch_lines(survey)),
        "    # Cells and genes to model; workflow/catalogue/datasets.yaml explains each threshold.",
        "    cells:",
        *(f"      {line}" for line in threshold_lines(survey)),
        "tasks:",
        f"  {key}:",
        f"    dataset: {key}",
        "    labels: none  # what models see: none; a label is used for the scores only",
        f"    n_components: {k}  # the number of clusters: {reason}",
        f"    models: [{', '.join(models)}]",
        *(f"    {line}" for line in epochs),
        "thesis:",
        f"  figures: {{latents: [{key}], curves: [{key}], comparison: [{key}], qc: [{key}]}}",
    ]
    return "\n".join(lines) + "\n"


def settings_lines(survey: Survey) -> list[str]:
    """The settings of the reader."""
    file, n_cells = survey.file, len(survey.file.cells)
    lines = [f"{key}: {text(value)}" for key, value in {"path": str(file.path.resolve()), **file.settings}.items()]
    if survey.matrix.name:
        lines.append(f"counts: {text(survey.matrix.name)}")
    if survey.genes.column and survey.matrix.name:
        lines.append(f"gene_names: {text(survey.genes.column)}  # column of var; the names are {survey.genes.kind}")
    for role, column in survey.chosen.items():
        rest = describe_candidates(survey.columns, role, survey.chosen, n_cells)
        if column:
            computed = "; not true labels" if COMPUTED.search(split_words(column.name)) and role == "label" else ""
            lines.append(f"{role}: {text(column.name)}  # {describe_column(column)}{computed}")
        else:
            lines.append(f"# {role}: no column looks like it{f'; columns with few values: {rest}' if rest else ''}")
    if survey.chosen["label"] and survey.chosen["label"].n_gaps:
        n_gaps = survey.chosen["label"].n_gaps
        lines.append(f"drop_unlabelled: true  # {n_gaps:,} of {n_cells:,} cells have no label and are left out")
    return lines


def batch_lines(survey: Survey) -> list[str]:
    """What a user with batches and without conditions may add."""
    if not survey.chosen["batch"] or survey.chosen["condition"]:
        return []
    return ["# rows: {condition: batch}  # with this, add cgmdvae to the models: it clusters cells across batches"]


def threshold_lines(survey: Survey) -> list[str]:
    """The thresholds, and as comments those that may be added."""
    chosen = chosen_thresholds(survey)
    has_mito = bool(survey.genes.mitochondrial.any())
    more = {key: value for key, value in deviation_thresholds(survey.sample, has_mito).items() if key not in chosen}
    removed = count_removed(survey.sample, chosen | more)
    lines = [
        f"{key}: {value:.12g}  # would remove {number(removed[key])} of {len(survey.file.cells):,} cells"
        for key, value in chosen.items()
    ]
    lines += ["# these are 5 median absolute deviations from the median:"] if more else []
    lines += [f"# {key}: {value:.12g}  # would remove {number(removed[key])}" for key, value in more.items()]
    if survey.genes.mito_column and survey.file.source in ("h5ad", "zarr_store"):
        lines.append(f"mito_genes: {text(survey.genes.mito_column)}  # column of var that marks mitochondrial genes")
    is_possible, words = describe_doublets(batch_sizes(survey), kept_share(survey), TEST_SHARE)
    lines.append(f"# max_doublet: 0.25  # {words}" if is_possible else f"# no search for doublets: {words}")
    return lines


def components_entry(label: Column | None, n_rows: float) -> tuple[int | str, str]:
    """The number of components, or auto where neither labels tell it nor the rows are too few; and the reason."""
    if label:
        return len(label.sizes), f"as many as {label.name} has values"
    if n_rows < FEWEST_ROWS:
        return FEW_COMPONENTS, "a guess: about as many cell types as you expect"
    return "auto", "auto chooses it by short trainings; or set the number of cell types that you expect"


def choose_epochs(n_rows: float) -> list[str]:
    """The training settings: fewer passes over many rows and more over few, so that it takes about as many steps."""
    rows = max(1.0, n_rows)
    epochs = int(max(min(60, max(10, STEPS * BATCH / rows)), min(300, FEWEST_STEPS * BATCH / rows)))
    first = max(1, epochs // 5)
    reason = f"  # {'fewer' if epochs < 60 else 'more'} than usual: there are {'many' if epochs < 60 else 'few'} cells"
    return [
        f"training: {{epochs: {epochs}, autoencode_epochs: {first}, guide_epochs: {first}}}{reason * (epochs != 60)}"
    ]


def text(value: str) -> str:
    """A text as YAML has it, in quotes."""
    return json.dumps(value, ensure_ascii=False)
