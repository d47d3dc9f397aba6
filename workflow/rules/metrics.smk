# Runs -> metrics, their intervals over rows, and the pictures' coordinates.


rule evaluate:
    input:
        latent="results/runs/{task}/{model}/latent.h5ad",
    output:
        "results/runs/{task}/{model}/metrics.csv",
    log:
        "results/logs/evaluate/{task}/{model}.log",
    benchmark:
        "results/logs/evaluate/{task}/{model}.benchmark.tsv"
    params:
        code=source_digest("gmvae.metrics.evaluate"),
    shell:
        "{PYTHON:q} -m gmvae.metrics.evaluate --latent {input.latent:q} --output {output:q} "
        "--task {wildcards.task} --model {wildcards.model} > {log:q} 2>&1"


rule collect:
    input:
        metrics=step_options.measures_files(config),
    output:
        report("results/metrics.csv", caption="../report/metrics.rst", category="Metrics"),
    log:
        "results/logs/collect.log",
    benchmark:
        "results/logs/collect.benchmark.tsv"
    params:
        code=source_digest("gmvae.metrics.collect"),
    shell:
        "{PYTHON:q} -m gmvae.metrics.collect --metrics {input.metrics:q} --output {output:q} > {log:q} 2>&1"


rule resample:
    """Intervals over the test rows, from what the latents hold of each row."""
    input:
        latents=lambda wc: step_options.run_files(wc.task, plan.evaluated_models(config, wc.task), "latent.h5ad"),
    output:
        "results/tasks/{task}/intervals.csv",
    log:
        "results/logs/resample/{task}.log",
    benchmark:
        "results/logs/resample/{task}.benchmark.tsv"
    params:
        code=source_digest("gmvae.metrics.resample"),
    shell:
        "{PYTHON:q} -m gmvae.metrics.resample --latents {input.latents:q} --output {output:q} > {log:q} 2>&1"


rule project:
    input:
        data=lambda wc: step_options.dataset_file(config, wc.task),
        latents=lambda wc: step_options.run_files(
            wc.task, step_options.projected_models(config, wc.task), "latent.h5ad"
        ),
    output:
        "results/tasks/{task}/projection.csv",
    log:
        "results/logs/project/{task}.log",
    benchmark:
        "results/logs/project/{task}.benchmark.tsv"
    params:
        code=source_digest("gmvae.metrics.project"),
        options=lambda wc: option_words({"models": step_options.projected_models(config, wc.task)}),
    shell:
        "{PYTHON:q} -m gmvae.metrics.project --data {input.data:q} --latents {input.latents:q} {params.options:q} "
        "--output {output:q} > {log:q} 2>&1"
