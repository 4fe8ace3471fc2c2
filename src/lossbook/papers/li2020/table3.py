"""Table 3, with Fig. 1 and 2: LR, CE and LGL-INR on MNIST, Fashion-MNIST and KMNIST."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from lossbook import models
from lossbook.evidence import claims
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import Contrast, Contrasts, Difference, Joined, Select
from lossbook.evidence.grids import Column, Table
from lossbook.evidence.rules import Finding, Gain, NoLoss
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.li2020 import calibration, scale
from lossbook.papers.li2020.names import (
    BASELINE,
    BOTH_READINGS,
    CALIBRATION,
    DATASETS,
    DRAWN,
    LONG_ENOUGH,
    MISSING,
    NAMES,
    NETWORK_NAMES,
    NETWORKS,
    PIXELS,
    READINGS,
    SCALE,
    TABLE3,
    WHOLE,
    basis,
)
from lossbook.papers.li2020.protocol import DIGITS, EQUAL_STEP, SMALL, by_name, cell
from lossbook.results import Record, published


def _cells(networks: Iterable[str], sets: Iterable[str], **changes: Any) -> tuple[Cell, ...]:
    sets = tuple(sets)
    return tuple(
        cell(SMALL, dataset, network, loss, changes)
        for network in networks
        for dataset in sets
        for loss in BOTH_READINGS
    )


EXPERIMENT = Experiment(
    name=TABLE3,
    title="Table 3 and Fig. 2: LR, CE and LGL-INR on MNIST, Fashion-MNIST and KMNIST",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol: CNN2C and CNN5C, 20 epochs on all training images",
            _cells(("cnn2c", "cnn5c"), ("mnist", "fashion_mnist", "kmnist")),
            seeds=5,
        ),
        Profile(
            "cnn2c",
            "the paper's protocol, CNN2C on MNIST and Fashion-MNIST alone",
            _cells(("cnn2c",), ("mnist", "fashion_mnist")),
            seeds=5,
            part_of=PAPER,
        ),
        Profile(
            "subset",
            "12,000 images of Fashion-MNIST for 10 epochs, CNN2C and CNN5C",
            _cells(("cnn2c", "cnn5c"), ("fashion_mnist",), train_size=12_000, epochs=10),
            seeds=3,
        ),
        Profile(
            "quick",
            "2,000 images of MNIST and of Fashion-MNIST for 5 epochs, CNN2C alone",
            _cells(("cnn2c",), ("mnist", "fashion_mnist"), train_size=2000, test_size=1000, epochs=5),
            seeds=2,
            embedded_fallback=True,
        ),
        Profile(
            "smoke",
            "128 of scikit-learn's digits for 2 epochs, to see that everything runs",
            _cells(("cnn2c", "cnn5c"), ("mnist",), **DIGITS),
            seeds=2,
        ),
    ),
)


def network_table() -> pd.DataFrame:
    """Return the paper's networks as built here: what is printed, what is built, parameters counted."""
    printed = {row.network: str(row.architecture) for row in published("li2020", "table2").itertuples()}
    said = {
        "cnn2c": "as printed; no padding, a rectifier after each convolution",
        "cnn5c": "no padding, last pooling over all 7×7 that is left (kernel 7 instead of 8)",
        "mobilenet_v2": "torchvision's, strides of the first convolution and the second stage 1, no dropout",
        "resnet18": "torchvision's, first convolution 3×3 at stride 1, no pooling behind it",
    }
    rows = []
    for name, built in said.items():
        shape = (1, 28, 28) if name in NETWORKS else (3, 32, 32)
        network = models.build(f"li2020_{name}", shape)
        rows.append(
            {
                "Network": NETWORK_NAMES[name],
                "Printed": printed.get(name, '"publicly available implementations"'),
                "Built": built,
                "Parameters": f"{sum(p.numel() for p in network.parameters()):,}",
            }
        )
    return pd.DataFrame(rows)


def layer_sizes(name: str) -> list[tuple[str, str]]:
    """Return the layers of CNN2C or CNN5C on 28x28 images, each with the size of its output.

    Args:
        name: ``"cnn2c"`` or ``"cnn5c"``.

    Returns:
        Pairs like ``("conv 5×5", "20 × 24 × 24")``, the input first.
    """
    x = torch.zeros(1, 1, 28, 28)
    found = [("image", "1 × 28 × 28")]
    network = models.build(f"li2020_{name}", (1, 28, 28)).eval()
    with torch.no_grad():
        for layer in network.children():
            x = layer(x)
            label = _layer_name(layer)
            if label:
                found.append((label, " × ".join(str(n) for n in x.shape[1:])))
    return found


def _layer_name(layer: nn.Module) -> str:
    if isinstance(layer, nn.Conv2d):
        return f"conv {layer.kernel_size[0]}×{layer.kernel_size[0]}"
    if isinstance(layer, nn.BatchNorm2d):
        return "batch norm"
    if isinstance(layer, nn.MaxPool2d):
        return f"max-pool {layer.kernel_size}"
    if isinstance(layer, nn.AdaptiveMaxPool2d):
        return "max-pool, all"
    return {nn.Linear: "linear", nn.Flatten: "flatten"}.get(type(layer), "")


