"""A tiny experiment on embedded data."""

import contextlib
import os
import subprocess
import sys

from lossbook.experiments import Cell, Experiment, Profile
from lossbook.results import Store
from lossbook.training import RunSpec


class DyingStore(Store):
    """Ends its process when a run is done."""

    def append(self, record):
        os._exit(3)


def tiny_experiment(epochs=2, losses=("ce", "nllr"), seeds=2, **changes):
    def cell(loss):
        settings = {
            "dataset": "digits",
            "model": "keras_mnist_cnn",
            "loss": loss,
            "optimizer": "keras_adadelta",
            "batch_size": 32,
            "epochs": epochs,
            "train_size": 64,
            "test_size": 50,
        }
        return Cell({"dataset": "digits", "loss": loss, "epochs": epochs}, RunSpec(**(settings | changes)))

    profile = Profile("smoke", "tiny", tuple(cell(loss) for loss in losses), seeds)
    return Experiment("toy/table1", "A toy", {"smoke": profile})


@contextlib.contextmanager
def in_other_hands(lock):
    """Another process holds a lock file."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    holding = "import sys, filelock\nwith filelock.FileLock(sys.argv[1]): print(flush=True), input()"
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        yield
        other.communicate(b"\n")
