# A run: all seeds of one model on one task, in one folder. A trained model and a baseline leave the same latent.h5ad.

import shlex

from gmvae.runs import gpu_sharing
from gmvae.training.priorities import training_priorities

PRIORITIES = training_priorities(config)

# Jobs on a GPU: as many at once as the memory of the cards takes, unless --resources gpu=... says another number.
JOBS_ON_GPU = gpu_sharing.jobs_by_card(config["share_gpu"], config["device"])
GPU = config["device"] == "cuda" or bool(JOBS_ON_GPU)
if JOBS_ON_GPU and "gpu" not in workflow.global_resources:
    workflow.global_resources["gpu"] = sum(JOBS_ON_GPU.values())
if len(JOBS_ON_GPU) > 1:
    os.environ["GMVAE_GPU_PLACES"] = " ".join(gpu_sharing.job_places(JOBS_ON_GPU))
    # Before the command, and so no part of it: which card computes a run makes nothing run again.
    shell.prefix(f"set -euo pipefail; . {shlex.quote(str(Path(workflow.basedir, 'workflow/choose_gpu.sh')))}; ")


def alternatives(kind):
    """The models of one kind as a regular expression: this tells the rules `embed` and `baseline` apart."""
    return "|".join(model for model, entry in config["models"].items() if kind in entry) or "none"


def code(step, kind, key):
    """The digest of a step's code and of the plug-in that a model names under this key."""
    return lambda wc: source_digest(step, *step_options.plugin_modules(kind, config["models"][wc.model][key]))


rule choose_components:
    """K of a task whose n_components is no number. Rules that need it read it from the file, in their params."""
    input:
        data=lambda wc: step_options.dataset_file(config, wc.task),
    output:
        choice="results/choices/{task}/components.json",
        table="results/choices/{task}/components.csv",
    log:
        "results/logs/choose_components/{task}.log",
    benchmark:
        "results/logs/choose_components/{task}.benchmark.tsv"
    priority: 1000
    threads: config["threads"]
    resources:
        gpu=int(GPU),
    params:
        code=lambda wc: source_digest(
            "gmvae.runs.choices.choose",
            *step_options.plugin_modules("models", step_options.sweep_options(config, wc.task)["module"]),
        ),
        options=lambda wc: option_words(step_options.sweep_options(config, wc.task)),
    shell:
        "{PYTHON:q} -m gmvae.runs.choices.choose --data {input.data:q} --choice {output.choice:q} "
        "--table {output.table:q} {params.options:q} > {log:q} 2>&1"


rule train:
    input:
        data=lambda wc: step_options.dataset_file(config, wc.task),
        observed="results/tasks/{task}/observed.csv",
        graph=lambda wc: dataset_plan.graph_file(config, wc.task, wc.model),
        choice=lambda wc: step_options.choice_files(config, wc.task),
    output:
        weights="results/runs/{task}/{model}/weights.safetensors",
        history="results/runs/{task}/{model}/history.csv",
        provenance="results/runs/{task}/{model}/provenance.json",
    log:
        "results/logs/train/{task}/{model}.log",
    benchmark:
        "results/logs/train/{task}/{model}.benchmark.tsv"
    wildcard_constraints:
        model=alternatives("module"),
    priority: lambda wc: PRIORITIES.get((wc.task, wc.model), 2)
    threads: config["threads"]
    resources:
        gpu=int(GPU),
    params:
        code=code("gmvae.runs.train", "models", "module"),
        options=lambda wc: option_words(
            {
                "module": config["models"][wc.model]["module"],
                "settings": step_options.with_sorted_keys(plan.model_settings(config, wc.task, wc.model)),
                "training": step_options.with_sorted_keys(plan.training_settings(config, wc.task, wc.model)),
                "n_components": plan.n_components(config, wc.task, wc.model),
                "seeds": plan.seeds(config),
                "graph": next(iter(dataset_plan.graph_file(config, wc.task, wc.model)), None),
                "encode": step_options.encoder_input(config, wc.task, wc.model),
                "device": config["device"],
                "threads": config["threads"],
            }
        ),
    shell:
        # exec: a signal to the job reaches Python, which saves the run
        "exec {PYTHON:q} -m gmvae.runs.train --data {input.data:q} --observed {input.observed:q} "
        "--weights {output.weights:q} --history {output.history:q} --provenance {output.provenance:q} "
        "{params.options:q} > {log:q} 2>&1"


