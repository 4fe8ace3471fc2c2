"""The names of li2020: its losses, networks, data sets, rates and experiments; what its runs were made on."""

from __future__ import annotations

from collections.abc import Sequence

from lossbook.evidence import claims
from lossbook.evidence.select import dataset_name
from lossbook.experiments.grid import PAPER
from lossbook.results import Record

TABLE3, TABLE4, TABLE5 = "li2020/table3", "li2020/table4", "li2020/table5"
CALIBRATION, IMBALANCE, MODALITY = "li2020/calibration", "li2020/imbalance", "li2020/modality"
PIXELS, SCALE = "li2020/pixels", "li2020/scale"
EXPERIMENTS = (TABLE3, TABLE4, TABLE5, SCALE, MODALITY, IMBALANCE, CALIBRATION, PIXELS)

#: Where the verdict page lists what has not been run.
MISSING = "verdict.html#li2020-missing"

CLASSES = 10
#: The paper's losses.
LOSSES = ("sml", "lgl", "lgl_inr")
BASELINE = "sml"
#: The logistic loss in the two readings of the paper: summed over the classes, and averaged.
READINGS = ("lgl", "lgl_mean")
#: The losses of Table 3, where both readings are tried.
BOTH_READINGS = ("sml", *READINGS, "lgl_inr")
#: LGL-INR with its first level of weights alone: positives as much as negatives, all negatives alike.
FIRST_LEVEL = "lgl_inr_0"
#: In the package.
CODE = {"sml": "ce", "lgl": "lr", "lgl_mean": "lr", "lgl_inr": "lgl_inr", FIRST_LEVEL: "lgl_inr"}
#: The look that a loss has in figures.
DRAWN = {"sml": "ce", "lgl": "lr", "lgl_mean": "lr_mean", "lgl_inr": "lgl_inr"}
#: On pages: the book's names. The paper's are SML for CE and LGL for LR.
NAMES = {
    "sml": "CE",
    "lgl": "LR",
    "lgl_mean": "LR (mean)",
    "lgl_inr": "LGL-INR",
    FIRST_LEVEL: "LGL-INR, β = 0",
}
#: How a loss's own probabilities are read off the logits: a softmax, or one sigmoid per class.
LINK = {loss: "softmax" if code == "ce" else "sigmoid" for loss, code in CODE.items()}

#: The networks of Table 3, and of Table 4.
CNN2C = "cnn2c"
NETWORKS, LARGE_NETWORKS = (CNN2C, "cnn5c"), ("mobilenet_v2", "resnet18")
NETWORK_NAMES = {
    CNN2C: "CNN2C",
    "cnn5c": "CNN5C",
    "mobilenet_v2": "MobileNetV2",
    "resnet18": "ResNet-18",
}
#: The data sets of Table 3.
DATASETS = ("mnist", "fashion_mnist", "kmnist")
#: How the losses are compared: at the paper's learning rate, or at one that makes their steps equal.
RATES = {"paper": "the paper's learning rate", "equal": "equal steps"}

#: Two sides count as about equal if they typically lie within this of each other (root mean square of the
#: logarithm of their ratio).
ABOUT = 0.1
#: Profiles at the paper's protocol; runs of any other leave a claim about its tables open.
WHOLE = (PAPER, "fashion")
#: Profiles that decide where the question is not one of the paper's tables: long enough for their purpose.
LONG_ENOUGH = (PAPER, "subset")


def basis(records: Sequence[Record]) -> str:
    """On what runs a finding rests, and how far that is from the paper's protocol; profile by profile."""
    parts = []
    # Runs of a table and others may share a profile's name; only those of a table are the paper's own.
    of_tables = (TABLE3, TABLE4, TABLE5, PIXELS)
    for profile, own in dict.fromkeys((r.profile, r.experiment in of_tables) for r in records):
        mine = [r for r in records if (r.profile, r.experiment in of_tables) == (profile, own)]
        sets = ", ".join(dict.fromkeys(dataset_name(str(r.labels["dataset"])) for r in mine))
        networks = ", ".join(dict.fromkeys(NETWORK_NAMES[str(r.labels["network"])] for r in mine))
        if profile in WHOLE and own:
            how = f"the paper's protocol ({claims.seeds_text(mine)})"
        elif profile == PAPER:
            how = f"as many images and epochs as in the paper ({claims.seeds_text(mine)})"
        else:
            how = claims.basis(mine)
        parts.append(f"{networks} on {sets}: {how}")
    return "; ".join(parts) or "no runs"
