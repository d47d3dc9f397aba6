# Raw files -> data sets -> which labels a task's models may see.


def data_of(task):
    return f"results/data/{config['tasks'][task]['dataset']}.h5ad"


rule fetch:
    input:
        code=source_files("gmvae.data.fetch"),
    output:
        "results/raw/{source}/{file}",
    log:
        "results/logs/fetch/{source}/{file}.log",
    params:
        url=lambda wc: dataset_plan.downloads(config)[wc.source][wc.file]["url"],
        sha256=lambda wc: dataset_plan.downloads(config)[wc.source][wc.file].get("sha256", ""),
        sha256_decompressed=lambda wc: dataset_plan.downloads(config)[wc.source][wc.file].get("sha256_decompressed", ""),
    shell:
        "{PYTHON:q} -m gmvae.data.fetch --source {wildcards.source} --file {wildcards.file:q} --output {output:q} "
        "--url {params.url:q} --sha256={params.sha256:q} --sha256-decompressed={params.sha256_decompressed:q} "
        "--mirror={config[mirror]:q} --cache={config[cache]:q} "
        "$([ {config[offline]} = True ] && echo --offline || echo --no-offline) "
        "$([ {config[progress]} = True ] && echo --progress || echo --no-progress) > {log:q} 2>&1"


rule prepare:
    input:
        raw=lambda wc: dataset_plan.raw_files(config, wc.dataset),
        code=lambda wc: source_files(
            "gmvae.data.prepare", *[f"gmvae.data.readers.{source}" for source in dataset_plan.dataset_sources(config, wc.dataset)]
        ),
    output:
        "results/data/{dataset}.h5ad",
    log:
        "results/logs/prepare/{dataset}.log",
    params:
        entry=lambda wc: [
            part
            for key, value in dataset_plan.prepare_options(config, wc.dataset).items()
            for part in (f"--{key.replace('_', '-')}", json.dumps(value) if isinstance(value, dict) else str(value))
        ],
        raw=lambda wc, input: (
            ["--raw", f"results/raw/{config['datasets'][wc.dataset]['source']}"] if input.raw else []
        ),
    shell:
        "{PYTHON:q} -m gmvae.data.prepare {params.entry:q} {params.raw:q} --output {output:q} > {log:q} 2>&1"


rule prepared:
    """Every data set of the study."""
    input:
        sorted({data_of(task) for task in plan.tasks(config)}),


rule observe:
    input:
        data=lambda wc: data_of(wc.task),
        code=source_files("gmvae.runs.observe"),
    output:
        "results/tasks/{task}/observed.csv",
    log:
        "results/logs/observe/{task}.log",
    params:
        asked=lambda wc: [
            part
            for key, value in plan.observe_options(config, wc.task).items()
            for part in (f"--{key.replace('_', '-')}", str(value))
        ],
    shell:
        "{PYTHON:q} -m gmvae.runs.observe --data {input.data:q} --output {output:q} {params.asked:q} > {log:q} 2>&1"
