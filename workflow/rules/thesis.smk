# Metrics, latents and histories -> figures, tables, numbers -> the thesis.

from gmvae.cells import exports
from gmvae.thesis import rule_options

TEXTS = project_files("thesis", ".tex", ".bib")
DIAGRAMS = project_files("thesis/diagrams", ".tex")
(FRAME,) = [text for text in TEXTS if text.endswith("thesis/diagram.tex")]
(SYMBOLS,) = [text for text in TEXTS if text.endswith("thesis/preamble-symbols.tex")]
(MAIN,) = [text for text in TEXTS if text.endswith("thesis/thesis.tex")]
TEXTS = [text for text in TEXTS if text not in (*DIAGRAMS, FRAME)]  # what the book itself reads
FIGURES = [f"results/figures/{task}/{figure}" for task, figure in plan.thesis_figures(config)]
CHOICES = step_options.choice_files(config, *plan.tasks(config))
RIVALS = [file for file in project_files("results/reference", ".csv") if file.endswith("reference/rivals.csv")]
VARIANTS = [file for file in project_files("results/reference", ".csv") if "/ablations" in file and "metrics" in file]
NAMES = step_options.with_sorted_keys(plan.display_names(config))


rule figure:
    input:
        files=lambda wc: rule_options.figure_files(config, wc.task, wc.figure),
    output:
        pdf="results/figures/{task}/{figure}.pdf",
        svg=report(
            "results/figures/{task}/{figure}.svg",
            caption="../report/figure.rst",
            category="Figures",
            subcategory="{task}",
            labels={"figure": "{figure}"},
        ),
    log:
        "results/logs/figure/{task}/{figure}.log",
    benchmark:
        "results/logs/figure/{task}/{figure}.benchmark.tsv"
    params:
        code=lambda wc: source_digest(f"gmvae.thesis.figures.{wc.figure}"),
        options=lambda wc: option_words(
            {
                "names": rule_options.names_for_task(config, wc.task),
                **rule_options.figure_options(config, wc.task, wc.figure),
            }
        ),
    shell:
        "{PYTHON:q} -m gmvae.thesis.figures.{wildcards.figure} --output {output.pdf:q} --task {wildcards.task} "
        "{params.options:q} > {log:q} 2>&1"


rule tell_cells:
    input:
        cells="results/cells/{task}/cells.csv",
        findings=exports.findings_files("{task}"),
        compared_cells=[f"results/cells/{task}/cells.csv" for task in exports.compared_tasks(config)],
        compared_changes=[f"results/cells/{task}/changes.csv" for task in exports.compared_tasks(config)],
    output:
        tex="results/tables/cells/{task}.tex",
        figures=report(
            directory("results/figures/{task}/cells"),
            patterns=["{figure}.svg"],
            caption="../report/cells_figure.rst",
            category="Figures",
            subcategory="{task}",
            labels={"figure": "cells: {figure}"},
        ),
    log:
        "results/logs/tell_cells/{task}.log",
    benchmark:
        "results/logs/tell_cells/{task}.benchmark.tsv"
    params:
        code=source_digest("gmvae.thesis.biology.story"),
    shell:
        "{PYTHON:q} -m gmvae.thesis.biology.story --cells {input.cells:q} --findings {input.findings:q} "
        "--task {wildcards.task} --compared-cells {input.compared_cells:q} --compared-changes {input.compared_changes:q} "
        "--figures {output.figures:q} --output {output.tex:q} > {log:q} 2>&1"


rule tabulate:
    input:
        metrics="results/metrics.csv",
        choice=lambda wc: step_options.choice_files(config, wc.task),
    output:
        tex="results/tables/{task}.tex",
        csv=report(
            "results/tables/{task}.csv", caption="../report/table.rst", category="Tables", labels={"task": "{task}"}
        ),
    log:
        "results/logs/tabulate/{task}.log",
    benchmark:
        "results/logs/tabulate/{task}.benchmark.tsv"
    params:
        code=source_digest("gmvae.thesis.tables.task"),
        options=lambda wc: option_words(
            {
                "models": plan.models(config, wc.task),
                "controls": rule_options.control_models(config, wc.task),
                "n_components": rule_options.components_by_model(config, wc.task),
                "names": rule_options.names_for_task(config, wc.task),
            }
        ),
    shell:
        "{PYTHON:q} -m gmvae.thesis.tables.task --metrics {input.metrics:q} --task {wildcards.task} {params.options:q} "
        "--output {output.tex:q} > {log:q} 2>&1"


