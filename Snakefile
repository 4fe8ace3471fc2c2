# The workflow: experiments -> records -> executed notebooks -> book. `make book` runs it; by itself:
#     snakemake --directory _build/recorded --config profile=recorded replay=90 --cores all
# One experiment alone, its grid divided into 8 jobs, which any executor can run:
#     snakemake experiments/<paper>/<item>.json --directory _build/paper --config profile=paper shards=8 --cores all
# Paths are relative to that directory. What a step depends on besides the files of earlier steps enters as content
# hashes in `params`, so that it runs again exactly when something it reads has changed.

import sys

from lossbook import build
from lossbook.build.locks import hold_workflow

SETTINGS = build.read_settings(config)
PROFILE = SETTINGS.profile
# Without a shell in between, a step can tell that Snakemake is gone.
RUN = f'exec "{sys.executable}" -m lossbook.build'
GRAPH = build.Graph(PROFILE, SETTINGS.replay)
# Those of this machine; a cluster's jobs have no such number.
CORES = workflow.resource_settings.cores or 1

# A job on a cluster reads this file too; it is not the one to judge.
if workflow.is_main_process:
    build.end_group_with_parent()
    LOCK = None if workflow.dryrun else hold_workflow(PROFILE)
    build.drop_outdated_stamps(GRAPH)


rule all:
    input:
        "book.json",


# Part i of n of an experiment. Its records are files of its own; the stamp says that it is done, for as long as
# the experiment is not. Stopped or killed, it goes on from its records and checkpoints when it is run again.
rule shard:
    output:
        temp("shards/{paper}/{item}/{part}.json"),
    params:
        inputs=lambda w: GRAPH.experiment_inputs(f"{w.paper}/{w.item}"),
        options=lambda w, resources: SETTINGS.options(resources.get("runtime")),
    threads: SETTINGS.threads
    shell:
        "{RUN} shard {wildcards.paper}/{wildcards.item} {wildcards.part} --profile {PROFILE} --stamp {output:q}"
        " {params.options} 2>&1"


rule experiment:
    input:
        lambda w: SETTINGS.stamps(f"{w.paper}/{w.item}"),
    output:
        "experiments/{paper}/{item}.json",
    params:
        inputs=lambda w: GRAPH.experiment_inputs(f"{w.paper}/{w.item}"),
        options=SETTINGS.options(),
    # Small runs gain nothing from a second thread; experiments side by side do, but for those that share a GPU.
    threads: CORES if SETTINGS.shards == 1 and (PROFILE not in ("smoke", "quick") or SETTINGS.one_at_a_time) else 1
    shell:
        "{RUN} experiment {wildcards.paper}/{wildcards.item} --profile {PROFILE} --stamp {output:q}"
        " {params.options} 2>&1"


# One recorded run, trained again where its data are: what this machine gives beside the record.
rule replay:
    output:
        "replays/{paper}/{item}.json",
    params:
        inputs=lambda w: GRAPH.replay_inputs(f"{w.paper}/{w.item}"),
    priority: 1
    threads: 1
    shell:
        "{RUN} replay {wildcards.paper}/{wildcards.item} --profile {PROFILE} --replay {SETTINGS.replay}"
        " --folder replays 2>&1"


# Why there is none of the other experiments: one step, as starting one takes longer than that.
if GRAPH.passed_over:
    ruleorder: passed_over > replay

    rule passed_over:
        output:
            expand("replays/{name}.json", name=GRAPH.passed_over),
        params:
            inputs=GRAPH.replay_inputs(),
            names=" ".join(GRAPH.passed_over),
        priority: 1
        threads: 1
        shell:
            "{RUN} replay {params.names} --profile {PROFILE} --replay {SETTINGS.replay} --folder replays 2>&1"


rule notebook:
    input:
        lambda w: [f"replays/{name}.json" for name in GRAPH.replayed_for(f"{w.paper}/{w.item}")],
        lambda w: [f"experiments/{name}.json" for name in GRAPH.trained_for(f"{w.paper}/{w.item}")],
    output:
        "notebooks/{paper}/{item}.ipynb",
        directory("files/{paper}/{item}"),
    params:
        inputs=lambda w: GRAPH.notebook_inputs(f"{w.paper}/{w.item}"),
    threads: 1
    shell:
        "{RUN} notebook {wildcards.paper}/{wildcards.item} --profile {PROFILE} 2>&1"


rule book:
    input:
        expand("notebooks/{name}.ipynb", name=GRAPH.notebooks),
    output:
        "book.json",
    params:
        inputs=GRAPH.book_inputs(),
    threads: CORES
    shell:
        "{RUN} book --profile {PROFILE} 2>&1"
