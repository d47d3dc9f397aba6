# The clusters of cells for viewers (scanpy, cellxgene and whatever reads .h5ad or csv) and for people: a page for a browser; and
# what they are, by genes, types and conditions, which the thesis tells.

from gmvae.cells import exports

PAGE = project_files("src/gmvae/cells/page_parts", ".html", ".css", ".js")


rule export_cells:
    input:
        data=lambda wc: step_options.dataset_file(config, wc.task),
        latent=lambda wc: step_options.run_files(wc.task, exports.exported_model(config, wc.task), "latent.h5ad"),
        provenance=lambda wc: step_options.run_files(
            wc.task, exports.exported_model(config, wc.task), "provenance.json"
        ),
    output:
        h5ad="results/cells/{task}.h5ad",
        cells="results/cells/{task}/cells.csv",
        markers="results/cells/{task}/markers.csv",
    log:
        "results/logs/export_cells/{task}.log",
    benchmark:
        "results/logs/export_cells/{task}.benchmark.tsv"
    params:
        code=source_digest("gmvae.cells.export"),
    shell:
        "{PYTHON:q} -m gmvae.cells.export --data {input.data:q} --latent {input.latent:q} "
        "--provenance {input.provenance:q} --output {output.h5ad:q} --cells {output.cells:q} "
        "--markers {output.markers:q} > {log:q} 2>&1"


rule cell_page:
    input:
        cells="results/cells/{task}.h5ad",
        templates=PAGE,
    output:
        page="results/cells/{task}.html",
        report=report(
            "results/cells/{task}/report.html",
            caption="../report/cells.rst",
            category="Cells",
            labels={"task": "{task}"},
        ),
    log:
        "results/logs/cell_page/{task}.log",
    benchmark:
        "results/logs/cell_page/{task}.benchmark.tsv"
    params:
        code=source_digest("gmvae.cells.page"),
    shell:
        "{PYTHON:q} -m gmvae.cells.page --data {input.cells:q} --output {output.page:q} "
        "--report {output.report:q} > {log:q} 2>&1"


rule findings:
    input:
        cells="results/cells/{task}.h5ad",
        markers="results/cells/{task}/markers.csv",
        data=lambda wc: step_options.dataset_file(config, wc.task),
        weights=lambda wc: step_options.run_files(
            wc.task, exports.exported_model(config, wc.task), "weights.safetensors"
        ),
        latent=lambda wc: step_options.run_files(wc.task, exports.exported_model(config, wc.task), "latent.h5ad"),
    output:
        exports.findings_files("{task}"),
    log:
        "results/logs/findings/{task}.log",
    benchmark:
        "results/logs/findings/{task}.benchmark.tsv"
    threads: config["threads"]
    resources:
        gpu=int(GPU),
    params:
        code=lambda wc: source_digest(
            "gmvae.runs.biology.findings",
            *step_options.plugin_modules(
                "models", *[config["models"][model]["module"] for model in exports.exported_model(config, wc.task)]
            ),
        ),
        folder=f"{COPIES}/cells/{{task}}",
        options=option_words({"device": config["device"], "threads": config["threads"]}),
    shell:
        "{PYTHON:q} -m gmvae.runs.biology.findings --cells {input.cells:q} --markers {input.markers:q} "
        "--data {input.data:q} --weights {input.weights:q} --latent {input.latent:q} --output {params.folder:q} "
        "{params.options:q} > {log:q} 2>&1"


rule cells:
    """The cells of every task of the study that has counts and a model with components."""
    input:
        [
            f"results/cells/{task}{suffix}"
            for task in exports.exported_tasks(config)
            for suffix in (".h5ad", ".html", "/report.html")
        ],