rule tabulate_responses:
    input:
        metrics="results/metrics.csv",
    output:
        tex="results/tables/responses.tex",
        csv=report(
            "results/tables/responses.csv",
            caption="../report/responses.rst",
            category="Tables",
            labels={"task": "responses"},
        ),
    log:
        "results/logs/tabulate_responses.log",
    benchmark:
        "results/logs/tabulate_responses.benchmark.tsv"
    params:
        code=source_digest("gmvae.thesis.tables.responses"),
        options=option_words(
            {"held": rule_options.held_out_types(config), "names": rule_options.responding_names(config)}
        ),
    shell:
        "{PYTHON:q} -m gmvae.thesis.tables.responses --metrics {input.metrics:q} {params.options:q} "
        "--output {output.tex:q} > {log:q} 2>&1"


rule list_published:
    input:
        metrics="results/metrics.csv",
        published=project_files("thesis", ".csv"),
        choices=CHOICES,
    output:
        tex="results/tables/published.tex",
        csv="results/tables/published.csv",
    log:
        "results/logs/list_published.log",
    benchmark:
        "results/logs/list_published.benchmark.tsv"
    params:
        code=source_digest("gmvae.thesis.tables.published"),
        options=lambda wc: option_words({"tasks": rule_options.published_tasks(config), "names": NAMES}),
    shell:
        "{PYTHON:q} -m gmvae.thesis.tables.published --metrics {input.metrics:q} --published {input.published:q} "
        "{params.options:q} --output {output.tex:q} > {log:q} 2>&1"


rule tabulate_rivals:
    input:
        rivals=RIVALS,
    output:
        tex="results/tables/rivals.tex",
        csv="results/tables/rivals.csv",
    log:
        "results/logs/tabulate_rivals.log",
    benchmark:
        "results/logs/tabulate_rivals.benchmark.tsv"
    params:
        code=source_digest("gmvae.thesis.tables.rivals"),
        options=lambda wc: option_words({"tasks": plan.tasks(config), "names": NAMES}),
    shell:
        "{PYTHON:q} -m gmvae.thesis.tables.rivals --rivals {input.rivals:q} {params.options:q} --output {output.tex:q} "
        "> {log:q} 2>&1"


rule tabulate_variants:
    input:
        metrics=VARIANTS,
    output:
        tex="results/tables/variants.tex",
    log:
        "results/logs/tabulate_variants.log",
    benchmark:
        "results/logs/tabulate_variants.benchmark.tsv"
    params:
        code=source_digest("gmvae.thesis.tables.variants"),
        options=lambda wc: option_words(
            {
                "models": list(config["models"]),
                "names": NAMES,
                "margin": config["thesis"]["margins"].get("accuracy", 0.0),
            }
        ),
    shell:
        "{PYTHON:q} -m gmvae.thesis.tables.variants --metrics {input.metrics:q} {params.options:q} --output {output.tex:q} "
        "> {log:q} 2>&1"


rule list_runs:
    input:
        provenance=[
            file
            for task in plan.tasks(config)
            for file in step_options.run_files(task, plan.models(config, task), "provenance.json")
        ],
        sweeps=[file.replace(".json", ".csv") for file in CHOICES],
    output:
        "results/tables/runs.tex",
    log:
        "results/logs/list_runs.log",
    benchmark:
        "results/logs/list_runs.benchmark.tsv"
    params:
        code=source_digest("gmvae.thesis.tables.runs"),
        options=option_words({"sweeps": [file.replace(".json", ".csv") for file in CHOICES] or None, "names": NAMES}),
    shell:
        "{PYTHON:q} -m gmvae.thesis.tables.runs --provenance {input.provenance:q} {params.options:q} --output {output:q} "
        "> {log:q} 2>&1"


