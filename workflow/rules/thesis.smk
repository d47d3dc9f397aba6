# Metrics, latents and histories -> figures, tables, numbers -> the thesis.

TEXTS = sorted(
    str(path.relative_to(ROOT)) for path in Path(ROOT, "thesis").rglob("*") if path.suffix in (".tex", ".bib")
)
FIGURES = [f"results/figures/{task}/{figure}" for task, figure in plan.thesis_figures(config)]
HELD = {task: plan.held_out_type(config, task) for task in plan.tasks(config) if plan.held_out_type(config, task)}


def names_of(task):
    """Display names of what a task's figures and tables show, as JSON."""
    shown = {task, config["tasks"][task]["dataset"], *plan.models(config, task), *config["names"]}
    return json.dumps({key: name for key, name in plan.display_names(config).items() if key in shown}, sort_keys=True)


def kit(task):
    """What a figure may ask for by the names of its parameters."""
    models, trained = plan.models(config, task), plan.trained_models(config, task)
    return {
        "data": [data_of(task)],
        "models": projected(task),
        "latents": [f"results/runs/{task}/{model}/latent.h5ad" for model in projected(task)],
        "trained": trained,
        "histories": [f"results/runs/{task}/{model}/history.csv" for model in trained],
        "projection": [f"results/tasks/{task}/projection.csv"],
        "metrics": ["results/metrics.csv"],
        "compared": models,
        "responding": plan.response_models(config, task),
        "profiles": [f"results/runs/{task}/{model}/profiles.csv" for model in plan.response_models(config, task)],
    }


def asked(wildcards):
    """The part of the kit that the figure asks for."""
    wanted = parameter_names(f"gmvae.thesis.figures.{wildcards.figure}", "draw")
    return {name: values for name, values in kit(wildcards.task).items() if name in wanted}


rule figure:
    input:
        files=lambda wc: [file for values in asked(wc).values() for file in values if "/" in file],
        code=lambda wc: source_files(f"gmvae.thesis.figures.{wc.figure}"),
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
    params:
        kit=lambda wc: [part for name, values in asked(wc).items() for part in (f"--{name}", *values)],
        names=lambda wc: names_of(wc.task),
    shell:
        "{PYTHON:q} -m gmvae.thesis.figures.{wildcards.figure} --output {output.pdf:q} --task {wildcards.task} "
        "--names {params.names:q} {params.kit:q} > {log:q} 2>&1"


rule tabulate:
    input:
        metrics="results/metrics.csv",
        code=source_files("gmvae.thesis.tables.task"),
    output:
        tex="results/tables/{task}.tex",
        csv=report(
            "results/tables/{task}.csv", caption="../report/table.rst", category="Tables", labels={"task": "{task}"}
        ),
    log:
        "results/logs/tabulate/{task}.log",
    params:
        models=lambda wc: plan.models(config, wc.task),
        controls=lambda wc: [
            model
            for model in plan.baseline_models(config, wc.task)
            if config["models"][model]["baseline"] in ("truth", "random")
        ],
        n_components=lambda wc: json.dumps(
            {model: plan.n_components(config, wc.task, model) for model in plan.models(config, wc.task)}
        ),
        names=lambda wc: names_of(wc.task),
    shell:
        "{PYTHON:q} -m gmvae.thesis.tables.task --metrics {input.metrics:q} --task {wildcards.task} --models {params.models} "
        "--controls {params.controls} --n-components {params.n_components:q} --names {params.names:q} "
        "--output {output.tex:q} > {log:q} 2>&1"


rule tabulate_responses:
    input:
        metrics="results/metrics.csv",
        code=source_files("gmvae.thesis.tables.responses"),
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
    params:
        held=json.dumps(HELD),
        # In the order of the rows: keys are not sorted.
        names=json.dumps(
            {model: config["models"][model]["name"] for task in HELD for model in plan.response_models(config, task)}
        ),
    shell:
        "{PYTHON:q} -m gmvae.thesis.tables.responses --metrics {input.metrics:q} --held {params.held:q} "
        "--names {params.names:q} --output {output.tex:q} > {log:q} 2>&1"


rule list_published:
    input:
        metrics="results/metrics.csv",
        published="thesis/published.csv",
        code=source_files("gmvae.thesis.tables.published"),
    output:
        tex="results/tables/published.tex",
        csv="results/tables/published.csv",
    log:
        "results/logs/list_published.log",
    params:
        tasks=json.dumps(
            {
                task: {
                    "labels": config["tasks"][task]["labels"],
                    "n_components": {
                        model: plan.n_components(config, task, model) for model in plan.models(config, task)
                    },
                }
                for task in plan.tasks(config)
            }
        ),
        names=json.dumps(plan.display_names(config), sort_keys=True),
    shell:
        "{PYTHON:q} -m gmvae.thesis.tables.published --metrics {input.metrics:q} --published {input.published:q} "
        "--tasks {params.tasks:q} --names {params.names:q} --output {output.tex:q} > {log:q} 2>&1"


