# Raw files -> data sets -> which labels a task's models may see, and the nearest neighbours of the rows.
#
# The first jobs of all: everything waits for them (priority).


# On a cluster, files are downloaded where Snakemake runs: many nodes have no network.
localrules:
    fetch,


rule fetch:
    output:
        "results/raw/{source}/{file}",
    log:
        "results/logs/fetch/{source}/{file}.log",
    benchmark:
        "results/logs/fetch/{source}/{file}.benchmark.tsv"
    priority: 1000
    params:
        code=source_digest("gmvae.data.fetch"),
        options=lambda wc: option_words(dataset_plan.download_options(config, wc.source, wc.file)),
    shell:
        "{PYTHON:q} -m gmvae.data.fetch --source {wildcards.source} --file {wildcards.file:q} --output {output:q} "
        "{params.options:q} > {log:q} 2>&1"


rule prepare:
    input:
        lambda wc: without_store(dataset_plan.raw_files(config, wc.dataset)),
    output:
        "results/data/{dataset}.h5ad",
    log:
        "results/logs/prepare/{dataset}.log",
    benchmark:
        "results/logs/prepare/{dataset}.benchmark.tsv"
    priority: 1000
    params:
        code=lambda wc: source_digest(
            "gmvae.data.prepare",
            *step_options.plugin_modules("data.readers", *dataset_plan.dataset_sources(config, wc.dataset)),
        ),
        options=lambda wc: option_words(
            {"raw": step_options.raw_folder(config, wc.dataset), **dataset_plan.prepare_options(config, wc.dataset)}
        ),
    shell:
        # The warnings in the log also go to the terminal.
        "{PYTHON:q} -m gmvae.data.prepare {params.options:q} --output {output:q} > {log:q} 2>&1 "
        "&& sed -n '/^warning: /p' {log:q} >&2"


if workflow.workflow_settings.cache is not None:
    share_outputs("fetch", "prepare")


rule prepared:
    """Every data set of the study."""
    input:
        sorted({step_options.dataset_file(config, task) for task in plan.tasks(config)}),


rule observe:
    input:
        data=lambda wc: step_options.dataset_file(config, wc.task),
    output:
        "results/tasks/{task}/observed.csv",
    log:
        "results/logs/observe/{task}.log",
    benchmark:
        "results/logs/observe/{task}.benchmark.tsv"
    priority: 1000
    params:
        code=source_digest("gmvae.runs.observe"),
        options=lambda wc: option_words(dataset_plan.observe_options(config, wc.task)),
    shell:
        "{PYTHON:q} -m gmvae.runs.observe --data {input.data:q} --output {output:q} {params.options:q} > {log:q} 2>&1"


rule neighbours:
    """One file for all tasks of a data set; made where the training or a baseline of one needs it."""
    input:
        data="results/data/{dataset}.h5ad",
    output:
        "results/graphs/{dataset}/{kind}.safetensors",
    log:
        "results/logs/neighbours/{dataset}/{kind}.log",
    benchmark:
        "results/logs/neighbours/{dataset}/{kind}.benchmark.tsv"
    wildcard_constraints:
        kind="plain|balanced",
    priority: 1000
    params:
        code=source_digest("gmvae.runs.neighbours"),
    shell:
        "{PYTHON:q} -m gmvae.runs.neighbours --data {input.data:q} --output {output:q} --kind {wildcards.kind} "
        "> {log:q} 2>&1"
