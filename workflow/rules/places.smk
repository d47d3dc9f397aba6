# Where files are: in this folder; with --cache, what several checkouts need, in a folder that they share; with
# --default-storage-provider, all results, in a store. From a store a job gets copies of its files, and the paths below
# results/ among the options of its step name these copies.

from snakemake.caching.rule import RuleCache

from gmvae.pipeline import sources

STORE = workflow.storage_registry.default_storage_provider
PREFIX = (workflow.storage_settings.default_storage_prefix or "").rstrip("/")
COPIES = str(STORE.object(f"{PREFIX}/results").local_path()) if STORE else "results"
if STORE:
    os.environ["GMVAE_COPIES"] = str(Path(COPIES).parent)  # where LaTeX looks for results/


def option_words(values):
    """The options of a step as words, each path below results/ where the job finds its file."""
    return step_options.place_words(step_options.option_words(values), COPIES)


def project_files(folder, *suffixes):
    """Files of the project, which are in no store."""
    return [local(file) for file in sources.project_files(folder, *suffixes)]


def without_store(files):
    """The files, those that no rule makes marked as in no store."""
    return [file if file.startswith("results/") else local(file) for file in files]


def share_outputs(*names):
    """Let Snakemake keep the files of these rules in $SNAKEMAKE_OUTPUT_CACHE, and take them from there.

    It refuses rules that keep their time: a file from there has none.
    """
    for name in names:
        step = workflow.get_rule(name)
        step._benchmark = None
        step.cache = RuleCache.from_rule(step, True)
