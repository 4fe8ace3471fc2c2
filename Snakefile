# The workflow: experiments -> records -> executed notebooks -> book. `make book` runs it; by itself:
#     snakemake --directory _build/quick --config profile=quick --cores all
# One experiment alone, its grid divided into 8 jobs, which any executor can run:
#     snakemake experiments/<paper>/<item>.json --directory _build/paper --config profile=paper shards=8 --cores all
# Paths are relative to that directory. What a step depends on besides the files of earlier steps enters as content
# hashes in `params`, so that it runs again exactly when something it reads has changed.

import sys

from lossbook import workflow as lossbook

SETTINGS = lossbook.read_settings(config)
PROFILE = SETTINGS.profile
RUN = f'"{sys.executable}" -m lossbook.workflow'
NOTEBOOKS = lossbook.notebook_names()
# Those of this machine; a cluster's jobs have no such number.
CORES = workflow.resource_settings.cores or 1

# A job on a cluster reads this file too; it is not the one to judge.
if workflow.is_main_process:
    lossbook.drop_outdated_stamps(PROFILE)


rule all:
    input:
        "book.json",


# Part i of n of an experiment. Its records are files of its own; the stamp says that it is done, for as long as
# the experiment is not. Stopped or killed, it goes on from its records and checkpoints when it is run again.
rule shard:
    output:
        temp("shards/{paper}/{item}/{part}.json"),
    params:
        inputs=lambda w: lossbook.experiment_inputs(f"{w.paper}/{w.item}"),
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
        inputs=lambda w: lossbook.experiment_inputs(f"{w.paper}/{w.item}"),
        options=SETTINGS.options(),
    threads: CORES if SETTINGS.shards == 1 else 1
    shell:
        "{RUN} experiment {wildcards.paper}/{wildcards.item} --profile {PROFILE} --stamp {output:q}"
        " {params.options} 2>&1"


rule notebook:
    input:
        lambda w: [f"experiments/{name}.json" for name in lossbook.experiments_of(f"{w.paper}/{w.item}")],
    output:
        "notebooks/{paper}/{item}.ipynb",
        directory("files/{paper}/{item}"),
    params:
        inputs=lambda w: lossbook.notebook_inputs(f"{w.paper}/{w.item}", PROFILE),
    threads: 1
    shell:
        "{RUN} notebook {wildcards.paper}/{wildcards.item} --profile {PROFILE} 2>&1"


rule book:
    input:
        expand("notebooks/{name}.ipynb", name=NOTEBOOKS),
    output:
        "book.json",
    params:
        inputs=lossbook.book_inputs(),
    threads: CORES
    shell:
        "{RUN} book --profile {PROFILE} 2>&1"
