"""A tiny experiment on embedded data."""

import os

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