rule list_runs:
    input:
        provenance=[
            f"results/runs/{task}/{model}/provenance.json"
            for task in plan.tasks(config)
            for model in plan.models(config, task)
        ],
        code=source_files("gmvae.thesis.tables.runs"),
    output:
        "results/tables/runs.tex",
    log:
        "results/logs/list_runs.log",
    params:
        names=json.dumps(plan.display_names(config), sort_keys=True),
    shell:
        "{PYTHON:q} -m gmvae.thesis.tables.runs --provenance {input.provenance:q} --names {params.names:q} --output {output:q} "
        "> {log:q} 2>&1"


rule numbers:
    input:
        metrics="results/metrics.csv",
        data=sorted({data_of(task) for task in plan.tasks(config)}),
        code=source_files("gmvae.thesis.numbers"),
    output:
        "results/numbers.tex",
    log:
        "results/logs/numbers.log",
    params:
        # In the study's order, which is that of the sections: keys are not sorted.
        tasks=json.dumps(
            {
                task: {key: config["tasks"][task][key] for key in ("dataset", "labels", "n_components")}
                | ({"held_out": plan.held_out_type(config, task)} if plan.held_out_type(config, task) else {})
                for task in plan.tasks(config)
            }
        ),
        figures=[f"{task}/{figure}" for task, figure in plan.thesis_figures(config)],
        names=json.dumps(plan.display_names(config), sort_keys=True),
        thesis=json.dumps(
            {key: config["thesis"][key] for key in ("author", "place", "date")}
            | {"study": plan.study_entry(config)["title"]},
            sort_keys=True,
        ),
    shell:
        "{PYTHON:q} -m gmvae.thesis.numbers --metrics {input.metrics:q} --data {input.data:q} --tasks {params.tasks:q} "
        "--figures {params.figures} --names {params.names:q} --thesis {params.thesis:q} --output {output:q} > {log:q} 2>&1"


rule claims:
    input:
        metrics="results/metrics.csv",
        texts=[text for text in TEXTS if text.endswith(".tex")],
        code=source_files("gmvae.thesis.claims"),
    output:
        "results/claims.tex",
    log:
        "results/logs/claims.log",
    params:
        names=json.dumps(plan.display_names(config), sort_keys=True),
        mode=config["thesis"]["claims"],
    shell:
        "{PYTHON:q} -m gmvae.thesis.claims --metrics {input.metrics:q} --texts {input.texts:q} --names {params.names:q} "
        "--mode {params.mode} --output {output:q} > {log:q} 2>&1"


rule speed:
    input:
        benchmarks=sorted(str(path.relative_to(ROOT)) for path in Path(ROOT, "benchmarks").glob("*.csv")),
        code=source_files("gmvae.thesis.tables.speed"),
    output:
        tex="results/tables/speed.tex",
        figure=multiext("results/figures/speed", ".pdf", ".svg"),
    log:
        "results/logs/speed.log",
    params:
        names=json.dumps(
            {model: config["models"][model]["name"] for model in ("vae", "gmdvae") if model in config["models"]},
            sort_keys=True,
        ),
    shell:
        "{PYTHON:q} -m gmvae.thesis.tables.speed --benchmarks {input.benchmarks:q} --names {params.names:q} --output {output.tex:q} "
        "--figure {output.figure[0]:q} > {log:q} 2>&1"


rule results:
    """Everything but the PDF: for a machine without LaTeX."""
    input:
        [f"{figure}.{suffix}" for figure in FIGURES for suffix in ("pdf", "svg")],
        [f"results/tables/{task}.tex" for task in plan.tasks(config)],
        ["results/tables/responses.tex"] if HELD else [],
        "results/tables/runs.tex",
        "results/tables/published.tex",
        "results/tables/speed.tex",
        "results/numbers.tex",
        "results/claims.tex",


rule thesis:
    input:
        results=rules.results.input,
        texts=TEXTS,
        code=source_files("gmvae.thesis.pdf"),
    output:
        report("results/thesis.pdf", caption="../report/thesis.rst", category="Thesis"),
    log:
        "results/logs/thesis.log",
    shell:
        "{PYTHON:q} -m gmvae.thesis.pdf --main thesis/thesis.tex --build results/latex --output {output:q} > {log:q} 2>&1"