rule embed:
    input:
        data=lambda wc: step_options.dataset_file(config, wc.task),
        observed="results/tasks/{task}/observed.csv",
        weights="results/runs/{task}/{model}/weights.safetensors",
    output:
        "results/runs/{task}/{model}/latent.h5ad",
    log:
        "results/logs/embed/{task}/{model}.log",
    benchmark:
        "results/logs/embed/{task}/{model}.benchmark.tsv"
    wildcard_constraints:
        model=alternatives("module"),
    threads: config["threads"]
    resources:
        gpu=int(GPU),
    params:
        code=code("gmvae.runs.embed", "models", "module"),
        options=option_words({"device": config["device"], "threads": config["threads"]}),
    shell:
        "{PYTHON:q} -m gmvae.runs.embed --data {input.data:q} --observed {input.observed:q} --weights {input.weights:q} "
        "--output {output:q} --task {wildcards.task} --model {wildcards.model} {params.options:q} > {log:q} 2>&1"


rule baseline:
    input:
        data=lambda wc: step_options.dataset_file(config, wc.task),
        latent=lambda wc: step_options.latent_file(config, wc.task, wc.model),
        observed=lambda wc: step_options.observed_file(config, wc.task, wc.model),
        graph=lambda wc: dataset_plan.graph_file(config, wc.task, wc.model),
        choice=lambda wc: step_options.choice_files(config, wc.task),
    output:
        latent="results/runs/{task}/{model}/latent.h5ad",
        provenance="results/runs/{task}/{model}/provenance.json",
    log:
        "results/logs/baseline/{task}/{model}.log",
    benchmark:
        "results/logs/baseline/{task}/{model}.benchmark.tsv"
    wildcard_constraints:
        model=alternatives("baseline"),
    priority: 1
    params:
        code=code("gmvae.runs.baseline", "runs.baselines", "baseline"),
        options=lambda wc: option_words(
            {
                "name": config["models"][wc.model]["baseline"],
                "space": config["models"][wc.model]["space"],
                "latent": next(iter(step_options.latent_file(config, wc.task, wc.model)), None),
                "observed": next(iter(step_options.observed_file(config, wc.task, wc.model)), None),
                "graph": next(iter(dataset_plan.graph_file(config, wc.task, wc.model)), None),
                "settings": step_options.with_sorted_keys(plan.model_settings(config, wc.task, wc.model)),
                "n_components": plan.n_components(config, wc.task, wc.model),
                "seeds": plan.seeds(config),
            }
        ),
    shell:
        "{PYTHON:q} -m gmvae.runs.baseline --data {input.data:q} --output {output.latent:q} "
        "--provenance {output.provenance:q} --task {wildcards.task} --model {wildcards.model} {params.options:q} "
        "> {log:q} 2>&1"


rule respond:
    input:
        data=lambda wc: step_options.dataset_file(config, wc.task),
        observed="results/tasks/{task}/observed.csv",
        weights="results/runs/{task}/{model}/weights.safetensors",
    output:
        response="results/runs/{task}/{model}/response.csv",
        profiles="results/runs/{task}/{model}/profiles.csv",
    log:
        "results/logs/respond/{task}/{model}.log",
    benchmark:
        "results/logs/respond/{task}/{model}.benchmark.tsv"
    wildcard_constraints:
        model=alternatives("module"),
    threads: config["threads"]
    resources:
        gpu=int(GPU),
    params:
        code=code("gmvae.runs.respond", "models", "module"),
        options=lambda wc: option_words(
            {
                **(plan.held_out_type(config, wc.task) or {}),
                "delta": config["tasks"][wc.task].get("delta"),
                "device": config["device"],
                "threads": config["threads"],
            }
        ),
    shell:
        "{PYTHON:q} -m gmvae.runs.respond --data {input.data:q} --observed {input.observed:q} --weights {input.weights:q} "
        "--output {output.response:q} --profiles {output.profiles:q} --task {wildcards.task} --model {wildcards.model} {params.options:q} "
        "> {log:q} 2>&1"


rule expect:
    input:
        data=lambda wc: step_options.dataset_file(config, wc.task),
    output:
        response="results/runs/{task}/{model}/response.csv",
        profiles="results/runs/{task}/{model}/profiles.csv",
        provenance="results/runs/{task}/{model}/provenance.json",
    log:
        "results/logs/expect/{task}/{model}.log",
    benchmark:
        "results/logs/expect/{task}/{model}.benchmark.tsv"
    wildcard_constraints:
        model=alternatives("response"),
    params:
        code=code("gmvae.runs.expect", "runs.responses", "response"),
        options=lambda wc: option_words(
            {
                "name": config["models"][wc.model]["response"],
                "seeds": plan.seeds(config),
                **(plan.held_out_type(config, wc.task) or {}),
            }
        ),
    shell:
        "{PYTHON:q} -m gmvae.runs.expect --data {input.data:q} --output {output.response:q} "
        "--profiles {output.profiles:q} --provenance {output.provenance:q} "
        "--task {wildcards.task} --model {wildcards.model} {params.options:q} > {log:q} 2>&1"
