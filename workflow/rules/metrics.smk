# Runs -> metrics, and the pictures' coordinates.


rule evaluate:
    input:
        latent="results/runs/{task}/{model}/latent.h5ad",
        code=source_files("gmvae.metrics.evaluate"),
    output:
        "results/runs/{task}/{model}/metrics.csv",
    log:
        "results/logs/evaluate/{task}/{model}.log",
    shell:
        "{PYTHON:q} -m gmvae.metrics.evaluate --latent {input.latent:q} --output {output:q} "
        "--task {wildcards.task} --model {wildcards.model} > {log:q} 2>&1"


rule collect:
    input:
        metrics=[
            f"results/runs/{task}/{model}/metrics.csv"
            for task in plan.tasks(config)
            for model in plan.evaluated_models(config, task)
        ]
        + [
            f"results/runs/{task}/{model}/response.csv"
            for task in plan.tasks(config)
            for model in plan.response_models(config, task)
        ],
        code=source_files("gmvae.metrics.collect"),
    output:
        report("results/metrics.csv", caption="../report/metrics.rst", category="Metrics"),
    log:
        "results/logs/collect.log",
    shell:
        "{PYTHON:q} -m gmvae.metrics.collect --metrics {input.metrics:q} --output {output:q} > {log:q} 2>&1"


def projected(task):
    """The models whose latent is drawn: trained ones, and spaces without a clustering."""
    spaces = [
        model
        for model in plan.baseline_models(config, task)
        if config["models"][model]["baseline"] == "none" and config["models"][model]["space"] != "data"
    ]
    return [model for model in plan.models(config, task) if model in spaces + plan.trained_models(config, task)]


rule project:
    input:
        data=lambda wc: data_of(wc.task),
        latents=lambda wc: [f"results/runs/{wc.task}/{model}/latent.h5ad" for model in projected(wc.task)],
        code=source_files("gmvae.metrics.project"),
    output:
        "results/tasks/{task}/projection.csv",
    log:
        "results/logs/project/{task}.log",
    params:
        models=lambda wc: projected(wc.task),
    shell:
        "{PYTHON:q} -m gmvae.metrics.project --data {input.data:q} --latents {input.latents:q} --models {params.models} "
        "--output {output:q} > {log:q} 2>&1"
