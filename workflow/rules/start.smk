# What a call needs is checked before its first job, and what its jobs wrote is sealed at its end.

from gmvae.pipeline.checks import seals, start

if workflow.is_main_process:  # a job on a cluster reads the Snakefile, too
    exit_if_refused(start.check_start, sys.argv[1:], {"all", *(rule.name for rule in workflow.rules)})
    if not UPSTREAM:
        unpacked.print_archive(config)


onstart:
    exit_if_refused(start.check_jobs, {job.rule.name for job in workflow.dag.needrun_jobs()})
    limit = workflow.scheduling_settings.max_jobs_per_timespan
    if start.is_default_limit(limit.max_jobs, limit.timespan):
        workflow.scheduler.job_rate_limiter = None


onsuccess:
    seals.seal_results()


onerror:
    seals.seal_results()