@cache
def printed() -> dict[tuple[str, str, str], float]:
    """Return Table 3 of the paper: network, data set, loss -> accuracy in percent.

    Both readings of the logistic loss have the paper's one number for it.
    """
    rows = published("li2020", "table3").to_dict("records")
    found = {(r["network"], r["dataset"], r["loss"]): float(r["accuracy_percent"]) for r in rows}
    averaged = {(n, d, "lgl_mean"): value for (n, d, loss), value in found.items() if loss == "lgl"}
    return found | averaged


TABLE = Table(
    TABLE3,
    rows={"network": "Network", "dataset": "Data", "loss": "Loss"},
    columns=(Column("Ours, %", percent=True),),
    names={"network": NETWORK_NAMES, "loss": NAMES},
    published=printed(),
    against={"loss": BASELINE},
    baseline=NAMES[BASELINE],
    missing=MISSING,
)
#: A note to the table.
ONE_NUMBER = "The paper has one number for LR; it does not say which of the two readings it is."

#: How long the curves are over whose end, and beginning, accuracies are averaged.
LAST = 5


def last_epochs(record: Record) -> float | None:
    """Mean test accuracy over the last epochs, as it moves from one to the next; None for shorter runs."""
    curve = record.curves.get("test_accuracy", [])
    values = [value for value in curve[-LAST:] if value is not None]
    return float(np.mean(values)) if len(curve) > LAST and values else None


def early(record: Record) -> float | None:
    """Mean test accuracy over the first quarter of the epochs, rounded up to whole epochs."""
    curve = record.curves["test_accuracy"]
    values = [value for value in curve[: math.ceil(len(curve) / 4)] if value is not None]
    return float(np.mean(values)) if values else None


def lead(loss: str, base: str, network: str, dataset: str, **how: Any) -> Contrast:
    """Test accuracy of one loss minus that of another, beside the paper's.

    Args:
        loss: One of the losses.
        base: What is subtracted.
        network: One of the networks.
        dataset: One of the data sets.
        **how: Which number is read of each run, as for :class:`Select`.
    """
    where = {"network": network, "dataset": dataset}
    return Contrast(
        f"{NAMES[loss]} minus {NAMES[base]}, {NETWORK_NAMES[network]} on {dataset_name(dataset)}",
        Select({**where, "loss": loss}, **how),
        Select({**where, "loss": base}, **how),
        paper=None if how else printed()[network, dataset, loss] - printed()[network, dataset, base],
    )


def early_lead(base: str, dataset: str) -> Contrast:
    """How far LGL-INR is ahead early in training, at the paper's learning rate."""
    where = {"network": "cnn2c", "dataset": dataset}
    return Contrast(
        f"LGL-INR minus {NAMES[base]} early on, CNN2C on {dataset_name(dataset)}, learning rate 0.01",
        Select({**where, "loss": "lgl_inr"}, value=early),
        Select({**where, "loss": base}, value=early),
        resolved=False,
    )


STANDARDISED = "standardised pixels"


def _everywhere(loss: str, base: str) -> Contrasts:
    """Two losses on every network and data set of the table."""
    return Contrasts(TABLE3, [lead(loss, base, n, d) for n in NETWORKS for d in DATASETS])


def on_standardised(loss: str, base: str, network: str, dataset: str) -> Contrast:
    """The same on standardised pixels."""
    where = {"network": network, "dataset": dataset}
    return Contrast(
        f"{NAMES[loss]} minus {NAMES[base]}, {NETWORK_NAMES[network]} on {dataset_name(dataset)}, "
        f"{STANDARDISED}",
        Select({**where, "loss": loss}),
        Select({**where, "loss": base}),
    )


def _readings(loss: str, base: str) -> dict[str, Contrasts]:
    """Two losses in every reading of what the paper did: LR summed or averaged, and how pixels are
    scaled."""
    logistic = "lgl" in (loss, base)
    each = READINGS if logistic else ("pixels from 0 to 1",)
    found = {
        NAMES.get(reading, reading): _everywhere(
            *(reading if logistic and side == "lgl" else side for side in (loss, base))
        )
        for reading in each
    }
    scaled = [on_standardised(loss, base, n, d) for n in NETWORKS for d in DATASETS]
    return found | {STANDARDISED: Contrasts(PIXELS, scaled, only=(PAPER,), optional=True)}


_MEASURED = (
    "The difference of test accuracies after the last epoch, {}, paired by seed, in each pair of data set "
    "and network. Only runs at the paper's protocol count; others are shown."
)
_PIXELS = (
    "The paper does not say how pixels were scaled. Runs of its protocol on standardised pixels count as "
    "another reading, beside those on pixels from 0 to 1."
)
_LGL = "LR is taken summed and averaged over the classes."

