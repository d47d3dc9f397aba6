"""What is read from a dry run of Snakemake."""

from gmvae.reference.archives.book_plan import Job, files_read, parse_jobs

DRY_RUN = """Building DAG of jobs...
[Fri Nov 27 23:18:31 2026]
rule claims:
    input: results/metrics.csv, thesis/thesis.tex
    output: results/claims.tex
    reason: Forced execution

[Fri Nov 27 23:18:31 2026]
localrule fetch:
    output: results/raw/kang/cells.tsv.gz
    jobid: 3

rule thesis:
    input: results/claims.tex, results/metrics.csv, results/data/toy.h5ad
    output: results/thesis.pdf
    wildcards: none
"""


def test_jobs_are_read_with_their_files():
    claims, fetch, thesis = parse_jobs(DRY_RUN)
    assert claims == Job("claims", ["results/metrics.csv", "thesis/thesis.tex"], ["results/claims.tex"])
    assert fetch == Job("fetch", [], ["results/raw/kang/cells.tsv.gz"])
    assert thesis.rule == "thesis" and len(thesis.inputs) == 3


def test_the_files_of_a_book_are_the_results_that_its_jobs_do_not_make():
    jobs = [job for job in parse_jobs(DRY_RUN) if job.rule != "fetch"]
    assert files_read(jobs) == ["results/data/toy.h5ad", "results/metrics.csv"]


def test_what_is_in_git_is_in_no_archive():
    kept = "results/reference/rivals.csv"
    jobs = [Job("tabulate_rivals", [kept, "results/metrics.csv"], ["results/tables/rivals.tex"])]
    assert files_read(jobs) == ["results/metrics.csv"]
