# The commands of this project: `make help` lists them. Everything else is Snakemake's.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all thesis report cells mine compare verify doctor reference archive unpack readme bench bench-gpu rivals test test-all \
	test-slurm test-storage test-scale lint latex slurm clean help

STAMP := .venv/.stamp
BENCH := .venv-bench/.stamp
RIVALS := .venv-rivals/.stamp
STORAGE := .venv-storage/.stamp
# On a terminal, bars and what runs; elsewhere Snakemake's own lines. Its log file, .snakemake/log, has all either way.
SNAKEMAKE := .venv/bin/snakemake --cores all $$(test -t 2 && echo --logger=rich)
STUDY := embedded
PYTEST := .venv/bin/python -m pytest -n auto --maxprocesses 8
LATEX := $(shell sed -n '/^[a-z]/p' thesis/latex-packages.txt)
# true where LaTeX is complete: its programs, and one file of each package above
HAS_LATEX := command -v pdflatex >/dev/null && command -v biber >/dev/null && \
	kpsewhich scrbook.cls cleveref.sty siunitx.sty standalone.cls tikz.sty biblatex.sty lmodern.sty >/dev/null 2>&1
NO_LATEX := echo "No PDF: LaTeX is missing. Install TeX Live, on Debian: apt-get install --no-install-recommends $(strip $(LATEX))"

all: $(STAMP) latex  ## results/thesis.pdf and everything it needs (the default)
	@if $(HAS_LATEX); then $(SNAKEMAKE); else $(NO_LATEX); $(SNAKEMAKE) results; $(NO_LATEX); exit 1; fi

thesis: $(STAMP) latex  ## only results/thesis.pdf, computing what it lacks
	@if $(HAS_LATEX); then $(SNAKEMAKE) results/thesis.pdf; else $(NO_LATEX); exit 1; fi

report: all  ## results/report.html: every figure and table in one file, for a browser
	.venv/bin/snakemake --report results/report.html

cells: $(STAMP)  ## results/cells: the clusters and markers of each task on cells, as .h5ad and csv
	@$(SNAKEMAKE) cells

mine: $(STAMP)  ## look at your cells and write mine.yaml, which models them: make mine H5AD=my.h5ad [LABEL=cell_type]
	@test -n "$(H5AD)" || { echo "Name a file of cells: make mine H5AD=my.h5ad [LABEL=cell_type]"; exit 1; }
	@.venv/bin/python -m gmvae inspect "$(H5AD)" $(if $(LABEL),--label "$(LABEL)")

compare: $(STAMP)  ## your results/metrics.csv beside the reference of the same study
	@.venv/bin/python -m gmvae.reference.compare --results results --reference results/reference

verify: $(STAMP)  ## make a tenth of the finished runs again and compare: make verify [STUDY=full] [SEED=1]
	@.venv/bin/python -m gmvae.reference.verify --study $(STUDY) --results results --config config.yaml \
		$(if $(SEED),--seed $(SEED))

doctor:  ## what is installed, what is missing, and the command that mends each
	@for python in .venv/bin/python $(PYTHON) python3.11 python3.12 python3.13 python3; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			PYTHONPATH=src; export PYTHONPATH; exec $$python -m gmvae doctor; \
		fi; \
	done; \
	echo "Python 3.11 or newer is missing: install it, or name it, as in make doctor PYTHON=/opt/python"; exit 1

reference: $(STAMP)  ## keep the finished study as the reference: make reference STUDY=full [TASKS="mnist kang"]
	.venv/bin/python -m gmvae.reference.keep --study $(STUDY) --results results --output results/reference/$(STUDY) \
		--config config.yaml $(if $(TASKS),--tasks $(TASKS))
	if [ -f results/thesis.pdf ] && [ -z "$(TASKS)" ]; then \
		.venv/bin/python -m gmvae.reference.book --results results --output results/reference/$(STUDY) || exit 1; \
	fi
	$(MAKE) readme

archive: $(STAMP)  ## pack a study, finished or not, in results/archive: make archive STUDY=full [PART=book]
	.venv/bin/python -m gmvae.reference.archive --study $(STUDY) --results results --output results/archive/$(STUDY) \
		--config config.yaml $(if $(PART),--part $(PART)) $(if $(CONFIGFILE),--configfile $(CONFIGFILE))

unpack: $(STAMP)  ## take an archive; that of the book needs no training: make unpack ARCHIVE=book.tar.gz [SHA256=...]
	@test -n "$(ARCHIVE)" || { echo "Name an archive: make unpack ARCHIVE=book.tar.gz"; exit 1; }
	@.venv/bin/python -m gmvae.reference.unpack --archive "$(ARCHIVE)" --results results $(if $(SHA256),--sha256 $(SHA256))

