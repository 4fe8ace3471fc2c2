"""li2020: the learning property of the logistic and the softmax loss."""

#: The items that train networks; each module has an ``EXPERIMENT``.
EXPERIMENTS = ("table3", "table4", "table5", "scale", "pixels", "modality", "imbalance", "calibration")
