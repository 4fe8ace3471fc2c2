"""The names of yao2018: its losses, data sets and profiles."""

from __future__ import annotations

TABLE1 = "yao2018/table1"
DATASETS = ("mnist", "cifar10")

BASELINE = "ce"
#: NLLR on probabilities clipped as the Keras backend of 2018 clips them.
CLIPPED = "nllr_clipped"
#: The paper's losses, and the second reading of NLLR.
LOSSES = ("ce", "bce", "nllr", CLIPPED)
#: The losses that the paper's NLLR may have been: its formula, or the formula on clipped probabilities.
READINGS = {"nllr": "NLLR as printed", CLIPPED: "NLLR clipped"}
#: On pages.
NAMES = {"ce": "CE", "bce": "BCE", "nllr": "NLLR", CLIPPED: READINGS[CLIPPED]}
#: In the package: name and options.
CODE = {CLIPPED: ("nllr", {"clip": 1e-7})}
#: The epochs at which the paper reports each loss (Sec. IV).
PUBLISHED_EPOCHS = {"ce": 100, "bce": 100, "nllr": 500, CLIPPED: 500}