rule numbers:
    input:
        metrics="results/metrics.csv",
        data=sorted({step_options.dataset_file(config, task) for task in plan.tasks(config)}),
        choices=CHOICES,
    output:
        "results/numbers.tex",
    log:
        "results/logs/numbers.log",
    benchmark:
        "results/logs/numbers.benchmark.tsv"
    params:
        code=source_digest("gmvae.thesis.numbers"),
        options=lambda wc: option_words(
            {
                "tasks": rule_options.numbers_tasks(config),
                "figures": [f"{task}/{figure}" for task, figure in plan.thesis_figures(config)],
                "names": NAMES,
                "thesis": rule_options.title_page(config),
            }
        ),
    shell:
        "{PYTHON:q} -m gmvae.thesis.numbers --metrics {input.metrics:q} --data {input.data:q} {params.options:q} "
        "--output {output:q} > {log:q} 2>&1"


rule claims:
    input:
        metrics="results/metrics.csv",
        intervals=rule_options.interval_files(config),
        texts=[text for text in TEXTS if text.endswith(".tex")],
    output:
        "results/claims.tex",
    log:
        "results/logs/claims.log",
    benchmark:
        "results/logs/claims.benchmark.tsv"
    params:
        code=source_digest("gmvae.thesis.claims"),
        options=option_words({"names": NAMES, **rule_options.claims_options(config)}),
    shell:
        "{PYTHON:q} -m gmvae.thesis.claims --metrics {input.metrics:q} --intervals {input.intervals:q} "
        "--texts {input.texts:q} {params.options:q} --output {output:q} > {log:q} 2>&1"


rule speed:
    input:
        benchmarks=project_files("benchmarks", ".csv"),
    output:
        tex="results/tables/speed.tex",
        figure=multiext("results/figures/speed", ".pdf", ".svg"),
    log:
        "results/logs/speed.log",
    benchmark:
        "results/logs/speed.benchmark.tsv"
    params:
        code=source_digest("gmvae.thesis.tables.speed"),
        options=option_words({"names": rule_options.model_names(config, ["gmdvae", "vae"])}),
    shell:
        "{PYTHON:q} -m gmvae.thesis.tables.speed --benchmarks {input.benchmarks:q} {params.options:q} "
        "--output {output.tex:q} --figure {output.figure[0]:q} > {log:q} 2>&1"


BOOK_FILES = [
    *[f"{figure}.{suffix}" for figure in FIGURES for suffix in ("pdf", "svg")],
    *[f"results/tables/{task}.tex" for task in plan.tasks(config)],
    *[f"results/tables/cells/{task}.tex" for task in exports.described_tasks(config)],
    *(["results/tables/responses.tex"] if rule_options.held_out_types(config) else []),
    *[f"results/tables/{name}.tex" for name in ("runs", "published", "rivals", "variants", "speed")],
    "results/numbers.tex",
    "results/claims.tex",
]


rule results:
    """Everything but the PDF: for a machine without LaTeX."""
    input:
        BOOK_FILES,
        rules.cells.input if UPSTREAM else [],


rule diagram:
    input:
        frame=FRAME,
        symbols=SYMBOLS,
        text=lambda wc: [text for text in DIAGRAMS if Path(text).stem == wc.diagram],
    output:
        "results/diagrams/{diagram}.pdf",
    log:
        "results/logs/diagram/{diagram}.log",
    benchmark:
        "results/logs/diagram/{diagram}.benchmark.tsv"
    wildcard_constraints:
        diagram="[^/]+",
    params:
        code=source_digest("gmvae.thesis.diagram"),
    shell:
        "{PYTHON:q} -m gmvae.thesis.diagram --main {input.frame:q} --diagram {wildcards.diagram:q} --output {output:q} "
        "> {log:q} 2>&1"


rule thesis:
    input:
        results=BOOK_FILES,
        diagrams=[f"results/diagrams/{Path(text).stem}.pdf" for text in DIAGRAMS],
        texts=TEXTS,
    output:
        report("results/thesis.pdf", caption="../report/thesis.rst", category="Thesis"),
    log:
        "results/logs/thesis.log",
    benchmark:
        "results/logs/thesis.benchmark.tsv"
    params:
        code=source_digest("gmvae.thesis.pdf"),
    shell:
        "{PYTHON:q} -m gmvae.thesis.pdf --main {MAIN:q} --build results/latex --output {output:q} > {log:q} 2>&1"
