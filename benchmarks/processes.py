"""Several runs at once: `--processes N` beside all cores on one run after the other.

    .venv/bin/python benchmarks/processes.py [--processes 2] [--runs 8] [--epochs 5] [--rounds 2]

Trains CNN2C of li2020 in batches of 64 on 12,000 images of MNIST, with four losses and as many seeds as the
number of runs takes. Once in this process with all cores, once in as many processes as there are cores,
each with its share of them, start of the processes included. The two take turns; the ratio is of the medians.

Leave the machine otherwise idle.

Seen on two cores of an AMD EPYC server, torch 2.15: 1.18 times the speed (8 runs of 5 epochs, 2 rounds). More
cores, and a GPU, have not been tried.
"""

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from lossbook import datasets, experiments
from lossbook.experiments import Experiment
from lossbook.experiments.workers import run_in_processes
from lossbook.results import Store

TRAIN, TEST = 12_000, 2_000


def experiment(runs: int, epochs: int) -> Experiment:
    """The smallest network of li2020's Table 3, with so many runs."""
    declared = experiments.get("li2020/table3")
    whole = declared.profile("cnn2c")
    cells = tuple(
        replace(cell, spec=replace(cell.spec, train_size=TRAIN, test_size=TEST, epochs=epochs))
        for cell in whole.cells
        if cell.labels["dataset"] == "mnist"
    )
    profile = replace(whole, cells=cells, seeds=-(-runs // len(cells)), part_of=None)
    return replace(declared, profiles={"cnn2c": profile})


def seconds(grid: Experiment, processes: int) -> float:
    """Train all of it into an empty store."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LOSSBOOK_BUILD"] = folder
        store = Store(Path(folder) / "results", Path(folder) / "none")
        started = time.perf_counter()
        outcome = run_in_processes(
            grid, processes, profile="cnn2c", device="cpu", progress=False, store=store
        )
        took = time.perf_counter() - started
        assert not outcome.left
    return took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    grid = experiment(given.runs, given.epochs)
    times: dict[int, list[float]] = {1: [], given.processes: []}
    datasets.get("mnist")
    for _ in range(given.rounds):
        for processes, found in times.items():
            found.append(seconds(grid, processes))
    count = len(grid.profile("cnn2c").runs())
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {count} runs of {given.epochs} epochs"
    )
    medians = {processes: statistics.median(found) for processes, found in times.items()}
    for processes, median in medians.items():
        print(f"{processes} at once: {median:.1f} s ({', '.join(f'{t:.1f}' for t in times[processes])})")
    print(f"{given.processes} processes: {medians[1] / medians[given.processes]:.2f} times the speed of one")


if __name__ == "__main__":
    main()
