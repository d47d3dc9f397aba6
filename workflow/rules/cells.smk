# The clusters of cells for viewers: scanpy, cellxgene and whatever reads .h5ad or csv. The thesis needs none of it.

from gmvae.cells import exports


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


rule cells:
    """The cells of every task of the study that has counts and a model with components."""
    input:
        [f"results/cells/{task}.h5ad" for task in exports.exported_tasks(config)],
