# A run: all seeds of one model on one task, in one folder. A trained model and a baseline leave the same latent.h5ad.


def alternatives(kind):
    """The models of one kind as a regular expression: what tells the rules `embed` and `baseline` apart."""
    return "|".join(model for model, entry in config["models"].items() if kind in entry) or "none"


def module(wildcards):
    return config["models"][wildcards.model]["module"]


def space(wildcards):
    """The run that a baseline works on the latent of, if any."""
    name = config["models"][wildcards.model]["space"]
    return [] if name in plan.SPACES else f"results/runs/{wildcards.task}/{name}/latent.h5ad"


def held(wildcards):
    """The options of the steps that predict a response: which type was held out under which condition."""
    return [
        part for key, value in (plan.held_out_type(config, wildcards.task) or {}).items() for part in (f"--{key}", value)
    ]


def seen(wildcards):
    """The labels that a baseline sees: only a classifier asks for them."""
    name = config["models"][wildcards.model]["baseline"]
    asks = name != "none" and "observed" in parameter_names(f"gmvae.runs.baselines.{name}", "assign")
    return f"results/tasks/{wildcards.task}/observed.csv" if asks else []


rule train:
    input:
        data=lambda wc: data_of(wc.task),
        observed="results/tasks/{task}/observed.csv",
        code=lambda wc: source_files("gmvae.runs.train", f"gmvae.models.{module(wc)}"),
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
    threads: config["threads"]
    resources:
        gpu=int(GPU),
    params:
        module=module,
        settings=lambda wc: json.dumps(plan.model_settings(config, wc.task, wc.model), sort_keys=True),
        training=lambda wc: json.dumps(plan.training_settings(config, wc.task, wc.model), sort_keys=True),
        n_components=lambda wc: plan.n_components(config, wc.task, wc.model),
        seeds=plan.seeds(config),
        device=config["device"],
        threads=config["threads"],
    shell:
        # exec: a signal to the job reaches Python, which saves the run
        "exec {PYTHON:q} -m gmvae.runs.train --data {input.data:q} --observed {input.observed:q} "
        "--weights {output.weights:q} --history {output.history:q} --provenance {output.provenance:q} "
        "--module {params.module} --settings {params.settings:q} --training {params.training:q} "
        "--n-components {params.n_components} --seeds {params.seeds} "
        "--device {params.device} --threads {params.threads} --memory {config[memory]:q} "
        "--checkpoint-minutes {config[checkpoint_minutes]:q} "
        "$([ {config[progress]} = True ] && echo --progress || echo --no-progress) > {log:q} 2>&1"


rule embed:
    input:
        data=lambda wc: data_of(wc.task),
        observed="results/tasks/{task}/observed.csv",
        weights="results/runs/{task}/{model}/weights.safetensors",
        code=lambda wc: source_files("gmvae.runs.embed", f"gmvae.models.{module(wc)}"),
    output:
        "results/runs/{task}/{model}/latent.h5ad",
    log:
        "results/logs/embed/{task}/{model}.log",
    wildcard_constraints:
        model=alternatives("module"),
    threads: config["threads"]
    resources:
        gpu=int(GPU),
    params:
        device=config["device"],
        threads=config["threads"],
    shell:
        "{PYTHON:q} -m gmvae.runs.embed --data {input.data:q} --observed {input.observed:q} --weights {input.weights:q} "
        "--output {output:q} --task {wildcards.task} --model {wildcards.model} "
        "--device {params.device} --threads {params.threads} --memory {config[memory]:q} > {log:q} 2>&1"


rule baseline:
    input:
        data=lambda wc: data_of(wc.task),
        latent=space,
        observed=seen,
        code=lambda wc: source_files(
            "gmvae.runs.baseline",
            *[f"gmvae.runs.baselines.{name}" for name in [config["models"][wc.model]["baseline"]] if name != "none"],
        ),
    output:
        latent="results/runs/{task}/{model}/latent.h5ad",
        provenance="results/runs/{task}/{model}/provenance.json",
    log:
        "results/logs/baseline/{task}/{model}.log",
    wildcard_constraints:
        model=alternatives("baseline"),
    params:
        name=lambda wc: config["models"][wc.model]["baseline"],
        space=lambda wc: config["models"][wc.model]["space"],
        settings=lambda wc: json.dumps(plan.model_settings(config, wc.task, wc.model), sort_keys=True),
        n_components=lambda wc: plan.n_components(config, wc.task, wc.model),
        seeds=plan.seeds(config),
        latent=lambda wc, input: ["--latent", input.latent] if input.latent else [],
        observed=lambda wc, input: ["--observed", input.observed] if input.observed else [],
    shell:
        "{PYTHON:q} -m gmvae.runs.baseline --data {input.data:q} {params.latent:q} {params.observed:q} "
        "--output {output.latent:q} --provenance {output.provenance:q} --name {params.name} --space {params.space} "
        "--settings {params.settings:q} --n-components {params.n_components} --seeds {params.seeds} "
        "--task {wildcards.task} --model {wildcards.model} > {log:q} 2>&1"


rule respond:
    input:
        data=lambda wc: data_of(wc.task),
        weights="results/runs/{task}/{model}/weights.safetensors",
        code=lambda wc: source_files("gmvae.runs.respond", f"gmvae.models.{module(wc)}"),
    output:
        response="results/runs/{task}/{model}/response.csv",
        profiles="results/runs/{task}/{model}/profiles.csv",
    log:
        "results/logs/respond/{task}/{model}.log",
    wildcard_constraints:
        model=alternatives("module"),
    threads: config["threads"]
    resources:
        gpu=int(GPU),
    params:
        held=held,
        device=config["device"],
        threads=config["threads"],
    shell:
        "{PYTHON:q} -m gmvae.runs.respond --data {input.data:q} --weights {input.weights:q} --output {output.response:q} "
        "--profiles {output.profiles:q} --task {wildcards.task} --model {wildcards.model} {params.held:q} "
        "--device {params.device} --threads {params.threads} > {log:q} 2>&1"


rule expect:
    input:
        data=lambda wc: data_of(wc.task),
        code=lambda wc: source_files("gmvae.runs.expect", f"gmvae.runs.responses.{config['models'][wc.model]['response']}"),
    output:
        response="results/runs/{task}/{model}/response.csv",
        profiles="results/runs/{task}/{model}/profiles.csv",
        provenance="results/runs/{task}/{model}/provenance.json",
    log:
        "results/logs/expect/{task}/{model}.log",
    wildcard_constraints:
        model=alternatives("response"),
    params:
        name=lambda wc: config["models"][wc.model]["response"],
        held=held,
        seeds=plan.seeds(config),
    shell:
        "{PYTHON:q} -m gmvae.runs.expect --data {input.data:q} --output {output.response:q} "
        "--profiles {output.profiles:q} --provenance {output.provenance:q} --name {params.name} --seeds {params.seeds} "
        "--task {wildcards.task} --model {wildcards.model} {params.held:q} > {log:q} 2>&1"