LGL_POORER = Claim(
    "lgl",
    "On MNIST and similar sets LR is less accurate than CE.",
    "Predictive Results; Table 3",
    _MEASURED.format("CE minus LR"),
    _readings(BASELINE, "lgl"),
    Gain(),
    WHOLE,
    f"{_LGL} {_PIXELS}",
    basis=basis,
)
INR_LGL = Claim(
    "inr-lgl",
    "On MNIST and similar sets LGL-INR is more accurate than LR.",
    "Abstract; Predictive Results; Table 3",
    _MEASURED.format("LGL-INR minus LR"),
    _readings("lgl_inr", "lgl"),
    Gain(),
    WHOLE,
    f"{_LGL} {_PIXELS}",
    basis=basis,
)
COMPETITIVE = Claim(
    "competitive",
    "On MNIST and similar sets LGL-INR is competitive with CE.",
    "Abstract; Predictive Results; Table 3",
    _MEASURED.format("LGL-INR minus CE"),
    _readings("lgl_inr", BASELINE),
    NoLoss(),
    WHOLE,
    _PIXELS,
    basis=basis,
)
INR_SML = Claim(
    "inr-sml",
    "On MNIST and similar sets LGL-INR outperforms CE.",
    "Abstract; Predictive Results; Table 3",
    _MEASURED.format("LGL-INR minus CE"),
    _readings("lgl_inr", BASELINE),
    Gain(),
    WHOLE,
    _PIXELS,
    basis=basis,
)


def _equal_steps(found: Sequence[Difference]) -> list[Difference]:
    """Those of other experiments, which compare at equal steps."""
    return [d for d in found if d.records[0].experiment != TABLE3]


@dataclass(frozen=True)
class Faster:
    """One side learns faster at the paper's learning rate, and at equal steps as well."""

    def text(self, total: int) -> str:  # noqa: ARG002  the same for any number
        """The rule in words."""
        return (
            "It holds if all intervals lie above zero, holds in part if some of those at the paper's "
            "learning rate do, does not hold if all of them lie below zero, and is not settled otherwise."
        )

    def judge(self, found: Sequence[Difference], total: int) -> Finding:  # noqa: ARG002
        """The finding; runs at equal steps alone do not test the claim."""
        at_step = _equal_steps(found)
        at_rate = [d for d in found if d not in at_step]
        if not at_rate:
            return "not tested"
        if any(d.above for d in at_rate):
            everywhere = at_step and all(d.above for d in found)
            return "holds" if everywhere else "holds in part"
        return "does not hold" if all(d.below for d in at_rate) else "not settled"

    def shows(self, difference: Difference) -> bool:
        """Whether the interval lies above zero."""
        return difference.above


FAST = Claim(
    "fast",
    "LGL-INR converges slightly faster than the others, so the focus on hard classes may help training.",
    "Further Analysis; Fig. 2",
    "The mean test accuracy over the first quarter of the epochs (rounded up), LGL-INR's minus that of CE "
    "and of LR, paired by seed: at the paper's learning rate, and at equal steps (learning rate times "
    f"gradient scale {EQUAL_STEP:g}). Only runs at the paper's protocol decide at the paper's learning "
    "rate, and the profiles paper and subset at equal steps.",
    {
        "": Joined(
            (
                Contrasts(
                    TABLE3,
                    [early_lead(base, dataset) for dataset in DATASETS for base in (BASELINE, "lgl")],
                    only=WHOLE,
                ),
                Contrasts(
                    SCALE,
                    [
                        scale.at_equal_steps("lgl_inr", base, dataset, value=early)
                        for dataset in DATASETS
                        for base in (BASELINE, "lgl")
                    ],
                    only=LONG_ENOUGH,
                ),
                Contrasts(
                    CALIBRATION,
                    [calibration.lead("lgl_inr", base, "equal", value=early) for base in (BASELINE, "lgl")],
                    only=(PAPER,),
                ),
            )
        )
    },
    Faster(),
    (*WHOLE, *LONG_ENOUGH),
    more=lambda found: () if _equal_steps(found) else ("There are no runs at equal steps yet.",),
    basis=basis,
)


def curve_groups(evidence: Evidence, profile: str, dataset: str, network: str) -> dict[str, list[Record]]:
    """Return the losses' looks -> their records, to be drawn."""
    found = {
        DRAWN[loss]: list(evidence.runs(profile, dataset=dataset, network=network, loss=loss).records)
        for loss in BOTH_READINGS
    }
    return {look: records for look, records in found.items() if records}


def curves_protocol(evidence: Evidence, profile: str, dataset: str, network: str) -> str:
    """Return what the runs of a figure were trained on, in words."""
    records = [r for g in curve_groups(evidence, profile, dataset, network).values() for r in g]
    return f"{NETWORK_NAMES[network]}, {dataset_name(dataset, records)}; {claims.protocol(records)}"
