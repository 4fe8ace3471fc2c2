"""A small set with several labels per example, drawn by scikit-learn, to try things without a download."""

import numpy as np

from lossbook.datasets.arrays import content_checksum, overall_checksum
from lossbook.datasets.data import Dataset, Part
from lossbook.datasets.errors import DataDamagedError
from lossbook.datasets.registry import DatasetInfo


def read(info: DatasetInfo) -> Dataset:
    """Draw the set: counts of twenty words, and labels that prefer some of them.

    Raises:
        DataDamagedError: This version of scikit-learn draws other numbers.
    """
    import torch
    from sklearn.datasets import make_multilabel_classification

    counts, labels = make_multilabel_classification(
        sum(info.parts.values()),
        n_features=20,
        n_classes=info.num_classes,
        n_labels=2,
        random_state=0,
    )
    values = {"x": counts.astype(np.float32), "y": labels.astype(np.uint8)}
    checksums = {name: content_checksum(value) for name, value in values.items()}
    for name, known in info.contents.items():
        if checksums[name] != known[0].sha256:
            raise DataDamagedError(
                f"this version of scikit-learn draws other {info.name} than this package was made with: "
                f"{name} has content sha256 {checksums[name]}, but {known[0].sha256} was expected. Install "
                "the version of requirements.lock."
            )
    inputs, targets = torch.from_numpy(values["x"]), torch.from_numpy(values["y"].astype(bool))
    size = info.train_size
    return Dataset(
        name=info.name,
        kind=info.kind,
        parts={"train": Part(inputs[:size], targets[:size]), "test": Part(inputs[size:], targets[size:])},
        num_classes=info.num_classes,
        class_names=tuple(str(label) for label in range(info.num_classes)),
        checksum=overall_checksum(checksums.values()),
        notes=info.notes,
    )
