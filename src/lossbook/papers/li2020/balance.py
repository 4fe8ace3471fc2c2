"""Cells of the experiments on probabilities: at the paper's learning rate, and at one of equal steps."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lossbook.experiments.grid import Cell
from lossbook.papers.li2020.names import CODE, LINK, LOSSES, RATES
from lossbook.papers.li2020.protocol import EQUAL_STEP, SMALL, rate_of
from lossbook.training import RunSpec

#: What the experiments on probabilities are made on.
DATASET, NETWORK = "fashion_mnist", "cnn2c"


def spec_of(
    loss: str, rate: str, changes: Mapping[str, Any], *, epoch_measures: str | None = None, measures: str = ""
) -> RunSpec:
    spec = replace(SMALL, **{"dataset": DATASET, **changes}, loss=CODE[loss])
    options = dict(spec.optimizer_options)
    if rate == "equal":
        options["lr"] = rate_of(EQUAL_STEP, loss)
    return replace(
        spec,
        loss_options={"beta": 1} if loss == "lgl_inr" else {},
        optimizer_options=options,
        measures=f"{measures}_{LINK[loss]}" if measures else LINK[loss],
        epoch_measures=f"{epoch_measures}_{LINK[loss]}" if epoch_measures else None,
    )


def labels_of(loss: str, rate: str, spec: RunSpec) -> dict[str, Any]:
    return {
        "dataset": DATASET,
        "network": NETWORK,
        "loss": loss,
        "epochs": spec.epochs,
        "rate": rate,
        "lr": spec.optimizer_options["lr"],
    }


def at_both_rates(changes: Mapping[str, Any], **measured: str) -> tuple[Cell, ...]:
    cells = []
    for rate in RATES:
        for loss in LOSSES:
            spec = spec_of(loss, rate, changes, **measured)
            cells.append(Cell(labels_of(loss, rate, spec), spec))
    return tuple(cells)
