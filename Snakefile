# The workflow: experiments -> records -> executed notebooks -> book. `make book` runs it; by itself:
#     snakemake --directory _build/quick --config profile=quick --cores all
# Paths are relative to that directory. What a step depends on besides the files of earlier steps enters as content
# hashes in `params`, so that it runs again exactly when something it reads has changed.

import sys

from lossbook import workflow as lossbook

PROFILE = lossbook.check_profile(config.get("profile", "quick"))
RUN = f'"{sys.executable}" -m lossbook.workflow'
NOTEBOOKS = lossbook.notebook_names()

lossbook.drop_outdated_stamps(PROFILE)


rule all:
    input:
        "book.json",


rule experiment:
    output:
        "experiments/{paper}/{item}.json",
    params:
        inputs=lambda w: lossbook.experiment_inputs(f"{w.paper}/{w.item}"),
    threads: workflow.cores
    shell:
        "{RUN} experiment {wildcards.paper}/{wildcards.item} --profile {PROFILE} 2>&1"


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
    threads: workflow.cores
    shell:
        "{RUN} book --profile {PROFILE} 2>&1"
