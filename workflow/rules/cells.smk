# The clusters of cells, for people: a page for a browser. The thesis needs none of it.

PAGE = project_files("src/gmvae/cells/page_parts", ".html", ".css", ".js")


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