readme: $(STAMP)  ## the tables and the picture of results, from results/reference
	.venv/bin/python -m gmvae.reference.readme --reference results/reference --output results/reference/README.md
	.venv/bin/python -m gmvae.reference.picture --reference results/reference --output results/reference/accuracy.png

bench: $(BENCH)  ## measure speed and memory, beside scvi-tools: benchmarks/*.csv, every ratio in the last line
	@for part in peer seeds precision ceiling step growth workflow startup; do \
		echo "Measuring: $$part"; \
		.venv-bench/bin/python -m benchmarks.$$part --output benchmarks/$$part.csv || exit 1; \
	done
	@.venv-bench/bin/python -m benchmarks.ratios

bench-gpu: $(STAMP)  ## measure training on the GPU beside the CPU: benchmarks/gpu.csv
	PYTHONPATH=src .venv/bin/python -m benchmarks.gpu --output benchmarks/gpu.csv

rivals: $(RIVALS)  ## scVI, scANVI and Harmony on the prepared tasks of finished studies: results/reference/rivals.csv
	.venv-rivals/bin/python -m benchmarks.rivals --results results --output results/reference/rivals.csv --config config.yaml

test: $(STAMP) latex  ## the tests but the slow ones
	$(PYTEST) -m "not slow and not scale and not slurm and not storage"

test-all: $(STAMP) latex  ## all tests but those of the next three; counts what they tried
	$(PYTEST) -m "not scale and not slurm and not storage"

test-storage: $(STORAGE)  ## the tests of results in a store that speaks S3, with a server here
	.venv-storage/bin/python -m pytest -m storage

test-scale: $(STAMP)  ## whether the costs of small datasets foretell a million cells and 1,000 runs: an hour
	.venv/bin/python -m pytest -m scale

test-slurm: $(STAMP) latex slurm  ## the tests on a cluster: a real Slurm, started here (as root) and stopped again
	.venv/bin/python -m pytest -m slurm

lint: $(STAMP)  ## style of the Python and Snakemake files
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/snakefmt --check Snakefile workflow

# The environments: the project's, those of `make bench` and `make rivals`, which have other packages too, and that of
# `make test-storage`. The stamp is newer than what it was made from, so a second call runs no installer.
$(STAMP): EXTRA := dev
$(BENCH): EXTRA := bench
$(RIVALS): EXTRA := rivals
$(STORAGE): EXTRA := dev,storage
$(STAMP) $(BENCH) $(RIVALS) $(STORAGE): constraints.txt pyproject.toml
	@for python in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			test -x $(@D)/bin/python || $$python -m venv $(@D) || exit 1; found=1; break; \
		fi; \
	done; \
	test -n "$$found" || { echo "Python 3.11 or newer is missing: install it, or name it, as in make PYTHON=/opt/python"; exit 1; }
	@echo "Installing what constraints.txt pins into $(@D) (some minutes)"
	@$(@D)/bin/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRA)]'
	@touch $@

# LaTeX, where it is missing and may be installed; where not, the targets above say so.
latex:
	@$(HAS_LATEX) || if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
		echo "Installing LaTeX with apt-get"; export DEBIAN_FRONTEND=noninteractive; \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $(LATEX); } >/dev/null || true; \
	fi

# Slurm, where it is missing and may be installed, and Snakemake's plugin for it; the tests that miss something say so.
slurm: $(STAMP)
	@.venv/bin/python -c 'import snakemake_executor_plugin_slurm' 2>/dev/null || \
		.venv/bin/python -m pip install --quiet -c constraints.txt -e '.[dev,slurm]'
	@command -v slurmctld >/dev/null && command -v munged >/dev/null || \
		if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
			echo "Installing Slurm with apt-get"; export DEBIAN_FRONTEND=noninteractive; \
			{ apt-get update -qq && apt-get install -y -qq --no-install-recommends slurm-wlm munge; } >/dev/null || true; \
		fi

clean:  ## remove what was computed but raw files and results/reference: make clean SURE=yes
	@test "$(SURE)" = yes || { echo "This removes all runs and the thesis. If that is meant: make clean SURE=yes"; exit 1; }
	rm -rf .snakemake
	test ! -d results || find results -mindepth 1 -maxdepth 1 ! -name raw ! -name reference -exec rm -rf {} +

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##  */\1\t/p' $(MAKEFILE_LIST) | expand -t 12
